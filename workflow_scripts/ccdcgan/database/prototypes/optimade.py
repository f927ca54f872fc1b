"""The source ``optimade``: crystals of any OPTIMADE provider (Andersen et al., Sci. Data 8, 217 (2021))."""

import re
import warnings
from pathlib import Path
from typing import Any

from optimade.adapters import Structure as Entry
from optimade.client import OptimadeClient

from ccdcgan.database.prototypes.download import Row, fetch_parts
from ccdcgan.utils.errors import InputError

FIELDS = (
    "lattice_vectors",
    "cartesian_site_positions",
    "species",
    "species_at_sites",
    "structure_features",
    "nelements",
    "elements",
    "nsites",
    "last_modified",
    "dimension_types",
    "nperiodic_dimensions",
    "elements_ratios",
    "chemical_formula_reduced",
    "chemical_formula_anonymous",
    "chemical_formula_descriptive",
)
"""OPTIMADE properties that describe a crystal."""

MOST = 1_000_000
"""Largest number of crystals in one part. The client's own value for "all" fails with providers that count their
answers."""


def fetch_optimade(
    crystals: str | Path, provenance: str | Path, settings: dict[str, Any], n_elements: int, max_atoms: int
) -> None:
    """Download the crystals with 1 to ``n_elements`` elements and at most ``max_atoms`` atoms from every provider.

    The download has one part per provider, number of elements and number of atoms.

    Args:
        crystals: File of the crystals to write.
        provenance: File of the provenance to write.
        settings: ``prototypes.optimade``: urls (of the providers' databases, without the version) and filter (a further
            condition in the filter language of OPTIMADE, or null).
        n_elements: Largest number of elements.
        max_atoms: Largest number of atoms in the cell.

    Raises:
        InputError: If a provider cannot be reached or reports an error.
    """
    parts = {
        f"{index:02d}-{n:02d}-elements-{atoms:03d}-atoms": (url, _filter(n, atoms, settings["filter"]))
        for index, url in enumerate(settings["urls"])
        for n in range(1, n_elements + 1)
        for atoms in range(n, max_atoms + 1)
    }
    facts = {
        "source": "optimade",
        "what": f"crystals of 1 to {n_elements} elements and at most {max_atoms} atoms",
        "urls": settings["urls"],
        "filter": settings["filter"],
        "cite": "Andersen et al., Sci. Data 8, 217 (2021), and the providers",
    }
    fetch_parts(crystals, provenance, parts, _fetch, facts)


def _filter(n_elements: int, atoms: int, further: str | None) -> str:
    text = f"nelements={n_elements} AND nsites={atoms}"
    return f"{text} AND ({further})" if further else text


def _fetch(query: tuple[str, str]) -> list[Row]:
    """Return the crystals of one provider that pass a filter."""
    url, text = query
    client = OptimadeClient(
        base_urls=[url], max_results_per_provider=MOST, max_attempts=3, use_async=False, silent=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about fields outside the standard
        try:
            reply = client.get(text, endpoint="structures", response_fields=list(FIELDS))
            reply = reply["structures"][text][url]
        except Exception as error:  # the client's parser and transport raise many types of errors
            raise InputError(_message(url, text, f"{type(error).__name__}: {error}")) from None
    if reply["errors"]:  # the client returns a provider's errors in its reply
        raise InputError(_message(url, text, str(reply["errors"][0])))
    return [_row(entry) for entry in reply["data"]]


def _row(entry: dict[str, Any]) -> Row:
    """Return one entry as a row, or the problem with reading it."""
    try:
        return {"id": str(entry["id"]), "structure": Entry(entry).as_pymatgen.as_dict(verbosity=0)}
    except Exception as error:  # any field of an entry may be missing
        return {"id": str(entry.get("id")), "problem": f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]}


def _message(url: str, text: str, problem: str) -> str:
    """Return an error message with the problem and the next step."""
    problem = " ".join(re.sub(r"https?://\S+", "", problem).split())[:250].rstrip(".")
    return (
        f"prototypes.optimade: {url} gave no crystals for the filter {text!r} ({problem}); check the network, "
        "prototypes.optimade.urls and prototypes.optimade.filter, and run again: the parts downloaded so far are kept."
    )
