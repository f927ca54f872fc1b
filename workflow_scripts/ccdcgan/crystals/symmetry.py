"""Symmetric crystals near a relaxed one, and what became of them."""

from collections.abc import Iterator

import spglib
from pymatgen.core import Structure

from ccdcgan.crystals.structures import SYMPREC, spglib_cell, symmetrised

TOLERANCES = (0.5, 0.3, 0.2, 0.1)
"""Tolerances (angstrom) of the symmetry search, in the order in which they are tried."""

SYMMETRISED = "symmetrised"
NONE_FOUND = "no higher symmetry"
HIGHER_ENERGY = "higher energy"
SADDLE_POINT = "saddle point"
NOT_RELAXED = "not relaxed"
NOT_FINISHED = "not finished"
NOT_META_STABLE = "not meta-stable"
"""Outcomes. Only with the first one the symmetric crystal replaces the relaxed one. The others: no symmetry beyond
that of the relaxed crystal; its energy is higher; a free relaxation goes lower; a relaxation failed; the engine cannot
keep a symmetry; the relaxed crystal is too far above the hull to be worth the relaxations."""


def symmetric_starts(structure: Structure) -> Iterator[tuple[float, Structure]]:
    """Yield the symmetrised crystals of higher symmetry than the crystal has, with their tolerances (angstrom)."""
    cell = spglib_cell(structure)
    own = _symmetry(cell, SYMPREC)
    seen = {own}
    for tolerance in TOLERANCES:
        found = _symmetry(cell, tolerance)
        if found[1] > own[1] and found not in seen:
            seen.add(found)
            yield tolerance, symmetrised(structure, tolerance)


def is_p1(structure: Structure, tolerance: float) -> bool:
    """Return whether a crystal has no symmetry but translations within a tolerance, angstrom."""
    return _symmetry(spglib_cell(structure), tolerance)[0] == 1


def _symmetry(cell: tuple, tolerance: float) -> tuple[int, int]:
    """Return the number of the space group and of the operations of a cell."""
    try:
        found = spglib.get_symmetry_dataset(cell, symprec=tolerance)
    except spglib.SpglibError:  # atoms closer than the tolerance; older versions return none
        return 1, 1
    return (1, 1) if found is None else (found.number, len(found.rotations))
