"""Elements: limits of distances and volumes from their radii, and their crystals at low temperature."""

from collections.abc import Iterable
from functools import cache
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, covalent_radii, vdw_radii

from ccdcgan.crystals.structures import Crystal, read_set

KNOWN_CRYSTALS = Path(__file__).parent / "data" / "elements.extxyz"
"""Structure set with the known crystal of each element up to Pu that has one; info: ``space_group``, ``source``."""

CLOSEST = (0.7, 0.6, 1.2)
"""Limit of two atoms that are too close: factor on the sum of their covalent radii, smallest and largest limit
(angstrom). Bonds as short as those of H2 (0.74), N2 (1.11) and O2 (1.21 angstrom) are accepted, fused atoms are not."""

FARTHEST = (1.4, 5.0)
"""Limit of the distance to the nearest neighbour: factor on the sum of the radii, and smallest limit (angstrom).
Nearest neighbours are 5.3 angstrom apart in Cs, whose covalent radii add up to 4.9 angstrom, and the potentials make
the soft crystals of K and of the noble gases up to a quarter too long. Noble gases have their van der Waals radii."""

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
