"""The source ``materials_project``: crystals of the Materials Project (Jain et al., APL Mater. 1, 011002 (2013)).

The API key is read from the environment (``MP_API_KEY``) or the settings of pymatgen (``PMG_MAPI_KEY``). It is sent in
the headers of the requests only, and it is removed from error messages.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any

import requests
from mp_api.client import MPRester
from mp_api.client.core.exceptions import MPRestError
from pymatgen.core import SETTINGS

from ccdcgan.database.prototypes.download import Row, fetch_parts
from ccdcgan.utils.errors import InputError

PAGE = 500
"""Number of crystals in one answer."""
KEY_PAGE = "https://next-gen.materialsproject.org/api"


def fetch_materials_project(
    crystals: str | Path, provenance: str | Path, settings: dict[str, Any], n_elements: int, max_atoms: int
) -> None:
    """Download the crystals with 1 to ``n_elements`` elements and 1 to ``max_atoms`` atoms, except deprecated ones.

    The download has one part per number of elements and number of atoms.

    Args:
        crystals: File of the crystals to write.
        provenance: File of the provenance to write.
        settings: ``prototypes.materials_project``: endpoint (null: the public one) and max_hull_distance (eV/atom,
            null: any).
        n_elements: Largest number of elements.
        max_atoms: Largest number of atoms in the cell.

    Raises:
        InputError: If there is no API key or no network, if the key is refused, or if the answer is not a list of
            crystals.
    """
    key = (os.environ.get("MP_API_KEY") or SETTINGS.get("PMG_MAPI_KEY") or "").strip()
    if not key:
        raise InputError(
            "prototypes.sources: materials_project needs an API key, but neither the environment variable MP_API_KEY "
            f"nor PMG_MAPI_KEY in pymatgen's settings holds one; get one at {KEY_PAGE} or choose another source."
        )
    highest = settings["max_hull_distance"]
    hull = None if highest is None else (0, highest)
    endpoint = settings["endpoint"] and settings["endpoint"].rstrip("/") + "/"
    parts = {
        f"{n:02d}-elements-{atoms:03d}-atoms": (n, atoms)
        for n in range(1, n_elements + 1)
        for atoms in range(n, max_atoms + 1)
    }
    try:
        with MPRester(key, endpoint=endpoint, use_document_model=False, mute_progress_bars=True) as rester:
            answers: list[tuple[Any, int]] = []
            rester.session.hooks["response"].append(partial(_record, answers=answers))

            def fetch(part: tuple[int, int]) -> list[Row]:
                answers.clear()
                documents = rester.materials.summary.search(
                    num_elements=part[0],
                    num_sites=part[1],
                    energy_above_hull=hull,
                    deprecated=False,
                    fields=["material_id", "structure"],
                    chunk_size=PAGE,
                )
                _check_complete(answers, len(documents))
                return [_row(document) for document in documents]

            facts = {
                "source": "materials_project",
                "what": f"crystals of 1 to {n_elements} elements and at most {max_atoms} atoms",
                "max_hull_distance": highest,
                "endpoint": rester.endpoint,
                "version": rester.db_version,
                "licence": "CC-BY 4.0",
                "cite": "Jain et al., APL Mater. 1, 011002 (2013)",
            }
            fetch_parts(crystals, provenance, parts, fetch, facts)
    except (MPRestError, requests.RequestException, ValueError, KeyError) as error:
        raise InputError(_message(error, key)) from None


def _record(response: requests.Response, *_: Any, answers: list[tuple[Any, int]], **__: Any) -> None:
    """Record how many crystals an answer states, and how many it contains. The client does not compare them."""
    try:
        body = response.json()
        answers.append((body["meta"]["total_doc"], len(body["data"])))
    except (ValueError, KeyError, TypeError):  # an answer of another kind
        return


def _check_complete(answers: list[tuple[Any, int]], received: int) -> None:
    """Refuse an incomplete answer to a search.

    Raises:
        ValueError: If the pages contradict one another, or contain more or fewer crystals than they state.
    """
    stated, sent = {total for total, _ in answers}, sum(number for _, number in answers)
    if answers and not (stated == {sent} and sent == received):
        raise ValueError(f"{sent} crystals were sent, but {' and '.join(map(str, stated))} stated")


def _row(document: dict[str, Any]) -> Row:
    """Return one document as a row. The client returns the structure as a Structure or as a dictionary."""
    structure, name = document.get("structure"), str(document["material_id"])
    if structure is None:
        return {"id": name, "problem": "no structure"}
    return {"id": name, "structure": structure if isinstance(structure, dict) else structure.as_dict(verbosity=0)}


def _message(error: Exception, key: str) -> str:
    """Return an error message with the problem and the next step, without the API key."""
    text = " ".join(str(error).split()).replace(key, "***")
    if isinstance(error, requests.ConnectionError):
        problem = "cannot be reached; check the network and prototypes.materials_project.endpoint, and run again"
    elif "32 characters" in text or any(code in text for code in ("code 401", "code 403")):
        problem = f"refuses the API key in MP_API_KEY (or pymatgen's settings); get a valid one at {KEY_PAGE}"
    else:
        problem = (
            f"gave no crystals ({type(error).__name__}: {text[:200].rstrip('.')}); run again: the parts downloaded so "
            "far are kept"
        )
    return f"prototypes.sources: the Materials Project {problem}."
