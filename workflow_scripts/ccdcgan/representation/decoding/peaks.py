"""Local maxima of many sites voxels, and which of many points are far enough from one another."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

MOST_PEAKS = 200
"""Maximum number of local maxima that are considered in one voxel."""
SMALLEST_GROUP = 8
"""Point sets of up to this size are compared in one array."""


def find_peaks(
    voxels: np.ndarray,
    centres: np.ndarray,
    thresholds: np.ndarray | float,
    separation: float,
    known: Sequence[np.ndarray],
    most: int = MOST_PEAKS,
) -> list[np.ndarray]:
    """Return the local maxima of sites voxels, highest first.

    Only voxels above the threshold, which are few, are compared with their 26 neighbours.

    Args:
        voxels: Shape (n, grid, grid, grid).
        centres: Coordinates of the voxel centres along one axis, (grid,), angstrom.
        thresholds: Minimum height, one for all or (n,).
        separation: Minimum distance between two maxima, and from ``known``, angstrom.
        known: Positions of known atoms, (m, 3) for each of the n voxels, angstrom.
        most: Maximum number of maxima returned for a voxel.

    Returns:
        Positions (n_peaks, 3), angstrom, for each of the n voxels.
    """
    n, grid = len(voxels), len(centres)
    flat = np.ascontiguousarray(voxels).reshape(n, grid**3)
    above = np.flatnonzero(flat >= np.broadcast_to(np.asarray(thresholds, flat.dtype), (n,))[:, None])
    owners, places = np.divmod(above, grid**3)
    values = flat.ravel()[above]
    around = _neighbours(grid)[places] + (owners * grid**3)[:, None]
    top = values >= flat.ravel()[around].max(axis=1, initial=-np.inf)
    owners, places, values = owners[top], places[top], values[top]
    order = np.lexsort((-values, owners))
    bounds = np.searchsorted(owners[order], np.arange(n + 1))
    found = centres[np.stack(np.unravel_index(places[order], (grid,) * 3), axis=1)]
    candidates = [found[start : min(end, start + MOST_PEAKS)] for start, end in zip(bounds, bounds[1:], strict=False)]
    return separated(candidates, separation, known, most)


@lru_cache(maxsize=4)
def _neighbours(grid: int) -> np.ndarray:
    """Return the flat indices of the 26 neighbours of every voxel, (grid^3, 26); beyond a face the nearest voxel."""
    offsets = np.array([offset for offset in np.ndindex(3, 3, 3) if offset != (1, 1, 1)]) - 1
    indices = np.stack(np.unravel_index(np.arange(grid**3), (grid,) * 3), axis=1)
    x, y, z = np.moveaxis(np.clip(indices[:, None] + offsets, 0, grid - 1), 2, 0)
    return (x * grid + y) * grid + z


def separated(
    points: Sequence[np.ndarray],
    separation: float,
    known: Sequence[np.ndarray] | None = None,
    most: int = MOST_PEAKS,
) -> list[np.ndarray]:
    """Return those points of each set, in order, that are at least ``separation`` from accepted and known ones.

    Args:
        points: Point sets (n, 3), angstrom.
        separation: Minimum distance, angstrom.
        known: For each set, points (m, 3) that are accepted already; None: there are none.
        most: Maximum number of points returned for a set.
    """
    results = [np.empty((0, 3))] * len(points)
    counts = np.array([len(part) for part in points], dtype=int)
    # Sets of similar size are compared together, since the work on a padded array grows with its largest set.
    sizes = SMALLEST_GROUP * 2 ** np.ceil(np.log2(np.maximum(counts / SMALLEST_GROUP, 1))).astype(int)
    for size in np.unique(sizes[counts > 0]):
        rows = np.flatnonzero((sizes == size) & (counts > 0))
        for part in np.array_split(rows, -(-len(rows) * int(size) ** 2 // 2**20)):
            near = None if known is None else [known[row] for row in part]
            accepted = _accept([points[row] for row in part], separation**2, near, most)
            for row, which in zip(part, accepted, strict=True):
                results[row] = points[row][which[: len(points[row])]]
    return results


def _accept(points: Sequence[np.ndarray], least: float, known: Sequence[np.ndarray] | None, most: int) -> np.ndarray:
    """Return which points of each set are accepted, (n_sets, size of the largest); ``least`` is a squared distance."""
    padded, free = pad(points)
    if known is not None and any(len(part) for part in known):
        others, present = pad(known)
        squares = ((padded[:, :, None] - others[:, None]) ** 2).sum(-1)
        free &= ~((squares < least) & present[:, None]).any(axis=2)
    close = ((padded[:, :, None] - padded[:, None]) ** 2).sum(-1) < least
    accepted = np.zeros_like(free)
    for number in range(padded.shape[1]):
        beside = (accepted[:, :number] & close[:, number, :number]).any(axis=1)
        accepted[:, number] = free[:, number] & ~beside
    return accepted & (np.cumsum(accepted, axis=1) <= most)


def pad(points: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return point sets as one array (n_sets, size of the largest, 3), and which of its points exist."""
    counts = np.array([len(part) for part in points], dtype=int)
    present = np.arange(counts.max(initial=0)) < counts[:, None]
    padded = np.zeros((*present.shape, 3))
    padded[present] = np.concatenate([part.reshape(-1, 3) for part in points]) if len(points) else 0
    return padded, present
