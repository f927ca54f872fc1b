"""Parents of new crystals: relaxed crystals, those near the convex hull more often than others."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pymatgen.core import Structure
from scipy.optimize import nnls

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.symmetry import symmetric_starts
from ccdcgan.crystals.uniqueness import Uniqueness

TEMPERATURE = 0.05
"""Hull distance (eV/atom) at which a parent is chosen 1/e times as often as one on the hull."""
VOLUME_RANGE = (0.6, 1.7)
"""Smallest and largest factor on the volume per atom when the elements change."""


@dataclass(frozen=True)
class Parents:
    """Relaxed crystals, each with the probability of its choice.

    Attributes:
        crystals: The crystals.
        weights: Their probabilities, shape (n,).
        elements: Elements of the system.
        volumes: Element -> volume of its atom in these crystals, angstrom^3, by least squares.
        symmetric: Identifier -> the crystal symmetrised at the loosest tolerance (at most 0.5 angstrom) at which it has
            a symmetry, since a relaxation leaves it nearly, but not exactly, symmetric; or else the crystal itself.
    """

    crystals: tuple[Crystal, ...]
    weights: np.ndarray
    elements: tuple[str, ...]
    volumes: dict[str, float]
    symmetric: dict[str, Structure]

    @classmethod
    def of(cls, relaxed: Sequence[Crystal], elements: Sequence[str], uniqueness: Uniqueness) -> "Parents":
        """Return relaxed crystals as parents: of equal ones the lowest, with Boltzmann weights in the hull distance.

        Args:
            relaxed: Relaxed crystals with formation_energy and e_above_hull, eV/atom.
            elements: Elements of the system.
            uniqueness: Compares crystals.
        """
        ordered = sorted(relaxed, key=lambda crystal: (crystal.info["formation_energy"], crystal.id))
        repeats = uniqueness.first_of_kind([crystal.structure for crystal in ordered])
        crystals = tuple(crystal for crystal, repeat in zip(ordered, repeats, strict=True) if repeat is None)
        above = np.array([max(0.0, crystal.info["e_above_hull"]) for crystal in crystals])
        weights = np.exp(-(above - above.min(initial=np.inf)) / TEMPERATURE)
        symmetric = {c.id: next((one for _, one in symmetric_starts(c.structure)), c.structure) for c in crystals}
        return cls(crystals, weights / weights.sum(), tuple(elements), _atomic_volumes(crystals, elements), symmetric)

    def choose(self, rng: np.random.Generator) -> Crystal:
        """Return a parent at random."""
        return self.crystals[int(rng.choice(len(self.crystals), p=self.weights))]

    def only(self, names: Collection[str]) -> "Parents":
        """Return the parents with these identifiers, with the same relative probabilities."""
        own = np.array([crystal.id in names for crystal in self.crystals], dtype=bool)
        crystals = tuple(crystal for crystal, kept in zip(self.crystals, own, strict=True) if kept)
        return replace(self, crystals=crystals, weights=self.weights[own] / self.weights[own].sum())

    def volume_factor(self, before: Sequence[str], after: Sequence[str]) -> float:
        """Return the factor on the volume per atom if the elements of the atoms change from ``before`` to ``after``."""
        old, new = (np.mean([self.volumes[name] for name in species]) for species in (before, after))
        return float(np.clip(new / old, *VOLUME_RANGE))


def _atomic_volumes(crystals: Sequence[Crystal], elements: Sequence[str]) -> dict[str, float]:
    """Return the volume of an atom of each element, angstrom^3; at least a fifth of the mean, so that none vanishes."""
    if not crystals:
        return dict.fromkeys(elements, 1.0)
    counts = np.array([[c.structure.composition[element] / len(c.structure) for element in elements] for c in crystals])
    volumes = np.array([crystal.structure.volume / len(crystal.structure) for crystal in crystals])
    fitted = np.maximum(nnls(counts, volumes)[0], volumes.mean() / 5)
    return dict(zip(elements, map(float, fitted), strict=True))
