"""What StructureMatcher will say of two crystals, told beforehand for most pairs.

StructureMatcher (scaled to one volume) accepts a pair only if (1) some basis of the first lattice has the lengths
and angles of the second one's reduced cell within its tolerances, and (2) in such a basis one translation brings
every atom of the second crystal within a fractional tolerance of an atom of its element in the first one. Before
both, (0) the lengths of the two reduced cells, which are their lattices' successive minima, can differ by no
more than the length tolerance: independent vectors as short as that exist on the other side. A pair that fails one of
these is refused here in micro- to milliseconds.

A pair that passes is sure to be accepted if with such a translation some pairing of all atoms leaves a root of the
summed squares of their distances below the matcher's tolerance: the matcher's own pairing has the smallest sum, taking
its mean displacement off makes this smaller yet, and the largest distance, which it judges by, cannot exceed the root
of the sum. Of the pairs between, StructureMatcher itself is asked. Every comparison here keeps a margin towards
asking it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import spglib
from pymatgen.core import Structure
from pymatgen.util.coord import is_coord_subset_pbc

MARGIN = 1e-6
"""Relative widening of a tolerance before a pair is refused, and narrowing before one is accepted: rounding decides
nothing."""


@dataclass(frozen=True)
class Shape:
    """A crystal as the screen sees it: reduced by the matcher's rules, sites by element, 1 angstrom^3 an atom."""

    structure: Structure

    @classmethod
    def of(cls, structure: Structure) -> "Shape":
        """Reduce a crystal as StructureMatcher does: Niggli cell, then primitive cell."""
        reduced = structure.get_reduced_structure(reduction_algo="niggli").get_primitive_structure()
        return cls(Structure.from_sites(sorted(reduced, key=lambda site: site.specie.Z)))

    @cached_property
    def bucket(self) -> tuple[tuple[int, int], ...]:
        """How many atoms of each element the reduced cell holds; equal crystals agree in it."""
        numbers, counts = np.unique(self.numbers, return_counts=True)
        return tuple(zip(numbers.tolist(), counts.tolist(), strict=True))

    @cached_property
    def numbers(self) -> np.ndarray:
        """Atomic numbers (n_atoms,), ascending."""
        return np.array([site.specie.Z for site in self.structure])

    @cached_property
    def matrix(self) -> np.ndarray:
        """The lattice (3, 3), rows a, b, c, at 1 angstrom^3 an atom."""
        return self.structure.lattice.matrix * (len(self.structure) / self.structure.volume) ** (1 / 3)

    @cached_property
    def coords(self) -> np.ndarray:
        """Fractional coordinates (n_atoms, 3)."""
        return self.structure.frac_coords

    @cached_property
    def minima(self) -> np.ndarray:
        """The lattice's successive minima (3,): the lengths of its Niggli cell, ascending."""
        reduced = spglib.niggli_reduce(self.matrix)
        if reduced is None:  # a nearly flat cell: take bounds that refuse nothing
            return np.array([np.nan] * 3)
        return np.sort(np.linalg.norm(reduced, axis=1))

    @cached_property
    def lengths(self) -> np.ndarray:
        """Lengths (3,) of the reduced cell."""
        return np.linalg.norm(self.matrix, axis=1)

    @cached_property
    def angles(self) -> np.ndarray:
        """Angles (3,) of the reduced cell, degree."""
        return np.array(self.structure.lattice.angles)

    def vectors(self, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the lattice vectors within ``radius``, origin left out: integers (n, 3), Cartesian, lengths."""
        known = self.__dict__.get("_vectors")
        if known is None or known[0] < radius:
            most = np.ceil(1.2 * radius * np.linalg.norm(np.linalg.inv(self.matrix), axis=0)).astype(int)
            axes = [np.arange(-limit, limit + 1) for limit in most]
            integers = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
            cart = integers @ self.matrix
            lengths = np.linalg.norm(cart, axis=1)
            near = (lengths <= 1.2 * radius) & (lengths > 0)
            known = (1.2 * radius, integers[near], cart[near], lengths[near])
            self.__dict__["_vectors"] = known
        return known[1:]


class Screen:
    """The conditions of a match under ``ltol``, ``stol`` (fractions) and ``angle_tol`` (degree)."""

    def __init__(self, ltol: float, stol: float, angle_tol: float) -> None:
        self.ltol, self.stol, self.angle_tol = ltol, stol, angle_tol

    def alike(self, shape: Shape, minima: np.ndarray) -> np.ndarray:
        """Tell which of many lattices, given by their ``minima`` (n, 3), can be that of ``shape``; (n,) of bool."""
        ratio = minima / shape.minima
        widest = (1 + self.ltol) * (1 + MARGIN)
        return ~((ratio > widest) | (ratio < 1 / widest)).any(axis=1)

    def verdict(self, first: Shape, second: Shape) -> bool | None:
        """Tell whether StructureMatcher finds ``second`` in ``first``, None if it has to be asked.

        Both are of one bucket, and alike.
        """
        mask = (second.numbers[:, None] != first.numbers[None, :]).astype(np.int64)
        rarest = int(np.argmax(mask.sum(axis=1)))
        starts = np.flatnonzero(mask[rarest] == 0)
        cart = first.coords @ first.matrix
        found: bool | None = False
        for basis, inside in zip(*self._bases(first, second), strict=True):
            coords = cart @ np.linalg.inv(basis)
            coords -= np.floor(coords)
            average = AverageCell.of(basis, second)
            spacing = (average.volume / len(second.numbers)) ** (1 / 3)
            tolerance = 2 * average.reciprocal * self.stol * spacing * (1 + MARGIN) + MARGIN
            for start in starts:
                moved = second.coords + (coords[start] - second.coords[rarest])
                if is_coord_subset_pbc(moved, coords, tolerance, mask):
                    found = None
                    if inside and average.pairing(moved, coords, mask) < self.stol * spacing * (1 - MARGIN):
                        return True
        return found

    def _bases(self, first: Shape, second: Shape) -> tuple[np.ndarray, np.ndarray]:
        """Return the bases (n, 3, 3) of the first lattice that look like the second one's reduced cell, and which of
        them (n,) do so beyond doubt."""
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
        whole = np.abs(np.abs(np.linalg.det(integers[chosen])) - 1) < 0.5  # the cell, not a multiple of it
        ratio = lengths[chosen] / second.lengths
        inside = off[tuple(triples.T)] <= self.angle_tol * (1 - MARGIN)
        inside &= ((ratio < narrow) & (ratio > 1 / narrow)).all(axis=1)
        return cart[chosen[whole]], inside[whole]


@dataclass(frozen=True)
class AverageCell:
    """The cell halfway between two, in which the matcher measures.

    metric: its metric tensor (3, 3), angstrom^2; volume: angstrom^3; reciprocal: (3,), 1 / distance between the planes
    of each axis.
    """

    metric: np.ndarray
    volume: float
    reciprocal: np.ndarray

    @classmethod
    def of(cls, basis: np.ndarray, second: Shape) -> "AverageCell":
        """Average the lengths and the angles of a basis (3, 3) and of the second crystal's reduced cell."""
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
        """Return the root of the summed squares of the distances (angstrom) between the atoms of two crystals, each
        paired with the nearest one of its element; infinite if that pairs an atom twice.

        moved, coords: fractional coordinates (n, 3) of the second and the first crystal; mask: (n, n), nonzero where
        the elements differ.
        """
        apart = moved[:, None] - coords[None]
        apart -= np.round(apart)
        squares = np.einsum("ijk,kl,ijl->ij", apart, self.metric, apart)
        squares[mask != 0] = np.inf
        partners = squares.argmin(axis=1)
        if len(set(partners.tolist())) < len(partners):
            return np.inf
        return float(np.sqrt(squares[np.arange(len(partners)), partners].sum()))
