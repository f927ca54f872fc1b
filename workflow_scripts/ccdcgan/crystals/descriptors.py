"""Structural descriptors of a crystal: composition, volume, number of atoms and distances between elements.

For every pair of elements the descriptors contain a smooth radial distribution: the neighbours of the second element
around atoms of the first, each distance broadened by a Gaussian, per atom of the crystal, divided by r^2. This is the
radial symmetry function of Behler and Parrinello (Phys. Rev. Lett. 98, 146401 (2007), Eq. 4), averaged over the atoms.
The descriptors do not depend on orientation, origin or choice of the cell, except for the number of atoms in the cell.
They need no energy.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from pymatgen.core import Structure

DISTANCES = np.arange(2.0, 7.01, 0.5)
"""Distances (angstrom) at which the radial distributions are evaluated."""
WIDTH = 0.35
"""Standard deviation (angstrom) of the broadening."""
CUTOFF = 8.0
"""Largest distance (angstrom) of a neighbour: nearly three standard deviations beyond the last of DISTANCES."""


def descriptor_names(elements: Sequence[str]) -> list[str]:
    """Return the names of :func:`descriptors`, in their order."""
    pairs = combinations_with_replacement(elements, 2)
    distributions = [f"{one}-{other} at {distance:g}" for one, other in pairs for distance in DISTANCES]
    return [*(f"fraction of {element}" for element in elements[:-1]), "volume_per_atom", "n_atoms", *distributions]


def descriptors(structure: Structure, elements: Sequence[str]) -> np.ndarray:
    """Return the descriptors of a crystal.

    Args:
        structure: Crystal of these elements.
        elements: Elements of the system.

    Returns:
        Descriptors, shape (n_descriptors,): the atomic fractions of all elements but the last; the volume per atom,
        angstrom^3; the number of atoms in the cell; for every pair of elements the radial distribution at
        :data:`DISTANCES`, 1/angstrom^2, zeros for pairs that the crystal lacks.
    """
    symbols = np.array([site.specie.symbol for site in structure])
    kinds = np.array([list(elements).index(symbol) for symbol in symbols])
    n_atoms = len(kinds)
    first, second, _, distances = structure.get_neighbor_list(CUTOFF)
    broadened = np.exp(-((distances[:, None] - DISTANCES) ** 2) / (2 * WIDTH**2)) / (n_atoms * DISTANCES**2)
    distributions = [
        broadened[(kinds[first] == one) & (kinds[second] == other)].sum(0)
        for one, other in combinations_with_replacement(range(len(elements)), 2)
    ]
    fractions = np.bincount(kinds, minlength=len(elements))[:-1] / n_atoms
    return np.concatenate([fractions, [structure.volume / n_atoms, n_atoms], *distributions])
