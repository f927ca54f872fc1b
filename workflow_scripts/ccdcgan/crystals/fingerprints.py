"""Structure fingerprint of Oganov and Valle, and the search for the nearest known structure.

For every pair of elements the fingerprint is the broadened number of pairs at each distance, divided by that of a
homogeneous gas of the same density, minus one (Oganov and Valle, J. Chem. Phys. 130, 104504 (2009), Eq. 3). It does not
depend on cell or origin. Crystals are scaled to the same volume per atom first, as StructureMatcher does.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal

CUTOFF = 3.0
"""Largest distance, in units of (volume per atom)^(1/3)."""
BINS = 60
"""Number of distances."""
WIDTH = 0.06
"""Standard deviation of the broadening, in the unit of CUTOFF."""


def fingerprint(structure: Structure, elements: Sequence[str]) -> np.ndarray:
    """Return the fingerprint of a crystal.

    Args:
        structure: Crystal.
        elements: Elements of the system.

    Returns:
        Fingerprint, shape (n_pairs * BINS,); zeros for pairs of elements that the crystal lacks.
    """
    scale = (structure.volume / len(structure)) ** (1 / 3)
    centres = (np.arange(BINS) + 0.5) * CUTOFF / BINS
    first, second, _, distances = structure.get_neighbor_list((CUTOFF + 3 * WIDTH) * scale)
    symbols = np.array([site.specie.symbol for site in structure])
    distances = distances / scale
    parts = []
    for one, other in combinations_with_replacement(elements, 2):
        counts = [int((symbols == name).sum()) for name in (one, other)]
        if not all(counts):
            parts.append(np.zeros(BINS))
            continue
        of_pair = distances[(symbols[first] == one) & (symbols[second] == other)]
        broadened = np.exp(-((centres[:, None] - of_pair) ** 2) / (2 * WIDTH**2)).sum(1) / (np.sqrt(2 * np.pi) * WIDTH)
        homogeneous = 4 * np.pi * centres**2 * counts[0] * counts[1] / len(structure)
        weight = np.sqrt(counts[0] * counts[1]) / len(structure)
        parts.append(weight * (broadened / homogeneous - 1))
    return np.concatenate(parts)


def fingerprint_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the cosine distance of two fingerprints: 0 for the same structure, 0.5 for unrelated ones."""
    return float(fingerprint_distances(first[None], second[None])[0, 0])


def fingerprint_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosine distances between two sets of fingerprints.

    Args:
        first: Fingerprints, shape (n, length).
        second: Fingerprints, shape (m, length).

    Returns:
        Distances from 0 (the same structure) to 0.5 (unrelated ones, or a fingerprint of zeros), shape (n, m).
    """
    lengths = np.linalg.norm(first, axis=1)[:, None] * np.linalg.norm(second, axis=1)
    cosines = np.divide(first @ second.T, lengths, out=np.zeros(lengths.shape), where=lengths > 0)
    return 0.5 * (1 - cosines)


def nearest_known(
    structure: Structure, database: Sequence[Crystal], elements: Sequence[str]
) -> tuple[Crystal, float] | None:
    """Return the crystal of the database with the smallest fingerprint distance to a structure, and that distance.

    Only the relaxed crystals of the nearest composition, which is mostly the same one, are compared.

    Args:
        structure: Crystal to compare.
        database: Crystals of the database.
        elements: Elements of the system.

    Returns:
        The nearest crystal and its distance; None for a database without relaxed crystals.
    """
    relaxed = [crystal for crystal in database if crystal.info["status"] == "ok"]
    if not relaxed:
        return None
    fractions = _fractions(structure, elements)
    away = np.array([np.abs(_fractions(crystal.structure, elements) - fractions).sum() for crystal in relaxed])
    nearest = [crystal for crystal, distance in zip(relaxed, away, strict=True) if distance < away.min() + 1e-6]
    own = fingerprint(structure, elements)
    ranked = [(fingerprint_distance(own, fingerprint(crystal.structure, elements)), crystal.id) for crystal in nearest]
    distance, name = min(ranked)
    return next(crystal for crystal in nearest if crystal.id == name), distance


def _fractions(structure: Structure, elements: Sequence[str]) -> np.ndarray:
    return np.array([structure.composition.get_atomic_fraction(element) for element in elements])
