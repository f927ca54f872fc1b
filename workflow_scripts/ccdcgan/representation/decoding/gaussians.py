"""Gaussians of known width fitted to many sites voxels at once."""

from collections.abc import Iterator, Sequence

import numpy as np

from ccdcgan.representation.voxels import FAINTEST

FIRST_STEPS = 12
"""Maximum number of Gauss-Newton steps."""
CONVERGED = 1e-4
"""Change of all heights and positions (angstrom) below which a fit is finished."""
DAMPING = 1e-3
"""Added to the diagonal of the normal equations, relative to its mean."""
PADDING = 32
"""The number of voxels used in a fit is padded to a multiple of this."""
ROWS = 128
"""Number of voxels with equally many atoms that are fitted together: their arrays fit in the processor's cache."""


def by_size(sets: Sequence[np.ndarray], most: int = ROWS) -> Iterator[np.ndarray]:
    """Yield the indices of sets with equally many points, at most ``most`` at once, without the empty sets."""
    counts = np.array([len(part) for part in sets], dtype=int)
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] > 0]
    for part in np.split(order, np.flatnonzero(np.diff(counts[order])) + 1):
        yield from (part[start : start + most] for start in range(0, len(part), most))


def fit_gaussians(
    voxels: np.ndarray,
    centres: np.ndarray,
    positions: Sequence[np.ndarray],
    sigma: float,
    box: float,
    steps: int = FIRST_STEPS,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return centres (n, 3) and heights (n,) of the Gaussians fitted to each voxel.

    All centres and heights of a voxel are fitted together (Gauss-Newton). Only the voxels near a starting position are
    used.

    Args:
        voxels: Sites voxels, (n_voxels, grid, grid, grid), float32.
        centres: Coordinates of the voxel centres along one axis, (grid,), angstrom.
        positions: Starting positions (n, 3), angstrom from the box's centre, for each voxel.
        sigma: Standard deviation of the Gaussians, angstrom.
        box: Edge of the box, angstrom.
        steps: Maximum number of steps.
    """
    fitted, heights = [np.empty((0, 3))] * len(positions), [np.empty(0)] * len(positions)
    spacing = box / len(centres)
    for rows in by_size(positions):
        starts = np.array([positions[row] for row in rows], dtype=float)
        indices, counts = _voxels_in_reach(starts, centres, sigma, box)
        # Padded to a length that does not depend on the other voxels, so that neither do the rounding errors.
        lengths = -(-counts // PADDING) * PADDING
        for length in np.unique(lengths):
            part = np.flatnonzero(lengths == length)
            used = np.arange(length) < counts[part, None]
            places = np.where(used, indices[part, :length], 0)
            values = np.take_along_axis(voxels[rows[part]].reshape(len(part), -1), places, axis=1) * used
            points = centres[np.stack(np.unravel_index(places, voxels.shape[1:]), axis=1)]
            found = _fit(starts[part], points, used, values, (sigma, spacing, steps))
            for row, atoms, height in zip(rows[part], *found, strict=True):
                fitted[row], heights[row] = atoms, height
    return fitted, heights


def _voxels_in_reach(
    positions: np.ndarray, centres: np.ndarray, sigma: float, box: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices of the voxels in reach of an atom, (rows, m), padded with zeros, and their numbers, (rows,)."""
    grid, spacing = len(centres), box / len(centres)
    # Closer than 1.5 sigma, or than the nearest voxels of an atom on a coarse grid.
    reach = max(1.5 * sigma, 1.8 * spacing)
    width = int(np.ceil(reach / spacing)) + 1
    nearest = np.round((positions + box / 2) / spacing - 0.5).astype(int)
    cubes = np.clip(nearest[..., None] + np.arange(-width, width + 1), 0, grid - 1)
    squares = (centres[cubes] - positions[..., None]) ** 2
    x, y, z = (squares[:, :, axis] for axis in range(3))
    inside = x[..., :, None, None] + y[..., None, :, None] + z[..., None, None, :] < reach**2
    flat = np.arange(len(positions))[:, None, None] * grid + cubes[:, :, 0]
    flat = flat[..., :, None] * grid + cubes[:, :, 1][..., None, :]
    flat = flat[..., None] * grid + cubes[:, :, 2][..., None, None, :]
    marked = np.zeros(len(positions) * grid**3, dtype=bool)
    marked[flat[inside]] = True
    rows, indices = np.divmod(np.flatnonzero(marked), grid**3)
    counts = np.bincount(rows, minlength=len(positions))
    padded = np.zeros((len(positions), -(-counts.max() // PADDING) * PADDING), dtype=int)
    padded[np.arange(padded.shape[1]) < counts[:, None]] = indices
    return padded, counts


def _fit(
    start: np.ndarray, points: np.ndarray, used: np.ndarray, values: np.ndarray, how: tuple[float, float, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (rows, n, 3) and heights (rows, n).

    Args:
        start: Starting positions, (rows, n, 3).
        points: Coordinates of the voxels used, (rows, 3, m).
        used: Which of them are no padding, (rows, m).
        values: Their values, (rows, m).
        how: Width of the Gaussians and edge of a voxel, angstrom, and maximum number of steps.
    """
    sigma, spacing, steps = how
    rows, n, _ = start.shape
    positions, heights = start.copy(), np.ones((rows, n))
    active = np.arange(rows)
    points, values, used = (np.asarray(array, np.float32) for array in (points, values, used))
    scale = np.float32(1 / sigma**2)
    for _ in range(steps):
        here, high = positions[active].astype(np.float32), heights[active].astype(np.float32)
        # Rows of the Jacobian: of every atom the derivative by its height, then by x, y and z.
        jacobian = np.empty((len(active), n, 4, points.shape[2]), np.float32)
        offsets = np.subtract(points[:, None], here[..., None], out=jacobian[:, :, 1:])
        exponents = np.einsum("anxm,anxm->anm", offsets, offsets)
        exponents *= -0.5 * scale
        np.maximum(exponents, FAINTEST, out=exponents)  # arithmetic with subnormal numbers is slow
        gaussians = np.multiply(np.exp(exponents, out=exponents), used[:, None], out=jacobian[:, :, 0])
        left = values - np.matmul(high[:, None], gaussians)[:, 0]
        offsets *= (gaussians * (high[..., None] * scale))[:, :, None]
        flat = jacobian.reshape(len(active), 4 * n, -1)
        normal = (flat @ flat.transpose(0, 2, 1)).astype(float)
        diagonal = normal.reshape(len(active), -1)[:, :: 4 * n + 1]
        diagonal += DAMPING * np.maximum(diagonal.mean(axis=1, keepdims=True), 1e-12)
        change = np.linalg.solve(normal, (flat @ left[..., None]).astype(float)).reshape(-1, n, 4)
        heights[active] = np.minimum(np.maximum(heights[active] + change[..., 0], 0.05), 3.0)
        moved = _limited(change[..., 1:], 0.5 * sigma) + positions[active] - start[active]
        positions[active] = start[active] + _limited(moved, 1.5 * spacing)
        going = np.abs(change).max(axis=(1, 2)) >= CONVERGED
        if not going.all():
            if not going.any():
                break
            active, points, values, used = active[going], points[going], values[going], used[going]
    return positions, heights


def _limited(values: np.ndarray, most: float) -> np.ndarray:
    """Return values limited to an absolute value; np.clip takes several times as long for small arrays."""
    return np.minimum(np.maximum(values, -most), most)
