"""The nearest known structure of a candidate, by how often each pair of elements is found at each distance.

The fingerprint is that of Oganov and Valle (J. Chem. Phys. 130, 104504 (2009), Eq. 3): for every pair of elements
the smeared count of pairs at each distance, divided by what a gas of the same density would have, minus one. It
knows neither cell nor origin. Crystals are brought to one volume per atom first, as StructureMatcher does.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal

CUTOFF = 3.0
"""Largest distance, in units of (volume per atom)^(1/3)."""
BINS = 60
WIDTH = 0.06
"""Standard deviation of the smearing, in the same unit."""


def fingerprint(structure: Structure, elements: Sequence[str]) -> np.ndarray:
    """Return the fingerprint (n_pairs * BINS,) of a crystal, zeros for pairs of elements that it lacks."""
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
        found = distances[(symbols[first] == one) & (symbols[second] == other)]
        smeared = np.exp(-((centres[:, None] - found) ** 2) / (2 * WIDTH**2)).sum(1) / (np.sqrt(2 * np.pi) * WIDTH)
        expected = 4 * np.pi * centres**2 * counts[0] * counts[1] / len(structure)
        weight = np.sqrt(counts[0] * counts[1]) / len(structure)
        parts.append(weight * (smeared / expected - 1))
    return np.concatenate(parts)


def unlikeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return the cosine distance of two fingerprints: 0 for the same structure, 0.5 for unrelated ones."""
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(0.5 * (1 - first @ second / lengths)) if lengths else 0.5


def nearest_known(
    structure: Structure, database: Sequence[Crystal], elements: Sequence[str]
) -> tuple[Crystal, float] | None:
    """Return the database's crystal most like ``structure``, and their unlikeness; None for an empty database.

    Of the crystals of the nearest composition (the same one, mostly) the most alike is taken.
    """
    relaxed = [crystal for crystal in database if crystal.info["status"] == "ok"]
    if not relaxed:
        return None
    fractions = _fractions(structure, elements)
    away = np.array([np.abs(_fractions(crystal.structure, elements) - fractions).sum() for crystal in relaxed])
    nearest = [crystal for crystal, distance in zip(relaxed, away, strict=True) if distance < away.min() + 1e-6]
    own = fingerprint(structure, elements)
    ranked = [(unlikeness(own, fingerprint(crystal.structure, elements)), crystal.id) for crystal in nearest]
    value, name = min(ranked)
    return next(crystal for crystal in nearest if crystal.id == name), value


def _fractions(structure: Structure, elements: Sequence[str]) -> np.ndarray:
    return np.array([structure.composition.get_atomic_fraction(element) for element in elements])
