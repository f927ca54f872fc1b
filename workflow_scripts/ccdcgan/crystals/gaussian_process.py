"""Gaussian-process regression over crystals, using structural descriptors as features.

Similar crystals, by :mod:`ccdcgan.crystals.descriptors`, are assumed to have similar values. The kernel is Matern with
nu = 3/2, plus a constant and white noise (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
Eqs. 4.17, 2.25 and 2.26). Its hyperparameters maximise the marginal likelihood (scikit-learn). Near a crystal of the
training data the prediction is that crystal's value. Far from all of them it approaches their mean, with a large
standard deviation. A function of the composition cannot distinguish polymorphs; this regression can.

Two quantities are predicted in this way: the error of an engine (:mod:`ccdcgan.database.energy_correction`), and the
formation energy of a crystal after relaxation (:mod:`ccdcgan.candidates.ranking`).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.descriptors import descriptor_names, descriptors

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

Range = tuple[float, float]
MOST_FOR_KERNEL = 500
"""Largest number of points used to fit the hyperparameters: every step inverts a matrix of this size."""
MOST_POINTS = 5000
"""Largest number of training points: the cost of the solution is cubic in it."""
SMALLEST_NOISE = 0.01
"""Lower bound of the noise variance, relative to the variance of the values. Neither density functional theory nor a
relaxation is more precise."""
PREDICTED_TOGETHER = 1000
"""Crystals predicted at a time, which limits the size of the covariance matrix with all training points."""


@dataclass(frozen=True)
class KernelSettings:
    """Bounds and fixed values of the kernel's hyperparameters.

    Args:
        amplitude: Bounds of the amplitude of the Matern kernel.
        length: Bounds of its length scale, in units of the typical distance of two points, sqrt(d).
        noise: Initial variance of the white noise and its bounds.
        constant: Variance of an offset shared by all values; 0: no offset.
        alpha: Variance added to every value for numerical stability.
    """

    amplitude: Range
    length: Range
    noise: tuple[float, float, float]
    constant: float = 0.0
    alpha: float = 1e-10


REGRESSION_KERNEL = KernelSettings(
    amplitude=(1e-2, 1e2), length=(1 / 6, 100), noise=(0.1, SMALLEST_NOISE, 10.0), constant=10.0
)
"""Kernel of :class:`CrystalRegression`."""


def subsample(number: int, seed: int) -> np.ndarray:
    """Return the indices of the training points among ``number`` points, ascending.

    Args:
        number: Number of points available.
        seed: Seed of the random choice of MOST_POINTS points, where there are more.
    """
    return np.sort(np.random.default_rng(seed).permutation(number)[:MOST_POINTS])


def fit_gaussian_process(
    features: np.ndarray, values: np.ndarray, settings: KernelSettings, seed: int
) -> "GaussianProcessRegressor":
    """Fit a Gaussian process, with the hyperparameters of the largest marginal likelihood.

    Args:
        features: Features, shape (n, d), each with a standard deviation of about 1.
        values: Values, shape (n,), with a standard deviation of about 1.
        settings: Bounds of the hyperparameters.
        seed: Seed of the choice of MOST_FOR_KERNEL points for the hyperparameters, where there are more.

    Returns:
        The fitted process of scikit-learn.
    """
    # Imported here: code that only predicts does not need scikit-learn's optimisers.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    chosen = np.arange(len(values))
    if len(values) > MOST_FOR_KERNEL:
        chosen = np.random.default_rng(seed).permutation(chosen)[:MOST_FOR_KERNEL]
    typical = features.shape[1] ** 0.5
    length_bounds = (settings.length[0] * typical, settings.length[1] * typical)
    kernel = ConstantKernel(1.0, settings.amplitude) * Matern(typical, length_bounds, nu=1.5)
    kernel += WhiteKernel(settings.noise[0], settings.noise[1:])
    if settings.constant:
        kernel = ConstantKernel(settings.constant, "fixed") + kernel
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a hyperparameter at its bound is acceptable
        process = GaussianProcessRegressor(kernel, alpha=settings.alpha).fit(features[chosen], values[chosen])
    if len(chosen) == len(values):
        return process
    return GaussianProcessRegressor(process.kernel_, optimizer=None, alpha=settings.alpha).fit(features, values)


def features(structures: Sequence[Structure], elements: Sequence[str]) -> np.ndarray:
    """Return the descriptors that do not depend on the choice of the cell.

    Args:
        structures: Crystals.
        elements: Elements of the system.

    Returns:
        Features, shape (n, d); the number of atoms in the cell is left out.
    """
    independent = [name != "n_atoms" for name in descriptor_names(elements)]
    return np.array([descriptors(structure, elements) for structure in structures])[:, independent]


@dataclass(frozen=True)
class CrystalRegression:
    """A quantity of crystals, fitted by a Gaussian process.

    Args:
        process: scikit-learn's process, fitted to standardised features and to (value - centre) / scale.
        mean: Mean of the features, shape (d,).
        spread: Standard deviation of the features, shape (d,).
        centre: Value predicted far from all training data, unit of the values.
        scale: Standard deviation of the values, same unit.
        elements: Elements of the system.
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
    ) -> "CrystalRegression":
        """Fit the values of crystals.

        Args:
            structures: Crystals of the training data.
            values: Their values, shape (n,).
            elements: Elements of the system.
            centre: Value predicted far from all training data.
            seed: Seed of the choice of training points, where there are too many.
        """
        chosen = subsample(len(structures), seed)
        described = features([structures[i] for i in chosen], elements)
        values = np.asarray(values, float)[chosen]
        mean, spread = described.mean(0), np.maximum(described.std(0), 1e-9)
        scale = max(float(np.std(values)), 1e-6)
        process = fit_gaussian_process((described - mean) / spread, (values - centre) / scale, REGRESSION_KERNEL, seed)
        return cls(process, mean, spread, centre, scale, tuple(elements))

    def predict(self, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
        """Return the predicted values, shape (n,), and their standard deviations, shape (n,)."""
        predicted, deviation = np.empty(len(structures)), np.empty(len(structures))
        for start in range(0, len(structures), PREDICTED_TOGETHER):
            part = slice(start, start + PREDICTED_TOGETHER)
            standardised = (features(structures[part], self.elements) - self.mean) / self.spread
            predicted[part], deviation[part] = self.process.predict(standardised, return_std=True)
        return self.centre + self.scale * predicted, self.scale * deviation

    def left_out(self) -> np.ndarray:
        """Return the leave-one-out error of every training crystal: true value - prediction from the others, (n,).

        Rasmussen and Williams, Eq. 5.12. The hyperparameters are those of the fit to all crystals.
        """
        diagonal = (np.linalg.inv(self.process.L_) ** 2).sum(axis=0)  # of the inverse covariance
        return self.scale * self.process.alpha_ / diagonal
