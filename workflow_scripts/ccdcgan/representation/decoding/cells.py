"""Cells of many lattice voxels at once, by weighted least squares.

-2 sigma^2 ln p = r^2 is linear in the metric tensor, which is fitted by least squares over all voxels above a floor.
The weights are p^2, since noise s in p is noise s/p in ln p. Two further passes take weights and voxels from the fitted
p, which is not biased by the noise. There is no cell if the fit is under-determined or not positive definite.
"""

from functools import lru_cache

import numpy as np

from ccdcgan.representation.voxels import float_design, metric_design

FLOOR = 0.1
"""Minimum value of a voxel that is used."""
PASSES = 3
"""Number of fits; all but the first take their weights from the fit before."""
FEWEST = 7
"""Minimum number of voxels of a fit."""
WORST_CONDITION = 1e10
SMALLEST = 1e-3
"""Minimum eigenvalue of a metric tensor, angstrom^2."""
ROWS = 32
"""Number of voxels that are fitted together."""


def fit_cells(voxels: np.ndarray, sigma: float, floor: float = FLOOR) -> np.ndarray:
    """Return the lengths (angstrom) and angles (degree) of the cells of lattice voxels, (n, 6); NaN: no cell.

    Args:
        voxels: Shape (n, grid, grid, grid).
        sigma: Standard deviation of the Gaussian, angstrom.
        floor: Minimum value of a voxel that is used.
    """
    parts = [_fit(voxels[start : start + ROWS], sigma, floor) for start in range(0, len(voxels), ROWS)]
    metrics = np.concatenate([np.empty((0, 6)), *parts])
    a, b, c = np.sqrt(metrics[:, :3]).T
    cosines = metrics[:, 3:] / np.stack([b * c, a * c, a * b], axis=1)
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    return np.concatenate([np.stack([a, b, c], axis=1), angles], axis=1)


def within(parameters: np.ndarray, lengths: tuple[float, float], angles: tuple[float, float]) -> np.ndarray:
    """Return whether cells (..., 6) lie within ranges of lengths (angstrom) and angles (degree); NaN does not."""
    lower, upper = np.repeat([lengths, angles], 3, axis=0).T
    return np.all((parameters >= lower) & (parameters <= upper), axis=-1)


def _fit(voxels: np.ndarray, sigma: float, floor: float) -> np.ndarray:
    """Return the entries of metric tensors, (n, 6), angstrom^2; NaN where there is no valid one."""
    grid = voxels.shape[1]
    values = np.asarray(voxels, dtype=float).reshape(len(voxels), -1)
    design, squares_of, products = metric_design(grid), float_design(grid), _products(grid)
    targets = -2 * sigma**2 * np.log(np.maximum(values, 0.2 * floor))
    weights = np.where(values > floor, values, 0.0)
    # Each voxel has products of its own, so that rounding errors do not depend on what is fitted together.
    valid, metrics = np.ones(len(values), dtype=bool), np.full((len(values), 6), np.nan)
    for last in (False,) * (PASSES - 1) + (True,):
        valid &= np.count_nonzero(weights, axis=1) >= FEWEST
        weights *= weights
        normal = np.empty((len(values), 6, 6))
        normal[:, *np.triu_indices(6)] = (weights[:, None] @ products)[:, 0]
        normal[:, *np.triu_indices(6)[::-1]] = normal[:, *np.triu_indices(6)]
        weights *= targets
        right = (weights[:, None] @ design)[:, 0]
        normal[~valid] = np.eye(6)
        sizes = np.abs(np.linalg.eigvalsh(normal))
        valid &= sizes.max(axis=1) <= WORST_CONDITION * sizes.min(axis=1)
        normal[~valid] = np.eye(6)
        metrics = np.linalg.solve(normal, right[..., None])[..., 0]
        tensors = metrics[:, [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
        valid &= np.linalg.eigvalsh(tensors)[:, 0] > SMALLEST
        metrics[~valid] = np.nan
        if last:
            break
        squares = (metrics.astype(np.float32)[:, None] @ squares_of)[:, 0]
        with np.errstate(invalid="ignore"):
            inside = squares < -2 * sigma**2 * np.log(floor)
            exponents = np.maximum(squares.astype(float) / (-2 * sigma**2), np.log(0.1 * floor))
        weights = np.where(inside, np.exp(exponents, out=exponents), 0.0)
    return metrics


@lru_cache(maxsize=8)
def _products(grid: int) -> np.ndarray:
    """Return the products of two columns of the design, (grid^3, 21), the upper triangle row by row."""
    design = metric_design(grid)
    rows, columns = np.triu_indices(6)
    products = design[:, rows] * design[:, columns]
    products.setflags(write=False)
    return products
