"""Near-duplicates of crystals, by a smooth measure of structure together with the energy.

StructureMatcher answers yes or no, and a crystal whose layers or chains are displaced along weak bonds falls between
its tolerances: such a crystal counts as another one although it is within a few meV/atom of the first and relaxes to
it. The fingerprint distance (:mod:`ccdcgan.crystals.fingerprints`) grows continuously with a displacement and does not
depend on the cell. Two crystals of one composition are variants if their fingerprint distance and the difference of
their energies are both below a limit. docs/validation/variants.md shows how the limits were chosen.

A fingerprint is computed once per crystal, and distances are products of matrices: no pair needs StructureMatcher.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.fingerprints import fingerprint, fingerprint_distances
from ccdcgan.crystals.uniqueness import Verdict


@dataclass(frozen=True)
class VariantLimits:
    """Limits below which two crystals of one composition are variants.

    Attributes:
        distance: Fingerprint distance, 0 to 0.5; 0: nothing is a variant.
        energy: Difference of the energies, eV/atom.
    """

    distance: float = 0.03
    energy: float = 0.005

    def first_of_kind(
        self,
        structures: Sequence[Structure],
        energies: Sequence[float],
        known: Sequence[Structure] = (),
        known_energies: Sequence[float] = (),
    ) -> list[Verdict]:
        """Return for each structure the crystal of which it is a variant.

        A structure is compared with the known ones and with the earlier structures that are variants of none. Of
        several it is a variant of the nearest; known ones take precedence.

        Args:
            structures: Structures to compare, the lowest energy first.
            energies: Their energies, eV/atom, relative to the same references as ``known_energies``.
            known: Further structures to compare with.
            known_energies: Their energies, eV/atom; NaN: unknown, so that the fingerprint alone decides.

        Returns:
            In order, ``None`` for a new structure, ``("known", i)`` for a variant of ``known[i]``, or ``("self", i)``
            for a variant of the earlier new ``structures[i]``.
        """
        verdicts: list[Verdict] = [None] * len(structures)
        if not self.distance:
            return verdicts
        members: dict[str, list[int]] = defaultdict(list)
        for i, structure in enumerate(structures):
            members[structure.composition.reduced_formula].append(i)
        others: dict[str, list[int]] = defaultdict(list)
        for i, structure in enumerate(known):
            if structure.composition.reduced_formula in members:
                others[structure.composition.reduced_formula].append(i)
        for formula, own in members.items():
            elements = sorted(element.symbol for element in structures[own[0]].composition)
            near = others[formula]
            prints = np.array([fingerprint(structures[i], elements) for i in own])
            known_prints = np.array([fingerprint(known[i], elements) for i in near])
            energy = np.array([energies[i] for i in own], dtype=float)
            known_energy = np.array([known_energies[i] for i in near], dtype=float)
            to_known = self._between(prints, energy, known_prints, known_energy) if near else np.empty((len(own), 0))
            to_own = self._between(prints, energy, prints, energy)
            for place, distances in enumerate(to_known):
                earlier = [k for k in range(place) if verdicts[own[k]] is None]
                if len(distances) and np.isfinite(distances.min()):
                    verdicts[own[place]] = ("known", near[int(distances.argmin())])
                elif earlier and np.isfinite(to_own[place, earlier].min()):
                    verdicts[own[place]] = ("self", own[earlier[int(to_own[place, earlier].argmin())]])
        return verdicts

    def _between(
        self, first: np.ndarray, first_energy: np.ndarray, second: np.ndarray, second_energy: np.ndarray
    ) -> np.ndarray:
        """Return the fingerprint distances of variants, shape (n, m); infinity for pairs that are not variants."""
        distances = fingerprint_distances(first, second)
        apart = np.abs(first_energy[:, None] - second_energy) > self.energy  # False for an unknown energy
        return np.where((distances > self.distance) | apart, np.inf, distances)
