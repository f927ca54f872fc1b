"""A Gaussian process of an engine's error: nothing about it is known but that similar crystals have similar errors.

Similar are crystals with similar :mod:`ccdcgan.descriptors`. Matern kernel with nu = 3/2, a constant and white noise
(Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, Eqs. 4.17, 2.25 and 2.26). Near a measured
crystal the error is that crystal's; far from all of them it is about their mean, with a standard deviation to match. A
function of the composition cannot do that: it moves a good phase and the bad crystals of its composition by the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Structure

from ccdcgan.descriptors import descriptor_names, descriptors
from ccdcgan.likelihood import likeliest_process

SMALLEST_NOISE = 0.01
"""Smallest variance of the noise, of that of all errors: density functional theory is not converged any better."""


def features(structures: Sequence[Structure], elements: Sequence[str]) -> np.ndarray:
    """Return the descriptors (n, d) of crystals that do not depend on the choice of the cell."""
    kept = [name != "n_atoms" for name in descriptor_names(elements)]
    return np.array([descriptors(structure, elements) for structure in structures])[:, kept]


@dataclass(frozen=True)
class ErrorProcess:
    """What was learned of an engine's error.

    process: scikit-learn's, fitted to standardised features and errors in units of ``scale`` (eV/atom); mean, spread:
    of the features (d,).
    """

    process: object
    mean: np.ndarray
    spread: np.ndarray
    scale: float
    elements: tuple[str, ...]

    @classmethod
    def fit(cls, structures: Sequence[Structure], errors: np.ndarray, elements: Sequence[str]) -> "ErrorProcess":
        """Learn from the errors (n,), eV/atom, of n crystals; the kernel has the numbers of the largest likelihood."""
        values = features(structures, elements)
        mean, spread = values.mean(0), np.maximum(values.std(0), 1e-9)
        scale = max(float(np.std(errors)), 1e-6)
        process = likeliest_process(
            (values - mean) / spread,
            np.asarray(errors) / scale,
            amplitude=(1e-2, 1e2),
            length=(1 / 6, 100),
            noise=(0.1, SMALLEST_NOISE, 10.0),
            constant=10.0,
        )
        return cls(process, mean, spread, scale, tuple(elements))

    def predict(self, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
        """Return the errors (n,) to expect and their standard deviations (n,), eV/atom."""
        standardised = (features(structures, self.elements) - self.mean) / self.spread
        expected, deviation = self.process.predict(standardised, return_std=True)
        return self.scale * expected, self.scale * deviation

    def left_out(self) -> np.ndarray:
        """Return the true error of every crystal learned from less that expected from all the others (n,), eV/atom.

        Rasmussen and Williams, Eq. 5.12: the kernel stays, whose three numbers have seen all crystals.
        """
        diagonal = (np.linalg.inv(self.process.L_) ** 2).sum(axis=0)  # of the covariance's inverse
        return self.scale * self.process.alpha_ / diagonal
