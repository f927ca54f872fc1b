"""The distance rule of candidates, and expansion of crystals that violate it, the most frequent reason of rejection.

A cell that is a few percent too small is scaled, together with its atoms, until the rule is satisfied. The subsequent
relaxation adjusts the volume. Repaired crystals are labelled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.distances import DistanceRule, PairDistances

EXPANDED = "expanded"
IMAGES = np.array(list(np.ndindex(3, 3, 3))) - 1
TOGETHER = 64
"""Number of crystals that are measured together."""


@dataclass(frozen=True)
class Approach:
    """The closest approach of two atoms in a crystal, periodic images included.

    Attributes:
        shortest: Shortest distance, angstrom.
        ratio: Smallest ratio of a distance to the one that the rule requires; infinite if it requires none.
    """

    shortest: float
    ratio: float


def closest_approaches(structures: Sequence[Structure], rule: DistanceRule) -> list[Approach]:
    """Return the closest approach in each crystal. Cells may be skewed and need not be reduced.

    Args:
        structures: The crystals.
        rule: Minimum distance between two atoms, angstrom, one for all or by pair of elements.
    """
    results: list[Approach | None] = [None] * len(structures)
    sizes = np.array([len(structure) for structure in structures], dtype=int)
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        for part in (rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER)):
            for row, approach in zip(part, _of_equal_size([structures[row] for row in part], rule), strict=True):
                results[row] = approach
    return results


def expansion(approach: Approach, most: float) -> float:
    """Return the factor on the lengths of a cell with which it satisfies the distance rule.

    Args:
        approach: Its closest approach.
        most: Maximum factor.

    Returns:
        1 for a crystal that satisfies the rule, or would need a larger factor than ``most``.
    """
    needed = approach.ratio < 1 and approach.ratio * most >= 1
    return 1.0001 / approach.ratio if needed else 1.0


def expand(structure: Structure, min_distance: DistanceRule, most: float) -> tuple[Structure, str]:
    """Scale the cell of a crystal that violates the distance rule.

    Args:
        structure: The crystal.
        min_distance: Minimum distance between two atoms, angstrom, one for all or by pair of elements.
        most: Maximum factor on the lengths of the cell; 1: not scaled.

    Returns:
        The crystal, and EXPANDED if it was scaled. A crystal that satisfies the rule, or would need a larger factor
        than ``most``, is returned as it is, with "".
    """
    factor = expansion(closest_approaches([structure], min_distance)[0], most)
    return (structure, "") if factor == 1 else (scaled(structure, factor), EXPANDED)


def scaled(structure: Structure, factor: float) -> Structure:
    """Return a crystal whose lengths are multiplied by a factor."""
    copied = structure.copy()
    copied.scale_lattice(structure.volume * factor**3)
    return copied


def _of_equal_size(structures: Sequence[Structure], rule: DistanceRule) -> list[Approach]:
    """Return the closest approaches in crystals with equally many atoms."""
    cells = reduced_cells(np.array([structure.lattice.matrix for structure in structures]))
    positions = np.array([structure.cart_coords for structure in structures])
    first, second = np.triu_indices(positions.shape[1], k=1)
    offsets = (positions[:, first] - positions[:, second]) @ np.linalg.inv(cells)
    offsets -= np.round(offsets)
    vectors = (offsets @ cells)[:, :, None] + (IMAGES @ cells)[:, None]
    pairs = np.sqrt(np.einsum("spix,spix->spi", vectors, vectors).min(axis=2))
    edges = np.linalg.norm(cells, axis=2).min(axis=1)
    shortest = np.minimum(pairs.min(axis=1, initial=np.inf), edges)
    if not isinstance(rule, PairDistances):
        with np.errstate(divide="ignore"):
            return [Approach(float(distance), float(np.divide(distance, rule))) for distance in shortest]
    approaches = []
    for structure, distances, edge, least in zip(structures, pairs, edges, shortest, strict=True):
        limits = rule.table([site.specie.symbol for site in structure])
        ratio = min(np.min(distances / limits[first, second], initial=np.inf), edge / limits.diagonal().max())
        approaches.append(Approach(float(least), float(ratio)))
    return approaches


def reduced_cells(matrices: np.ndarray) -> np.ndarray:
    """Return bases of lattices whose vectors are as short as possible (Minkowski), shortest first.

    Args:
        matrices: Lattice matrices, (n, 3, 3), rows a, b, c, angstrom.
    """
    cells = np.array(matrices, dtype=float)
    steps = np.array([(x, y) for x in (0, -1, 1) for y in (0, -1, 1)], dtype=float)
    active = np.arange(len(cells))
    while len(active):
        own = cells[active]
        own = np.take_along_axis(own, np.argsort((own**2).sum(-1), axis=1, kind="stable")[..., None], axis=1)
        a, b, c = (own[:, number] for number in range(3))
        b = b - np.round((a * b).sum(-1) / (a * a).sum(-1))[:, None] * a
        plane = np.stack([a, b], axis=1)
        nearest = np.round((c[:, None] @ np.linalg.pinv(plane))[:, 0])
        tried = c[:, None] - (nearest[:, None] + steps) @ plane
        chosen = np.argmin(np.round((tried**2).sum(-1), 9), axis=1)
        c = np.take_along_axis(tried, chosen[:, None, None], axis=1)[:, 0]
        new = np.stack([a, b, c], axis=1)
        shorter = (new**2).sum((1, 2)) < (own**2).sum((1, 2)) * (1 - 1e-9)
        cells[active] = new
        active = active[shorter]
    return np.take_along_axis(cells, np.argsort((cells**2).sum(-1), axis=1, kind="stable")[..., None], axis=1)
