"""The source ``optimade``: crystals of any OPTIMADE provider (Andersen et al., Sci. Data 8, 217 (2021))."""

import re
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import requests
from optimade.adapters import Structure as Entry

from ccdcgan.database.prototypes.download import Row, fetch_parts
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.hashing import fingerprint

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

ATTEMPTS = 3
"""Number of requests for one page, if the provider is busy."""
BUSY = (429, 500, 502, 503, 504)
"""Status of an answer after which the request is repeated."""
SECONDS = (10, 120)
"""Limits (s) of the time to connect and of the time without any data."""


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
        InputError: If a provider cannot be reached, reports an error, or gives an incomplete or contradictory answer.
    """
    urls = list(dict.fromkeys(url.rstrip("/") for url in settings["urls"]))
    parts = {
        f"{index:02d}-{_plain(url)}-{n:02d}-elements-{atoms:03d}-atoms": (url, _filter(n, atoms, settings["filter"]))
        for index, url in enumerate(urls)
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


def _provider(url: str) -> str:
    """Return the address of a provider without the protocol, which is part of the ids of its crystals."""
    return re.sub(r"^https?://", "", url)


def _plain(url: str) -> str:
    """Return the address of a provider as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", _provider(url))


def _fetch(query: tuple[str, str]) -> list[Row]:
    """Return the crystals of one provider that pass a filter."""
    url, text = query
    try:
        entries = _all_pages(url, text)
    except (requests.RequestException, ValueError) as error:
        raise InputError(_message(url, text, f"{type(error).__name__}: {error}")) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about fields outside the standard
        return [_row(entry, _provider(url)) for entry in entries]


def _all_pages(url: str, text: str) -> list[Any]:
    """Return the entries of all pages of a provider's answer to a filter.

    Raises:
        ValueError: If the answer is incomplete, contradicts itself or is not of the form of OPTIMADE.
        requests.RequestException: If the provider does not answer.
    """
    base = url if re.search(r"/v\d[\d.]*$", url) else f"{url}/v1"
    query = urlencode({"filter": text, "response_fields": ",".join(FIELDS)})
    address: str | None = f"{base}/structures?{query}"
    entries: list[Any] = []
    visited: set[str] = set()
    ids: set[str] = set()
    stated: set[int] = set()
    ended = False
    while address:
        if address in visited:
            raise ValueError("the link to the next page leads back to an earlier page")
        visited.add(address)
        data, meta, following = _read_page(_get(address), address)
        if data and ended:
            raise ValueError("a page follows the one that says that no more data are available")
        new = [entry["id"] for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
        twice = ids.intersection(new) or {name for name in new if new.count(name) > 1}
        if twice:
            raise ValueError(f"the id {min(twice)!r} is given twice")
        ids.update(new)
        entries += data
        if isinstance(meta.get("data_returned"), int):
            stated.add(meta["data_returned"])
        ended = meta.get("more_data_available") is False
        if meta.get("more_data_available") and not following:
            raise ValueError("it says that more data are available, but gives no link to the next page")
        if following and not data and not ended:
            raise ValueError("a page without entries has a link to the next page")
        address = following
    if stated and stated != {len(entries)}:
        raise ValueError(f"{len(entries)} entries were sent, but data_returned is {' and '.join(map(str, stated))}")
    return entries


def _get(address: str) -> Any:
    """Return the JSON of an address, after further attempts if the provider is busy."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(attempt)
        response = requests.get(address, timeout=SECONDS)
        if response.status_code not in BUSY:
            break
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.status_code != 200:
        errors = answer.get("errors") if isinstance(answer, dict) else None
        raise ValueError(f"status {response.status_code}: {errors[:1] if isinstance(errors, list) else 'no details'}")
    if not isinstance(answer, dict):
        raise ValueError("the answer is not a JSON object")
    return answer


def _read_page(answer: dict[str, Any], address: str) -> tuple[list[Any], dict[str, Any], str | None]:
    """Return the entries of a page, its ``meta``, and the address of the next page if there is one."""
    if answer.get("errors"):
        raise ValueError(str(answer["errors"])[:200])
    data, meta, links = answer.get("data"), answer.get("meta") or {}, answer.get("links") or {}
    if not isinstance(data, list) or not isinstance(meta, dict) or not isinstance(links, dict):
        raise ValueError("data is not a list, or meta or links is not an object")
    for name, kind in (("more_data_available", bool), ("data_returned", int)):
        if meta.get(name) is not None and type(meta[name]) is not kind:
            raise ValueError(f"{name} is {meta[name]!r}")
    following = links.get("next")
    if isinstance(following, dict):
        following = following.get("href")
    if following is not None and not isinstance(following, str):
        raise ValueError(f"the link to the next page is {following!r}")
    return data, meta, urljoin(address, following) if following else None


def _row(entry: Any, provider: str) -> Row:
    """Return one entry as a row, or the problem with reading it."""
    known = isinstance(entry, dict) and isinstance(entry.get("id"), str)
    name = entry["id"] if known else f"without-id-{fingerprint(entry)}"
    try:
        attributes = entry["attributes"]
        directions, periodic = attributes.get("dimension_types"), attributes.get("nperiodic_dimensions")
        if periodic not in (None, 3) or (directions is not None and list(directions) != [1, 1, 1]):
            reason, problem = "not_three_dimensional", f"dimension_types {directions}, nperiodic_dimensions {periodic}"
            return {"id": f"{provider}/{name}", "reason": reason, "problem": problem}
        # unknown directions are taken as periodic; the atoms show later whether this is a crystal
        attributes = attributes | {"dimension_types": [1, 1, 1], "nperiodic_dimensions": 3}
        structure = Entry(entry | {"attributes": attributes}).as_pymatgen
        return {"id": f"{provider}/{name}", "structure": structure.as_dict(verbosity=0)}
    except Exception as error:  # any field of an entry may be missing or wrong
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return {"id": f"{provider}/{name}", "problem": problem}


def _message(url: str, text: str, problem: str) -> str:
    """Return an error message with the problem and the next step."""
    problem = " ".join(re.sub(r"https?://\S+", "", problem).split())[:250].rstrip(".")
    return (
        f"prototypes.optimade: {url} gave no crystals for the filter {text!r} ({problem}); check the network, "
        "prototypes.optimade.urls and prototypes.optimade.filter, and run again: the parts downloaded so far are kept."
    )
