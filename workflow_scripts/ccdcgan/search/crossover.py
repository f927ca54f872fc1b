"""Crossover of two crystals: a slab of one and the remaining slab of the other, in a cell between both.

The operator is that of Oganov and Glass (J. Chem. Phys. 124, 244704 (2006)), "heredity", without a repair of the
composition, which may change. Cut at random, the crystal has no symmetry. If both parents have an inversion centre,
both slabs can be centred on one, so that the crystal has it, too.
"""

import numpy as np
import spglib
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import spglib_cell, standard_cell
from ccdcgan.search.mutation import SMALL_DISPLACEMENT, Wanted
from ccdcgan.search.parents import Parents
from ccdcgan.utils.errors import InputError

CENTRE_TOLERANCE = 0.01
"""Tolerance of an inversion centre, angstrom."""
LEAST_SHARE = 0.25
"""Smallest fraction of the cell that either parent gives."""


def cross(
    pair: tuple[Structure, Structure],
    parents: Parents,
    rng: np.random.Generator,
    wanted: Wanted = lambda species: True,
    centred: bool = False,
) -> Structure | None:
    """Return a crystal from two parents in its standard cell; None: it has one element only, or is not wanted.

    Args:
        pair: The two crystals.
        parents: All parents, for the volumes of their atoms.
        rng: Random number generator.
        wanted: Called with the elements of the atoms before the crystal is made.
        centred: Whether the slabs are centred on inversion centres; None is returned if a crystal has none.
    """
    first, second = _in_cells_of_similar_size(*pair)
    centres = [inversion_centre(structure) if centred else None for structure in (first, second)]
    if centred and any(centre is None for centre in centres):
        return None
    axis, share = int(rng.integers(3)), rng.uniform(LEAST_SHARE, 1 - LEAST_SHARE)
    parts = []
    for structure, centre, is_first in ((first, centres[0], True), (second, centres[1], False)):
        shift = rng.uniform(size=3) if centre is None else rng.integers(2, size=3) / 2 - centre
        coordinates = (structure.frac_coords + shift) % 1
        # the slab of the first crystal is around the origin, that of the second around half of the axis
        inside = (np.abs(coordinates[:, axis] - np.round(coordinates[:, axis])) < share / 2) == is_first
        species = [site.specie.symbol for site, kept in zip(structure, inside, strict=True) if kept]
        parts.append((species, coordinates[inside]))
    species = parts[0][0] + parts[1][0]
    if not all(part for part, _ in parts) or len(set(species)) < 2 or not wanted(species):
        return None
    matrix = share * first.lattice.matrix + (1 - share) * second.lattice.matrix
    per_atom = [s.volume / len(s) * parents.volume_factor(_species(s), species) for s in (first, second)]
    matrix = matrix * (len(species) * np.mean(per_atom) / abs(np.linalg.det(matrix))) ** (1 / 3)
    positions = np.concatenate([part for _, part in parts])
    if not centred:
        positions = positions + rng.normal(0, SMALL_DISPLACEMENT, positions.shape) @ np.linalg.inv(matrix)
    try:
        return standard_cell(Structure(Lattice(matrix), species, positions))
    except InputError:
        return None


def inversion_centre(structure: Structure) -> np.ndarray | None:
    """Return the fractional coordinates of an inversion centre of a crystal, shape (3,), or None if there is none."""
    found = spglib.get_symmetry(spglib_cell(structure), symprec=CENTRE_TOLERANCE)
    if found is None:
        return None
    inversions = (found["rotations"] == -np.eye(3, dtype=int)).all(axis=(1, 2))
    return found["translations"][np.argmax(inversions)] / 2 if inversions.any() else None


def _species(structure: Structure) -> list[str]:
    """Return the element of each atom."""
    return [site.specie.symbol for site in structure]


def _in_cells_of_similar_size(first: Structure, second: Structure) -> tuple[Structure, Structure]:
    """Return both crystals, the smaller one in a supercell, so that neither gives a negligible part of the atoms."""
    large = max(len(first), len(second))
    grown = []
    for structure in (first, second):
        structure = structure.copy()
        while 2 * len(structure) <= large:
            times = [1, 1, 1]
            times[int(np.argmin(structure.lattice.abc))] = 2
            structure.make_supercell(times)
        grown.append(structure)
    return grown[0], grown[1]
