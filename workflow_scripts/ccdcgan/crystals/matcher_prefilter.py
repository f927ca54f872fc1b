"""Prefilter of StructureMatcher, which decides most pairs of crystals without calling it.

StructureMatcher (scaled to the same volume) accepts a pair only if (1) some basis of the first lattice has the lengths
and angles of the second crystal's reduced cell within the tolerances, and (2) in such a basis one translation moves
every atom of the second crystal to within a fractional tolerance of an atom of the same element in the first. These
conditions imply (0): the lengths of the two reduced cells, which are the successive minima of their lattices, differ by
at most the length tolerance, because the other lattice has independent vectors that are this short. A pair that
violates one of these conditions is refused within microseconds to milliseconds.

A pair that passes is certain to be accepted if, for such a translation, some pairing of all atoms has a root of the
summed squared distances below the matcher's tolerance. The pairing of the matcher has the smallest sum; subtracting its
mean displacement reduces the sum further; and the largest distance, which is the matcher's criterion, cannot exceed the
root of the sum. StructureMatcher is called for the remaining pairs. Every comparison has a margin towards calling it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import spglib
from pymatgen.core import Structure
from pymatgen.util.coord import is_coord_subset_pbc

MARGIN = 1e-6
"""Relative widening of a tolerance before a pair is refused, and narrowing before one is accepted, so that rounding
errors decide nothing."""


@dataclass(frozen=True)
class ReducedCell:
    """A crystal reduced by the rules of the matcher, scaled to 1 angstrom^3 per atom.

    Args:
        structure: Reduced cell, sites sorted by element.
    """

    structure: Structure

    @classmethod
    def of(cls, structure: Structure) -> "ReducedCell":
        """Reduce a crystal as StructureMatcher does: Niggli cell, then primitive cell."""
        reduced = structure.get_reduced_structure(reduction_algo="niggli").get_primitive_structure()
        return cls(Structure.from_sites(sorted(reduced, key=lambda site: site.specie.Z)))

    @cached_property
    def bucket(self) -> tuple[tuple[int, int], ...]:
        """Atomic numbers and atom counts of the reduced cell, which are the same for equal crystals."""
        numbers, counts = np.unique(self.numbers, return_counts=True)
        return tuple(zip(numbers.tolist(), counts.tolist(), strict=True))

    @cached_property
    def numbers(self) -> np.ndarray:
        """Atomic numbers, shape (n_atoms,), ascending."""
        return np.array([site.specie.Z for site in self.structure])

    @cached_property
    def matrix(self) -> np.ndarray:
        """Lattice, shape (3, 3), rows a, b, c, at 1 angstrom^3 per atom."""
        return self.structure.lattice.matrix * (len(self.structure) / self.structure.volume) ** (1 / 3)

    @cached_property
    def coords(self) -> np.ndarray:
        """Fractional coordinates, shape (n_atoms, 3)."""
        return self.structure.frac_coords

    @cached_property
    def minima(self) -> np.ndarray:
        """Successive minima of the lattice, shape (3,): the lengths of its Niggli cell, ascending."""
        reduced = spglib.niggli_reduce(self.matrix)
        if reduced is None:  # a nearly flat cell: NaN refuses nothing
            return np.array([np.nan] * 3)
        return np.sort(np.linalg.norm(reduced, axis=1))

    @cached_property
    def lengths(self) -> np.ndarray:
        """Lengths of the reduced cell, shape (3,)."""
        return np.linalg.norm(self.matrix, axis=1)

    @cached_property
    def angles(self) -> np.ndarray:
        """Angles of the reduced cell, shape (3,), degree."""
        return np.array(self.structure.lattice.angles)

    def vectors(self, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the lattice vectors within a radius, without the origin.

        Args:
            radius: Radius at 1 angstrom^3 per atom, angstrom.

        Returns:
            Integer coefficients, shape (n, 3); Cartesian vectors, shape (n, 3); lengths, shape (n,).
        """
        cached = self.__dict__.get("_vectors")
        if cached is None or cached[0] < radius:
            most = np.ceil(1.2 * radius * np.linalg.norm(np.linalg.inv(self.matrix), axis=0)).astype(int)
            axes = [np.arange(-limit, limit + 1) for limit in most]
            integers = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
            cart = integers @ self.matrix
            lengths = np.linalg.norm(cart, axis=1)
            near = (lengths <= 1.2 * radius) & (lengths > 0)
            cached = (1.2 * radius, integers[near], cart[near], lengths[near])
            self.__dict__["_vectors"] = cached
        return cached[1:]


class MatcherPrefilter:
    """Necessary and sufficient conditions of a match by StructureMatcher.

    Args:
        ltol: Tolerance of the lengths, as a fraction.
        stol: Tolerance of the sites, as a fraction of the mean spacing.
        angle_tol: Tolerance of the angles, degree.
    """

    def __init__(self, ltol: float, stol: float, angle_tol: float) -> None:
        self.ltol, self.stol, self.angle_tol = ltol, stol, angle_tol

    def alike(self, cell: ReducedCell, minima: np.ndarray) -> np.ndarray:
        """Return which lattices can match that of a cell, condition (0).

        Args:
            cell: Reduced cell.
            minima: Successive minima of the lattices, shape (n, 3).

        Returns:
            Booleans, shape (n,).
        """
        ratio = minima / cell.minima
        widest = (1 + self.ltol) * (1 + MARGIN)
        return ~((ratio > widest) | (ratio < 1 / widest)).any(axis=1)

    def verdict(self, first: ReducedCell, second: ReducedCell) -> bool | None:
        """Return whether StructureMatcher finds ``second`` in ``first``; None if it has to be called.

        Both cells are of one bucket and pass :meth:`alike`.
        """
        mask = (second.numbers[:, None] != first.numbers[None, :]).astype(np.int64)
        rarest = int(np.argmax(mask.sum(axis=1)))
        starts = np.flatnonzero(mask[rarest] == 0)
        cart = first.coords @ first.matrix
        verdict: bool | None = False
        for basis, inside in zip(*self._bases(first, second), strict=True):
            coords = cart @ np.linalg.inv(basis)
            coords -= np.floor(coords)
            average = AverageCell.of(basis, second)
            spacing = (average.volume / len(second.numbers)) ** (1 / 3)
            tolerance = 2 * average.reciprocal * self.stol * spacing * (1 + MARGIN) + MARGIN
            for start in starts:
                moved = second.coords + (coords[start] - second.coords[rarest])
                if is_coord_subset_pbc(moved, coords, tolerance, mask):
                    verdict = None
                    if inside and average.pairing(moved, coords, mask) < self.stol * spacing * (1 - MARGIN):
                        return True
        return verdict

    def _bases(self, first: ReducedCell, second: ReducedCell) -> tuple[np.ndarray, np.ndarray]:
        """Return the bases of the first lattice that match the second crystal's reduced cell, condition (1).

        Returns:
            Bases, shape (n, 3, 3), and whether each is within the tolerances narrowed by the margin, shape (n,).
        """
        widest, narrow = (1 + self.ltol) * (1 + MARGIN), (1 + self.ltol) * (1 - MARGIN)
        integers, cart, lengths = first.vectors(float(second.lengths.max()) * widest)
        near = [np.flatnonzero((lengths < edge * widest) & (lengths > edge / widest)) for edge in second.lengths]
        if not all(map(len, near)):
            return np.empty((0, 3, 3)), np.empty(0, bool)
        unit = cart / lengths[:, None]
        a, b, c = (unit[indices] for indices in near)
        alpha, beta, gamma = (
            np.abs(np.degrees(np.arccos(np.clip(one @ other.T, -1, 1))) - angle)
            for one, other, angle in zip((b, a, a), (c, c, b), second.angles, strict=True)
        )
        off = np.maximum(np.maximum(gamma[:, :, None], beta[:, None, :]), alpha[None, :, :])
        triples = np.argwhere(off <= self.angle_tol * (1 + MARGIN))
        chosen = np.stack([near[axis][triples[:, axis]] for axis in range(3)], axis=1)
        whole = np.abs(np.abs(np.linalg.det(integers[chosen])) - 1) < 0.5  # a primitive cell, not a supercell
        ratio = lengths[chosen] / second.lengths
        inside = off[tuple(triples.T)] <= self.angle_tol * (1 - MARGIN)
        inside &= ((ratio < narrow) & (ratio > 1 / narrow)).all(axis=1)
        return cart[chosen[whole]], inside[whole]


@dataclass(frozen=True)
class AverageCell:
    """The average of two cells, in which the matcher measures distances.

    Args:
        metric: Metric tensor, shape (3, 3), angstrom^2.
        volume: Volume, angstrom^3.
        reciprocal: Inverse distance between the lattice planes of each axis, shape (3,), 1/angstrom.
    """

    metric: np.ndarray
    volume: float
    reciprocal: np.ndarray

    @classmethod
    def of(cls, basis: np.ndarray, second: ReducedCell) -> "AverageCell":
        """Average the lengths and angles of a basis, shape (3, 3), and of the second crystal's reduced cell."""
        lengths = np.linalg.norm(basis, axis=1)
        unit = basis / lengths[:, None]
        cosines = np.clip([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]], -1, 1)
        angles = np.radians((np.degrees(np.arccos(cosines)) + second.angles) / 2)
        lengths = (lengths + second.lengths) / 2
        alpha, beta, gamma = np.cos(angles)
        metric = np.array([[1, gamma, beta], [gamma, 1, alpha], [beta, alpha, 1]]) * np.outer(lengths, lengths)
        flatness = np.sqrt(max(1 - alpha**2 - beta**2 - gamma**2 + 2 * alpha * beta * gamma, 1e-12))
        return cls(metric, float(np.prod(lengths)) * flatness, np.sin(angles) / (lengths * flatness))

    def pairing(self, moved: np.ndarray, coords: np.ndarray, mask: np.ndarray) -> float:
        """Return the root of the summed squared distances (angstrom) between paired atoms of two crystals.

        Each atom is paired with the nearest one of its element.

        Args:
            moved: Fractional coordinates of the second crystal, shape (n, 3).
            coords: Fractional coordinates of the first crystal, shape (n, 3).
            mask: ReducedCell (n, n), nonzero where the elements differ.

        Returns:
            The root; infinity if an atom would be paired twice.
        """
        apart = moved[:, None] - coords[None]
        apart -= np.round(apart)
        squares = np.einsum("ijk,kl,ijl->ij", apart, self.metric, apart)
        squares[mask != 0] = np.inf
        partners = squares.argmin(axis=1)
        if len(set(partners.tolist())) < len(partners):
            return np.inf
        return float(np.sqrt(squares[np.arange(len(partners)), partners].sum()))
