"""A Gaussian process over crystals: nothing is known of a quantity but that similar crystals have similar values.

Similar are crystals with similar :mod:`ccdcgan.crystals.descriptors`. Matern kernel with nu = 3/2, a constant and white
noise (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, Eqs. 4.17, 2.25 and 2.26). Near a known
crystal the value is that crystal's; far from all of them it is about their mean, with a standard deviation to match. A
function of the composition cannot do that: to it a good phase and the bad crystals of its composition are the same.

Two quantities are learned so: an engine's error (:mod:`ccdcgan.database.energy_correction`), and what formation energy
a crystal will have once it is relaxed (:mod:`ccdcgan.candidates.ranking`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.descriptors import descriptor_names, descriptors
from ccdcgan.crystals.likelihood import drawn, likeliest_process

SMALLEST_NOISE = 0.01
"""Smallest variance of the noise, of that of all values: neither density functional theory nor a relaxation is any
better."""
TOGETHER = 1000
"""Crystals predicted at a time: the matrix to all known ones stays small."""


def features(structures: Sequence[Structure], elements: Sequence[str]) -> np.ndarray:
    """Return the descriptors (n, d) of crystals that do not depend on the choice of the cell."""
    kept = [name != "n_atoms" for name in descriptor_names(elements)]
    return np.array([descriptors(structure, elements) for structure in structures])[:, kept]


@dataclass(frozen=True)
class CrystalProcess:
    """What was learned of a quantity.

    process: scikit-learn's, fitted to standardised features and to the values less ``centre``, in units of ``scale``;
    mean, spread: of the features (d,).
    """

    process: object
    mean: np.ndarray
    spread: np.ndarray
    centre: float
    scale: float
    elements: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        structures: Sequence[Structure],
        values: np.ndarray,
        elements: Sequence[str],
        centre: float = 0.0,
        seed: int = 0,
    ) -> "CrystalProcess":
        """Learn from the values (n,) of n crystals; the kernel has the numbers of the largest likelihood.

        centre: what the values are about; seed: draws from more crystals than can be learned from.
        """
        known = drawn(len(structures), seed)
        described, values = features([structures[i] for i in known], elements), np.asarray(values, float)[known]
        mean, spread = described.mean(0), np.maximum(described.std(0), 1e-9)
        scale = max(float(np.std(values)), 1e-6)
        process = likeliest_process(
            (described - mean) / spread,
            (values - centre) / scale,
            amplitude=(1e-2, 1e2),
            length=(1 / 6, 100),
            noise=(0.1, SMALLEST_NOISE, 10.0),
            constant=10.0,
            seed=seed,
        )
        return cls(process, mean, spread, centre, scale, tuple(elements))

    def predict(self, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
        """Return the values (n,) to expect and their standard deviations (n,)."""
        expected, deviation = np.empty(len(structures)), np.empty(len(structures))
        for start in range(0, len(structures), TOGETHER):
            part = slice(start, start + TOGETHER)
            standardised = (features(structures[part], self.elements) - self.mean) / self.spread
            expected[part], deviation[part] = self.process.predict(standardised, return_std=True)
        return self.centre + self.scale * expected, self.scale * deviation

    def left_out(self) -> np.ndarray:
        """Return the true value of every crystal learned from less that expected from all the others (n,).

        Rasmussen and Williams, Eq. 5.12: the kernel stays, whose three numbers have seen all crystals.
        """
        diagonal = (np.linalg.inv(self.process.L_) ** 2).sum(axis=0)  # of the covariance's inverse
        return self.scale * self.process.alpha_ / diagonal
