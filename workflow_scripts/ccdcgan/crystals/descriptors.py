"""What decides a crystal's energy, as numbers: composition, volume, atoms in the cell and distances between elements.

For every pair of elements the descriptors hold a smooth radial distribution: neighbours of the second element around
atoms of the first, every distance smeared by a Gaussian, per atom of the crystal, divided by r^2. It is the radial
symmetry function of Behler and Parrinello (Phys. Rev. Lett. 98, 146401 (2007), Eq. 4) averaged over the atoms. Nothing
here depends on orientation, origin or choice of cell, but for the number of atoms in the cell, and nothing needs an
energy.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from pymatgen.core import Structure

DISTANCES = np.arange(2.0, 7.01, 0.5)
"""Distances (angstrom) at which the radial distributions are taken."""
WIDTH = 0.35
"""Standard deviation (angstrom) of the smearing."""
CUTOFF = 8.0
"""Largest distance (angstrom) of a neighbour that counts: nearly three standard deviations behind the last distance."""


def descriptor_names(elements: Sequence[str]) -> list[str]:
    """Return the names of :func:`descriptors`, in their order."""
    pairs = combinations_with_replacement(elements, 2)
    distributions = [f"{one}-{other} at {distance:g}" for one, other in pairs for distance in DISTANCES]
    return [*(f"fraction of {element}" for element in elements[:-1]), "volume_per_atom", "n_atoms", *distributions]


def descriptors(structure: Structure, elements: Sequence[str]) -> np.ndarray:
    """Return the descriptors (n_descriptors,) of a crystal of these elements.

    Atomic fractions of all elements but the last; volume per atom, angstrom^3; atoms in the cell; for every pair of
    elements the radial distribution at :data:`DISTANCES`, 1/angstrom^2, zeros for pairs that the crystal lacks.
    """
    symbols = np.array([site.specie.symbol for site in structure])
    kinds = np.array([list(elements).index(symbol) for symbol in symbols])
    n_atoms = len(kinds)
    first, second, _, distances = structure.get_neighbor_list(CUTOFF)
    smeared = np.exp(-((distances[:, None] - DISTANCES) ** 2) / (2 * WIDTH**2)) / (n_atoms * DISTANCES**2)
    distributions = [
        smeared[(kinds[first] == one) & (kinds[second] == other)].sum(0)
        for one, other in combinations_with_replacement(range(len(elements)), 2)
    ]
    fractions = np.bincount(kinds, minlength=len(elements))[:-1] / n_atoms
    return np.concatenate([fractions, [structure.volume / n_atoms, n_atoms], *distributions])
