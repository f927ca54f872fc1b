"""What every source of prototypes gives, and what it is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymatgen.core import Structure


@dataclass(frozen=True)
class Found:
    """One crystal as its source holds it.

    structure: the crystal, or None if it cannot be read; refused: a reason why the source itself holds it unfit
    to be a prototype, "" if it does not; detail: the problem or the refusal in words.
    """

    id: str
    source: str
    structure: Structure | None
    refused: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Request:
    """What a source is asked for.

    settings: the ``prototypes`` section of the configuration; n_elements: elements of the chemical system, so
    that a large source can leave crystals of more elements unread; fetched: the file that the source's own rule
    brought, None for a source that needs no fetching.
    """

    settings: dict[str, Any]
    n_elements: int
    fetched: Path | None = None
