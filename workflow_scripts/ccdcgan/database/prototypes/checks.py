"""Checks of crystals from outside, before a compiled library sees their numbers."""

import numpy as np
from pymatgen.core import Element, Structure

from ccdcgan.database.prototypes.source import Refusal

MOST_SITES = 2000
"""Largest number of atoms in the cell of a file; the search for the primitive cell of more takes minutes."""
SHORTEST_EDGE, LONGEST_EDGE = 0.5, 1000.0
"""Limits of the lengths of a cell, angstrom."""
SMALLEST_VOLUME = 0.5
"""Smallest volume per atom, angstrom cubed."""
LARGEST_COORDINATE = 1e6
"""Largest fractional coordinate; larger ones have too few digits."""
SAME_PLACE = 0.5
"""Distance (angstrom) below which two atoms are in one place; the shortest bond, H-H, is 0.74."""
LARGEST_GAPS = (5.0, 3.0)
"""Largest thickness (angstrom) of layers without atoms, from one van der Waals surface to the next: in one direction,
and in two or three. Of every fifth crystal of OQMD the largest is 4.8, in a layered crystal."""
USUAL_RADIUS = 2.0
"""Van der Waals radius (angstrom) of elements without a known one."""


def check_cell(matrix: np.ndarray, n_atoms: int) -> None:
    """Refuse a cell that no crystal can have.

    Args:
        matrix: Cell vectors in rows, shape (3, 3), angstrom.
        n_atoms: Number of atoms.

    Raises:
        Refusal: If a number is not finite, or if the cell is too short, too long or nearly flat.
    """
    matrix = np.asarray(matrix, dtype=float)
    if matrix.shape != (3, 3) or not matrix.any():
        raise Refusal("bad_lattice", "there is no cell of three vectors")
    if not np.isfinite(matrix).all():
        raise Refusal("not_finite_numbers", "a cell vector is not finite")
    lengths = np.linalg.norm(matrix / np.abs(matrix).max(), axis=1) * np.abs(matrix).max()
    if not (lengths.min() >= SHORTEST_EDGE and lengths.max() <= LONGEST_EDGE):
        text = " ".join(f"{length:.4g}" for length in lengths)
        raise Refusal("bad_lattice", f"cell lengths {text}, {SHORTEST_EDGE:g} to {LONGEST_EDGE:g} angstrom are allowed")
    volume = abs(np.linalg.det(matrix))
    if volume < SMALLEST_VOLUME * max(n_atoms, 1):
        raise Refusal("bad_lattice", f"volume {volume:.3g} angstrom cubed for {n_atoms} atoms")


def checked(structure: Structure) -> Structure:
    """Return a crystal with elements in place of ions and isotopes, after checks of all its numbers.

    Args:
        structure: Crystal as it was read; sites may be disordered.

    Raises:
        Refusal: If the crystal has no atoms or too many, numbers that are not finite, an impossible cell, an atom that
            is not an element, two atoms in one place, or vacuum between slabs, chains or molecules.
    """
    if not len(structure):
        raise Refusal("no_atoms", "there are no atoms")
    if len(structure) > MOST_SITES:
        raise Refusal("too_many_atoms", f"{len(structure)} atoms in the cell of the file, at most {MOST_SITES}")
    check_cell(structure.lattice.matrix, len(structure))
    frac_coords = structure.frac_coords
    if not np.isfinite(frac_coords).all():
        raise Refusal("not_finite_numbers", f"a coordinate of atom {_first(~np.isfinite(frac_coords))} is not finite")
    if np.abs(frac_coords).max() > LARGEST_COORDINATE:
        raise Refusal("not_finite_numbers", f"a fractional coordinate is {np.abs(frac_coords).max():.3g}")
    species = [{_element(one): amount for one, amount in site.species.items()} for site in structure]
    if not all(structure.lattice.pbc):
        raise Refusal("not_three_dimensional", "the cell is periodic in fewer than three directions")
    plain = Structure(structure.lattice, species, frac_coords)
    if plain.is_ordered:
        _check_distances(plain)
        _check_gaps(plain)
    return plain


def _first(wrong: np.ndarray) -> int:
    """Return the number, from 1, of the first row with a true value."""
    return int(np.argmax(wrong.any(axis=1))) + 1


def _element(species: object) -> str:
    """Return the symbol of the element of an ion or isotope; refuse dummy atoms."""
    symbol = getattr(species, "symbol", str(species))
    symbol = "H" if symbol in ("D", "T") else symbol
    if not Element.is_valid_symbol(symbol) or not isinstance(getattr(species, "Z", None), int) or species.Z < 1:
        raise Refusal("not_an_element", f"the atom {species} is not an element")
    return symbol


def _check_distances(structure: Structure) -> None:
    """Refuse two atoms in one place, and atoms on their own periodic images."""
    reduced = structure.lattice.get_lll_reduced_lattice().abc
    distances = structure.distance_matrix
    np.fill_diagonal(distances, min(reduced))
    if distances.min() < SAME_PLACE:
        first, second = sorted(np.unravel_index(int(np.argmin(distances)), distances.shape))
        raise Refusal("too_close", f"atoms {first + 1} and {second + 1} are {distances.min():.3f} angstrom apart")


def _check_gaps(structure: Structure) -> None:
    """Refuse slabs, chains and molecules in vacuum: a layer without atoms is thicker than in any crystal.

    Layered and molecular crystals pass, because the van der Waals surfaces of their layers or molecules nearly touch.
    The layers are parallel to a face of the reduced cell.
    """
    lattice = structure.lattice.get_lll_reduced_lattice()
    radii = np.array([site.specie.van_der_waals_radius or USUAL_RADIUS for site in structure], dtype=float)
    gaps = []
    for axis, height in enumerate(1 / np.array(lattice.reciprocal_lattice_crystallographic.abc)):
        positions = lattice.get_fractional_coords(structure.cart_coords)[:, axis] % 1 * height
        order = np.argsort(positions - radii)
        starts, ends = (positions - radii)[order], np.maximum.accumulate((positions + radii)[order])
        gaps.append(max([starts[0] + height - ends[-1], *(starts[1:] - ends[:-1])]))
    _, second, first = sorted(gaps)
    if first > LARGEST_GAPS[0] or second > LARGEST_GAPS[1]:
        kind = "a slab" if second <= LARGEST_GAPS[1] else "chains or molecules"
        raise Refusal("not_three_dimensional", f"{kind}: a layer of {first:.1f} angstrom without atoms")
