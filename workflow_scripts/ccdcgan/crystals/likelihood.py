"""Gaussian processes whose kernel has the numbers of the largest marginal likelihood, found by scikit-learn.

Matern kernel with nu = 3/2 and white noise (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
Eqs. 4.17 and 2.25).
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

Range = tuple[float, float]
MOST_FOR_KERNEL = 500
"""Points from which the kernel is chosen, at most: every step of that inverts a matrix of this size."""
MOST_POINTS = 5000
"""Points that are learned from, at most: the solution takes their number cubed."""


def drawn(number: int, seed: int) -> np.ndarray:
    """Return which of ``number`` points to learn from, in their order: all, or MOST_POINTS of them at random."""
    return np.sort(np.random.default_rng(seed).permutation(number)[:MOST_POINTS])


def likeliest_process(
    features: np.ndarray,
    values: np.ndarray,
    *,
    amplitude: Range,
    length: Range,
    noise: tuple[float, float, float],
    constant: float = 0.0,
    alpha: float = 1e-10,
    seed: int,
) -> "GaussianProcessRegressor":
    """Return the process that learned values (n,), with a spread of about 1, at features (n, d), likewise.

    amplitude: bounds of the Matern kernel's; length: bounds of its length scale, in units of the typical distance of
    two crystals; noise: where the white noise's variance starts, and its bounds; constant: variance of a shift that
    all values share; alpha: what is added to the variance of every value, for the numerics; seed: draws the
    MOST_FOR_KERNEL points from which the numbers are chosen, where there are more.
    """
    # here, since whoever only predicts need not wait for it
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    every = np.arange(len(values))
    chosen = (
        every if len(values) <= MOST_FOR_KERNEL else np.random.default_rng(seed).permutation(every)[:MOST_FOR_KERNEL]
    )
    typical = features.shape[1] ** 0.5
    kernel = ConstantKernel(1.0, amplitude) * Matern(typical, (length[0] * typical, length[1] * typical), nu=1.5)
    kernel += WhiteKernel(noise[0], noise[1:])
    if constant:
        kernel = ConstantKernel(constant, "fixed") + kernel
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a number of the kernel at its bound does no harm
        process = GaussianProcessRegressor(kernel, alpha=alpha).fit(features[chosen], values[chosen])
    if len(chosen) == len(values):
        return process
    return GaussianProcessRegressor(process.kernel_, optimizer=None, alpha=alpha).fit(features, values)
