"""Point sets and lattices for training: voxels are made inside the training step, never stored.

A sites voxel is a set of blobs whatever the element, so the sites autoencoder learns from the atoms of one
element of any crystal. A source draws a batch from (seed, step) alone: which point sets, which of the cube's
48 symmetries, how strained. It runs inside a ``tf.function``; there is no Python in the loop.
"""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import tensorflow as tf
from pymatgen.core import Structure

from ccdcgan.crystals.structures import compact_positions
from ccdcgan.representation.voxel_decoding import decode_lattice, decode_sites, largest_displacement
from ccdcgan.representation.voxels import MARGIN, fits_box, metric_design, voxel_centres
from ccdcgan.training.devices import replica_slice

SAME_PLACE = 0.5
"""Largest distance (angstrom) of an atom from its own place at which a sites voxel counts as rebuilt."""
SAME_CELL = (0.2, 2.0)
"""Largest error of a length (angstrom) and an angle (degree) at which a lattice voxel counts as rebuilt."""


def cube_symmetries() -> np.ndarray:
    """Return the 48 signed permutation matrices (48, 3, 3) that map a cube on itself."""
    matrices = []
    for permutation in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrices.append(np.eye(3)[list(permutation)] * np.array(signs)[:, None])
    return np.array(matrices, dtype=np.float32)


@dataclass(frozen=True)
class PointSets:
    """The atoms of one element of each of n crystals, and all others of the same crystal.

    points: (n, max_atoms, 3), float32, angstrom from the crystal's centroid, compactly gathered and padded; mask:
    (n, max_atoms), 1 where the atom is of the element; present: the same for all atoms; owner: (n,), the index
    of the crystal.
    """

    points: np.ndarray
    mask: np.ndarray
    present: np.ndarray
    owner: np.ndarray


def one_element_sets(
    structures: Sequence[Structure], box: float, max_atoms: int = 20, min_distance: float = 1.5
) -> "PointSets":
    """Return the atoms of each element of each crystal as point sets.

    structures: crystals in their standard cell. Crystals that do not fit the box or have more than ``max_atoms``
    atoms are left out, and so are elements with two atoms closer than ``min_distance`` angstrom.
    """
    points, masks, present, owners = [], [], [], []
    for owner, structure in enumerate(structures):
        positions = compact_positions(structure)
        n_atoms = len(positions)
        if not fits_box(positions, box, MARGIN) or n_atoms > max_atoms:
            continue
        species = np.array([site.specie.symbol for site in structure])
        for element in sorted(set(species)):
            own = species == element
            apart = np.linalg.norm(positions[own][:, None] - positions[own][None], axis=-1)
            if np.min(apart + 1e3 * np.eye(len(apart))) < min_distance:
                continue
            points.append(np.pad(positions, ((0, max_atoms - n_atoms), (0, 0))))
            masks.append(np.pad(own, (0, max_atoms - n_atoms)))
            present.append(np.arange(max_atoms) < n_atoms)
            owners.append(owner)
    return PointSets(
        np.array(points, dtype=np.float32).reshape(-1, max_atoms, 3),
        np.array(masks, dtype=np.float32).reshape(-1, max_atoms),
        np.array(present, dtype=np.float32).reshape(-1, max_atoms),
        np.array(owners, dtype=int),
    )


@dataclass(frozen=True)
class Augmentation:
    """How training samples are varied; all standard deviations of normal distributions.

    scale: of the logarithm of the isotropic strain; strain: of every entry of the strain tensor;
    displacement: of every coordinate, angstrom. subsets: share of the sites voxels drawn that hold a random subset
    of all atoms of a crystal and not those of one element: as many shapes as one likes, in real cells. crowded:
    a point set is drawn with a probability proportional to its number of atoms to this power. Zeros and
    ``symmetries`` False leave the data as they are.
    """

    scale: float = 0.06
    strain: float = 0.03
    displacement: float = 0.05
    symmetries: bool = True
    subsets: float = 0.0
    crowded: float = 0.0


NO_AUGMENTATION = Augmentation(0.0, 0.0, 0.0, False)


class SitesSource:
    """Draws sites voxels (batch, grid, grid, grid, 1) from point sets; see the module's text."""

    def __init__(
        self,
        sets: PointSets,
        grid: int,
        box: float,
        sigma: float,
        augmentation: Augmentation = NO_AUGMENTATION,
    ) -> None:
        self.size = len(sets.points)
        self.grid, self.augmentation, self._box, self._sigma = grid, augmentation, box, sigma
        self.identity = _digest(sets.points, sets.mask, sets.present, [grid, box, sigma, asdict(augmentation)])
        self._points, self._mask = tf.constant(sets.points, tf.float32), tf.constant(sets.mask, tf.float32)
        self._present = tf.constant(sets.present, tf.float32)
        n_atoms = np.maximum(sets.mask.sum(axis=1), 1)
        self._logits = tf.constant(augmentation.crowded * np.log(n_atoms)[None], tf.float32)
        self._centres = tf.constant(voxel_centres(grid, box), tf.float32)
        self._width, self._limit = 2 * sigma**2, box / 2
        self._symmetries = tf.constant(cube_symmetries())

    def voxels(self, points: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Return the sites voxels of points (batch, n, 3) with mask (batch, n)."""
        gaussians = tf.exp(-((points[..., None] - self._centres) ** 2) / self._width)
        plane = tf.einsum("bni,bnj->bijn", gaussians[:, :, 0], gaussians[:, :, 1] * mask[:, :, None])
        return tf.einsum("bijn,bnk->bijk", plane, gaussians[:, :, 2])[..., None]

    def draw(self, seed: int, step: tf.Tensor, batch: int) -> tf.Tensor:
        """Return this replica's share of the batch of ``step``: random point sets, each randomly turned, strained and
        displaced."""
        seeds = _split(seed, step, 8)
        vary = self.augmentation
        chosen = tf.random.stateless_categorical(self._logits, batch, seeds[0])[0]
        points, mask = tf.gather(self._points, chosen), tf.gather(self._mask, chosen)
        if vary.subsets:
            present = tf.gather(self._present, chosen)
            share = tf.random.stateless_uniform([batch, 1], seeds[5], minval=0.1, maxval=1.1)
            some = present * tf.cast(tf.random.stateless_uniform(tf.shape(mask), seeds[6]) < share, tf.float32)
            mask = tf.where(tf.random.stateless_uniform([batch, 1], seeds[7]) < vary.subsets, some, mask)
        strain = _strain(seeds[1], seeds[2], batch, vary)
        if vary.symmetries:
            which = tf.random.stateless_uniform([batch], seeds[3], maxval=48, dtype=tf.int32)
            strain = strain @ tf.gather(self._symmetries, which)
        strained = points @ strain
        strained += vary.displacement * tf.random.stateless_normal(tf.shape(points), seeds[4])
        # a strain that would push an atom out of the box is not applied
        fits = tf.reduce_all(tf.abs(strained) <= self._limit, axis=[1, 2], keepdims=True)
        return self.voxels(replica_slice(tf.where(fits, strained, points)), replica_slice(mask))

    def fixed(self, chosen: np.ndarray) -> tf.Tensor:
        """Return the voxels of the point sets with these indices, as they are."""
        return self.voxels(tf.gather(self._points, chosen), tf.gather(self._mask, chosen))

    def rebuilt(self, true: np.ndarray, output: np.ndarray) -> np.ndarray:
        """Return which voxels (n, grid, grid, grid) hold the same atoms, each within :data:`SAME_PLACE`; (n,) bool."""

        def positions(voxel: np.ndarray) -> np.ndarray:
            return decode_sites(voxel, self._box, self._sigma)

        return np.array(
            [
                largest_displacement(positions(one), positions(other)) <= SAME_PLACE
                for one, other in zip(true, output, strict=True)
            ]
        )


class LatticeSource:
    """Draws lattice voxels (batch, grid, grid, grid, 1) from lattices: strained, or mixed of two and
    strained.

    Lattices cost nothing to invent: half of the drawn ones have a metric tensor between two of the data's.
    """

    def __init__(
        self, matrices: np.ndarray, grid: int, sigma: float, augmentation: Augmentation = NO_AUGMENTATION
    ) -> None:
        self.size = len(matrices)
        self.grid, self.augmentation, self._sigma = grid, augmentation, sigma
        self.identity = _digest(matrices, [grid, sigma, asdict(augmentation)])
        self._matrices = tf.constant(matrices, tf.float32)
        self._design = tf.constant(metric_design(grid).T, tf.float32)
        self._width = 2 * sigma**2

    def voxels(self, metrics: tf.Tensor) -> tf.Tensor:
        """Return the lattice voxels of metric tensors (batch, 6), ordered as ``voxels.metric_entries``."""
        voxels = tf.exp(-(metrics @ self._design) / self._width)
        return tf.reshape(voxels, [-1, self.grid, self.grid, self.grid, 1])

    def draw(self, seed: int, step: tf.Tensor, batch: int) -> tf.Tensor:
        """Return this replica's share of the batch of ``step``."""
        seeds = _split(seed, step, 5)
        vary = self.augmentation
        chosen = tf.random.stateless_uniform([2, batch], seeds[0], maxval=self.size, dtype=tf.int32)
        strain = _strain(seeds[1], seeds[2], batch, vary)
        metrics = [_metric_entries(tf.gather(self._matrices, chosen[k]) @ strain) for k in (0, 1)]
        if vary == NO_AUGMENTATION:
            return self.voxels(replica_slice(metrics[0]))
        share = tf.maximum(tf.random.stateless_uniform([batch, 1], seeds[3], minval=-1.0, maxval=1.0), 0.0)
        return self.voxels(replica_slice((1 - share) * metrics[0] + share * metrics[1]))

    def fixed(self, chosen: np.ndarray) -> tf.Tensor:
        """Return the voxels of the lattices with these indices, as they are."""
        return self.voxels(_metric_entries(tf.gather(self._matrices, chosen)))

    def rebuilt(self, true: np.ndarray, output: np.ndarray) -> np.ndarray:
        """Return which voxels (n, grid, grid, grid) hold the same cell, within :data:`SAME_CELL`; (n,) of bool."""
        same = np.zeros(len(true), dtype=bool)
        for index, pair in enumerate(zip(true, output, strict=True)):
            cells = [decode_lattice(voxel, self._sigma) for voxel in pair]
            if None not in cells:
                apart = np.abs(np.subtract(cells[0].parameters, cells[1].parameters))
                same[index] = apart[:3].max() <= SAME_CELL[0] and apart[3:].max() <= SAME_CELL[1]
        return same


def _digest(*parts: np.ndarray | list) -> str:
    """Return a fingerprint of the data and the settings a source draws from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return digest.hexdigest()


def _metric_entries(matrices: tf.Tensor) -> tf.Tensor:
    """Return the six entries (batch, 6) as ``voxels.metric_entries`` does."""
    metric = matrices @ tf.linalg.matrix_transpose(matrices)
    return tf.gather(tf.reshape(metric, [-1, 9]), [0, 4, 8, 5, 2, 1], axis=1)


def _split(seed: int, step: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Return ``count`` independent seeds for stateless random numbers, a function of (seed, step) alone."""
    root = tf.stack([tf.constant(seed, tf.int32), tf.cast(step, tf.int32)])
    return tf.unstack(tf.random.split(root, count), num=count)


def _strain(seed_scale: tf.Tensor, seed_strain: tf.Tensor, batch: int, vary: Augmentation) -> tf.Tensor:
    """Return random deformations (batch, 3, 3) for row vectors."""
    scale = tf.exp(vary.scale * tf.random.stateless_normal([batch, 1, 1], seed_scale))
    shear = vary.strain * tf.random.stateless_normal([batch, 3, 3], seed_strain)
    return scale * (tf.eye(3) + shear)
