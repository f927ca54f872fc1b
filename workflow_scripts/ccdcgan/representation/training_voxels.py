"""Sources of training voxels: point sets and lattices, converted to voxels inside the training step.

A sites voxel does not depend on the element. The sites autoencoder is therefore trained on the atoms of one element of
any crystal. A source samples a batch as a function of (seed, step) only: the point sets, one of the 48 symmetries of
the cube, and the strain. Sampling runs inside a ``tf.function``, and voxels are not stored.
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
"""Maximum displacement (angstrom) of an atom for a sites voxel to count as reconstructed."""
SAME_CELL = (0.2, 2.0)
"""Maximum error of a length (angstrom) and an angle (degree) for a lattice voxel to count as reconstructed."""


def cube_symmetries() -> np.ndarray:
    """Return the 48 signed permutation matrices that map a cube onto itself, shape (48, 3, 3), float32."""
    matrices = []
    for permutation in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrices.append(np.eye(3)[list(permutation)] * np.array(signs)[:, None])
    return np.array(matrices, dtype=np.float32)


@dataclass(frozen=True)
class PointSets:
    """Point sets: the atoms of one element of a crystal, stored with all atoms of that crystal.

    Attributes:
        points: Positions of all atoms of the crystal, compact and padded with zeros, shape (n, max_atoms, 3), float32,
            angstrom from the centroid.
        mask: 1 for atoms of the element, otherwise 0, shape (n, max_atoms), float32.
        present: 1 for all atoms of the crystal, 0 for padding, shape (n, max_atoms), float32.
        owner: Index of the crystal, shape (n,).
    """

    points: np.ndarray
    mask: np.ndarray
    present: np.ndarray
    owner: np.ndarray


def one_element_sets(
    structures: Sequence[Structure], box: float, max_atoms: int = 20, min_distance: float = 1.5
) -> "PointSets":
    """Return the atoms of each element of each crystal as point sets.

    Crystals that do not fit the box or have more than ``max_atoms`` atoms are excluded, as are elements with two atoms
    closer than ``min_distance``.

    Args:
        structures: Crystals in their standard cell.
        box: Edge of the box, angstrom.
        max_atoms: Maximum number of atoms of a crystal.
        min_distance: Minimum distance of two atoms of one element, angstrom.
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
    """Random variation of training samples. Zeros and ``symmetries`` False leave the data unchanged.

    Attributes:
        scale: Standard deviation of the logarithm of the isotropic scale factor.
        strain: Standard deviation of every entry of the strain tensor.
        displacement: Standard deviation of every coordinate, angstrom.
        symmetries: Whether a random symmetry of the cube is applied to each sample.
        subsets: Fraction of the sites voxels that contain a random subset of all atoms of a crystal instead of the
            atoms of one element. This increases the variety of shapes.
        crowded: Exponent of the sampling weight of a point set, (number of atoms) ** crowded.
    """

    scale: float = 0.06
    strain: float = 0.03
    displacement: float = 0.05
    symmetries: bool = True
    subsets: float = 0.0
    crowded: float = 0.0


NO_AUGMENTATION = Augmentation(0.0, 0.0, 0.0, False)


class SitesSource:
    """Source of sites voxels, shape (batch, grid, grid, grid, 1), sampled from point sets.

    Args:
        sets: Point sets.
        grid: Number of voxels along each axis.
        box: Edge of the box, angstrom.
        sigma: Standard deviation of the Gaussians, angstrom.
        augmentation: Random variation of the samples.

    Attributes:
        size: Number of point sets.
        grid: Number of voxels along each axis.
        augmentation: Random variation of the samples.
        identity: Fingerprint of data and settings.
    """

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
        """Return the sites voxels of point sets, shape (batch, grid, grid, grid, 1).

        Args:
            points: Positions, shape (batch, n, 3), angstrom from the centre of the box.
            mask: Weight of each atom, shape (batch, n).
        """
        gaussians = tf.exp(-((points[..., None] - self._centres) ** 2) / self._width)
        plane = tf.einsum("bni,bnj->bijn", gaussians[:, :, 0], gaussians[:, :, 1] * mask[:, :, None])
        return tf.einsum("bijn,bnk->bijk", plane, gaussians[:, :, 2])[..., None]

    def draw(self, seed: int, step: tf.Tensor, batch: int) -> tf.Tensor:
        """Return the part of the batch that belongs to this replica: random point sets with random variation.

        Args:
            seed: Seed of the training.
            step: Number of the step, a scalar.
            batch: Size of the whole batch.
        """
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
        # a sample with an atom outside the box is used without variation
        fits = tf.reduce_all(tf.abs(strained) <= self._limit, axis=[1, 2], keepdims=True)
        return self.voxels(replica_slice(tf.where(fits, strained, points)), replica_slice(mask))

    def fixed(self, chosen: np.ndarray) -> tf.Tensor:
        """Return the voxels of the point sets with the indices ``chosen``, without variation."""
        return self.voxels(tf.gather(self._points, chosen), tf.gather(self._mask, chosen))

    def rebuilt(self, true: np.ndarray, output: np.ndarray) -> np.ndarray:
        """Return which voxels are reconstructed, i.e. decode to the same atoms within :data:`SAME_PLACE`.

        Args:
            true: Input voxels, shape (n, grid, grid, grid).
            output: Voxels from the autoencoder, same shape.

        Returns:
            Shape (n,), bool.
        """

        same = np.zeros(len(true), dtype=bool)
        for index, (one, other) in enumerate(zip(true, output, strict=True)):
            atoms = decode_sites(one, self._box, self._sigma)
            # one atom more than needed is wrong already, and dozens of atoms in a poor output take long to fit
            found = decode_sites(other, self._box, self._sigma, most=len(atoms) + 1)
            same[index] = largest_displacement(atoms, found) <= SAME_PLACE
        return same


class LatticeSource:
    """Source of lattice voxels, shape (batch, grid, grid, grid, 1), sampled from lattices.

    All samples are strained at random. The metric tensor of half of them is interpolated between two lattices.

    Args:
        matrices: Lattice matrices, shape (n, 3, 3), rows a, b, c, angstrom.
        grid: Number of voxels along each axis.
        sigma: Standard deviation of the Gaussian, angstrom.
        augmentation: Random variation of the samples.

    Attributes:
        size: Number of lattices.
        grid: Number of voxels along each axis.
        augmentation: Random variation of the samples.
        identity: Fingerprint of data and settings.
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
        """Return the lattice voxels of metric tensors, shape (batch, grid, grid, grid, 1).

        Args:
            metrics: Entries in the order of ``voxels.metric_entries``, shape (batch, 6), angstrom^2.
        """
        voxels = tf.exp(-(metrics @ self._design) / self._width)
        return tf.reshape(voxels, [-1, self.grid, self.grid, self.grid, 1])

    def draw(self, seed: int, step: tf.Tensor, batch: int) -> tf.Tensor:
        """Return the part of the batch that belongs to this replica.

        Args:
            seed: Seed of the training.
            step: Number of the step, a scalar.
            batch: Size of the whole batch.
        """
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
        """Return the voxels of the lattices with the indices ``chosen``, without variation."""
        return self.voxels(_metric_entries(tf.gather(self._matrices, chosen)))

    def rebuilt(self, true: np.ndarray, output: np.ndarray) -> np.ndarray:
        """Return which voxels are reconstructed, i.e. decode to the same cell within :data:`SAME_CELL`.

        Args:
            true: Input voxels, shape (n, grid, grid, grid).
            output: Voxels from the autoencoder, same shape.

        Returns:
            Shape (n,), bool.
        """
        same = np.zeros(len(true), dtype=bool)
        for index, pair in enumerate(zip(true, output, strict=True)):
            cells = [decode_lattice(voxel, self._sigma) for voxel in pair]
            if None not in cells:
                apart = np.abs(np.subtract(cells[0].parameters, cells[1].parameters))
                same[index] = apart[:3].max() <= SAME_CELL[0] and apart[3:].max() <= SAME_CELL[1]
        return same


def _digest(*parts: np.ndarray | list) -> str:
    """Return a fingerprint of the data and the settings of a source."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return digest.hexdigest()


def _metric_entries(matrices: tf.Tensor) -> tf.Tensor:
    """Return the entries of metric tensors as in ``voxels.metric_entries``, shape (batch, 6), angstrom^2."""
    metric = matrices @ tf.linalg.matrix_transpose(matrices)
    return tf.gather(tf.reshape(metric, [-1, 9]), [0, 4, 8, 5, 2, 1], axis=1)


def _split(seed: int, step: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Return ``count`` independent seeds for stateless random numbers, determined by (seed, step) only."""
    root = tf.stack([tf.constant(seed, tf.int32), tf.cast(step, tf.int32)])
    return tf.unstack(tf.random.split(root, count), num=count)


def _strain(seed_scale: tf.Tensor, seed_strain: tf.Tensor, batch: int, vary: Augmentation) -> tf.Tensor:
    """Return random deformation matrices for row vectors, shape (batch, 3, 3)."""
    scale = tf.exp(vary.scale * tf.random.stateless_normal([batch, 1, 1], seed_scale))
    shear = vary.strain * tf.random.stateless_normal([batch, 3, 3], seed_strain)
    return scale * (tf.eye(3) + shear)
