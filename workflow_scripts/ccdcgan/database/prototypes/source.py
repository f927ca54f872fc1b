"""The interface of the sources of prototypes: the request to a source and its entries."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymatgen.core import Structure


class Refusal(Exception):
    """One crystal of a source cannot be used; the others can.

    Args:
        reason: Reason, a key of ``ccdcgan.reasons.REASONS``.
        detail: What was found, in words.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class SourceEntry:
    """One crystal of a source.

    Args:
        id: Name of the crystal, unique over all sources.
        source: Name of the source.
        structure: The crystal; None if it cannot be read.
        refused: Reason why the source itself refuses the crystal as a prototype; "" if it does not.
        detail: The problem or the refusal in words; of a crystal of a file, the name of the file.
        formation_energy: Formation energy in the source, eV/atom; None if the source has none.
    """

    id: str
    source: str
    structure: Structure | None
    refused: str = ""
    detail: str = ""
    formation_energy: float | None = None


@dataclass(frozen=True)
class SourceQuery:
    """The query of a source.

    Args:
        settings: The ``prototypes`` section of the configuration.
        n_elements: Number of elements of the chemical system. A large source can skip crystals with more elements.
        fetched: File that the rule of the source has fetched; None for a source that needs no network.
        elements: Elements of the system if only crystals of these elements are of use, so that a large source can skip
            all others; None: crystals of any elements are.
    """

    settings: dict[str, Any]
    n_elements: int
    fetched: Path | None = None
    elements: frozenset[str] | None = None
