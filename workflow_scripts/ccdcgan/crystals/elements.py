"""Elements: limits of distances and volumes from their radii, and their crystals at low temperature."""

from collections.abc import Iterable
from functools import cache
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, covalent_radii, vdw_radii
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, read_set, shortest_distance

KNOWN_CRYSTALS = Path(__file__).parent / "data" / "elements.extxyz"
"""Structure set with the known crystal of each element up to Pu that has one; info: ``space_group``, ``source``."""

CLOSEST = (0.7, 0.6, 1.2)
"""Limit of two atoms that are too close: factor on the sum of their covalent radii, smallest and largest limit
(angstrom). Bonds as short as those of H2 (0.74), N2 (1.11) and O2 (1.21 angstrom) are accepted, fused atoms are not."""

FARTHEST = (1.4, 5.0)
"""Limit of the distance to the nearest neighbour: factor on the sum of the radii, and smallest limit (angstrom).
Nearest neighbours are 5.3 angstrom apart in Cs, whose covalent radii add up to 4.9 angstrom, and the potentials make
the soft crystals of K and of the noble gases up to a quarter too long. Noble gases have their van der Waals radii."""

GASES = {"H": 0.741, "N": 1.098, "O": 1.208, "F": 1.412, "Cl": 1.988}
"""Element that is a gas of diatomic molecules in its standard state -> length of the bond, angstrom (Huber and
Herzberg, Constants of Diatomic Molecules (1979))."""

BOX = 6.6
"""Edge (angstrom) of the cubic cell of an isolated molecule. Neighbouring molecules are beyond the reach of the
potentials, and the volume of an atom is below SPARSEST."""

APART = 0.75
"""Smallest distance of two molecules, as a fraction of the sum of the van der Waals radii of their atoms."""

SQUEEZED = 0.85
"""Smallest distance in a crystal of an element that is not a gas, as a fraction of that in its known crystal."""

NOBLE_GASES = ("He", "Ne", "Ar", "Kr", "Xe", "Rn")

DENSEST = (2.0, 1.5, 5.0)
"""Limit of the smallest volume of an atom: factor on the volume of a sphere with its covalent radius, smallest and
largest limit (angstrom^3)."""

SPARSEST = (15.0, 150.0)
"""Limit of the largest volume of an atom: factor on the cube of its covalent radius, and smallest limit (angstrom^3).
Cs has 111 angstrom^3 per atom as an element."""


def radius(element: str) -> float:
    """Return the covalent radius of an element, angstrom (Cordero et al., Dalton Trans. 2832 (2008); ASE)."""
    return float(covalent_radii[atomic_numbers[element]])


def pairs(elements: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of elements, those of one element included, each in alphabetical order."""
    return list(combinations_with_replacement(sorted(set(elements)), 2))


def closest(first: str, second: str) -> float:
    """Return the distance (angstrom) below which two atoms are too close for any bond."""
    factor, lowest, highest = CLOSEST
    return round(float(np.clip(factor * (radius(first) + radius(second)), lowest, highest)), 4)


def farthest(first: str, second: str) -> float:
    """Return the distance (angstrom) up to which two atoms count as neighbours."""
    factor, lowest = FARTHEST
    reach = sum(float(vdw_radii[atomic_numbers[e]]) if e in NOBLE_GASES else radius(e) for e in (first, second))
    return round(max(lowest, factor * reach), 4)


def densest(element: str) -> float:
    """Return the smallest volume that an atom of a crystal may have, angstrom^3."""
    factor, lowest, highest = DENSEST
    return round(float(np.clip(factor * 4 / 3 * np.pi * radius(element) ** 3, lowest, highest)), 4)


def sparsest(element: str) -> float:
    """Return the largest volume that an atom of a crystal may have, angstrom^3."""
    factor, lowest = SPARSEST
    return round(max(lowest, factor * radius(element) ** 3), 4)


@cache
def _known() -> dict[str, Crystal]:
    return {str(crystal.structure[0].specie.symbol): crystal for crystal in read_set(KNOWN_CRYSTALS)}


def known_crystal(element: str) -> Crystal | None:
    """Return the crystal of an element at low temperature and pressure, ``known-{element}``; None without data."""
    return _known().get(element)


def molecule(element: str) -> Crystal | None:
    """Return the isolated molecule of an element that is a gas, ``molecule-{element}``; None for other elements."""
    if element not in GASES:
        return None
    positions = [[0, 0, 0], [0, 0, GASES[element]]]
    structure = Structure(Lattice.cubic(BOX), [element] * 2, positions, coords_are_cartesian=True)
    return Crystal(f"molecule-{element}", structure, {"source": "isolated molecule, Huber and Herzberg (1979)"})


def elemental_crystals(element: str) -> list[Crystal]:
    """Return what an element's energy is computed for in any case: its known crystal and its molecule, as far as known.

    The standard state of a gas is its molecules; without dispersion, a potential can find their crystal less stable.
    """
    return [crystal for crystal in (known_crystal(element), molecule(element)) if crystal is not None]


def can_be_reference(structure: Structure) -> bool:
    """Tell whether a crystal of one element can be the zero of formation energies; True without data of the element.

    Potentials have spurious minima far from what they were trained on, some of them below the ground state. 7net-l3i5
    finds O8 with contacts of 2.0 angstrom 0.27 eV/atom below the molecule, and vanadium in pairs of 2.1 angstrom
    0.2 eV/atom below the bcc metal. A crystal of a gas must consist of its diatomic molecules, and the atoms of any
    other element must be at least SQUEEZED times as far apart as in its known crystal.

    Args:
        structure: Crystal of one element.
    """
    element = structure[0].specie.symbol
    if element in GASES:
        reach = APART * 2 * float(vdw_radii[atomic_numbers[element]])
        centres = structure.get_neighbor_list(reach)[0]
        return bool((np.bincount(centres, minlength=len(structure)) == 1).all())
    known = known_crystal(element)
    return known is None or shortest_distance(structure) >= SQUEEZED * shortest_distance(known.structure)
