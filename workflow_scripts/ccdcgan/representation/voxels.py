"""Crystals -> lattice voxels and sites voxels, exactly, in numpy; ``decoding`` is the way back.

Sites voxel (Long et al., Eq. 2): a cube of edge ``box`` angstrom, ``grid`` voxels along each axis, centres at
(i + 1/2) box/grid - box/2; every atom adds exp(-r^2 / 2 sigma^2), r in angstrom. One voxel per element.
Lattice voxel (Eq. 1): grid point (i, j, k) has fractional coordinates (i, j, k) / grid of the crystal's own
cell; one Gaussian of the real-space distance from (1/2, 1/2, 1/2).
Axes are always x, y, z (or a, b, c).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.structures import compact_positions

MARGIN = 0.5
"""Least distance (angstrom) of an atom from the faces of the sites voxel's box."""
FAINTEST = np.float32(-27.0)
"""Exponent below which a Gaussian along one axis is zero: a product of three smaller ones (1e-36) is no normal
float32, and arithmetic with such numbers is a hundred times slower."""
RESOLVED = 1.75
"""Least distance, in standard deviations of the Gaussians, of two atoms of one element that are told apart."""

LENGTHS, ANGLES = (1.5, 20.0), (20.0, 160.0)
"""Ranges of the cell lengths (angstrom) and angles (degree) that a lattice voxel is believed to hold."""


@dataclass(frozen=True)
class Geometry:
    """What the two voxels of a crystal look like; all that is needed to read them back.

    box: edge of the sites voxel's cube, angstrom; sites_grid, lattice_grid: voxels along each axis;
    sites_sigma, lattice_sigma: standard deviation of the Gaussians, angstrom; corrections: how often, at most, what
    was read from a latent is corrected, see ``corrections``.
    """

    box: float
    sites_grid: int
    sites_sigma: float
    lattice_grid: int
    lattice_sigma: float
    corrections: int = 0

    @property
    def resolution(self) -> float:
        """Least distance of two atoms of one element in the box that are told apart, angstrom."""
        return RESOLVED * self.sites_sigma

    @classmethod
    def from_config(cls, representation: dict) -> "Geometry":
        """Return the geometry of the config's ``representation`` section."""
        sites, lattice = representation["sites"], representation["lattice"]
        return cls(
            float(representation["box"]),
            int(sites["grid"]),
            float(sites["sigma"]),
            int(lattice["grid"]),
            float(lattice["sigma"]),
            int(representation["corrections"]),
        )


# ------------------------------------------------------------------------------------------------ sites
def fits_box(positions: np.ndarray, box: float, margin: float = MARGIN) -> bool:
    """Return whether ``positions`` (n, 3), angstrom from the box's centre, keep ``margin`` from its faces."""
    return bool(np.all(np.abs(positions) <= box / 2 - margin))


def voxel_centres(grid: int, box: float) -> np.ndarray:
    """Return the coordinates (grid,) of the sites voxel's centres along one axis, angstrom."""
    return (np.arange(grid) + 0.5) * (box / grid) - box / 2


def sites_voxel(positions: np.ndarray, grid: int, box: float, sigma: float) -> np.ndarray:
    """Return the sites voxel (grid, grid, grid), float32, of ``positions`` (n, 3), angstrom from the centre.

    In a cube exp(-r^2) is a product of three 1D Gaussians, so nothing is cut off and no loop is needed
    (Long et al., Eq. 2). No positions give zeros. Raises ValueError if an atom lies outside the box.
    """
    positions = np.asarray(positions, dtype=float).reshape(-1, 3)
    if not fits_box(positions, box, margin=0.0):
        raise ValueError(f"an atom lies outside the {box} angstrom box of the sites voxel")
    return _outer_sum(_axis_gaussians(positions, grid, box, sigma))


def _axis_gaussians(positions: np.ndarray, grid: int, box: float, sigma: float) -> np.ndarray:
    """Return exp(-x^2 / 2 sigma^2) along each axis, (n, 3, grid), float32, of positions (n, 3)."""
    offsets = positions[:, :, None] - voxel_centres(grid, box)
    exponents = (-(offsets**2) / (2 * sigma**2)).astype(np.float32)
    return np.where(exponents > FAINTEST, np.exp(np.maximum(exponents, FAINTEST)), np.float32(0))


def _outer_sum(gaussians: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the sum over atoms of the product of their three Gaussians, (grid, grid, grid), in ``out`` if given."""
    n, _, grid = gaussians.shape
    out = np.zeros((grid, grid, grid), np.float32) if out is None else out
    if n:
        plane = (gaussians[:, 0, :, None] * gaussians[:, 1, None, :]).reshape(n, -1)
        np.matmul(plane.T, gaussians[:, 2], out=out.reshape(grid * grid, grid))
    return out


# ---------------------------------------------------------------------------------------------- lattice
@lru_cache(maxsize=8)
def metric_design(grid: int) -> np.ndarray:
    """Return the matrix (grid^3, 6) that takes (G11, G22, G33, G23, G13, G12) to r^2 at every grid point."""
    axis = np.arange(grid) / grid - 0.5
    x, y, z = (part.ravel() for part in np.meshgrid(axis, axis, axis, indexing="ij"))
    design = np.stack([x * x, y * y, z * z, 2 * y * z, 2 * x * z, 2 * x * y], axis=1)
    design.setflags(write=False)
    return design


def metric_entries(matrix: np.ndarray) -> np.ndarray:
    """Return the six entries (..., 6) of the metric tensors of lattice matrices (..., 3, 3; rows a, b, c)."""
    metric = matrix @ np.swapaxes(matrix, -1, -2)
    rows, columns = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
    return metric[..., rows, columns]


def lattice_voxel(matrix: np.ndarray, grid: int, sigma: float) -> np.ndarray:
    """Return the lattice voxels (..., grid, grid, grid), float32, of lattice matrices (..., 3, 3; rows a, b, c)."""
    entries = metric_entries(np.asarray(matrix, dtype=float)) / (-2 * sigma**2)
    exponents = entries.astype(np.float32) @ float_design(grid)
    return np.exp(np.maximum(exponents, 3 * FAINTEST), out=exponents).reshape(*exponents.shape[:-1], grid, grid, grid)


@lru_cache(maxsize=8)
def float_design(grid: int) -> np.ndarray:
    """Return the transpose (6, grid^3) of :func:`metric_design` as float32."""
    return np.ascontiguousarray(metric_design(grid).T, np.float32)


# ---------------------------------------------------------------------------------------------- crystal
def refusal(structure: Structure, geometry: Geometry, positions: np.ndarray | None = None) -> str:
    """Return why voxels of this ``geometry`` cannot hold a crystal in its standard cell; "" if they can.

    ``outside_box``: its atoms, gathered compactly, do not fit the box; ``cell_out_of_range``: a length or an angle
    outside :data:`LENGTHS` and :data:`ANGLES`; ``unresolved``: two atoms of one element are closer than the
    geometry's resolution. positions: those of ``structures.compact_positions``, if known.
    """
    positions = compact_positions(structure) if positions is None else positions
    if not fits_box(positions, geometry.box):
        return "outside_box"
    lengths, angles = structure.lattice.abc, structure.lattice.angles
    if min(lengths) < LENGTHS[0] or max(lengths) > LENGTHS[1] or min(angles) < ANGLES[0] or max(angles) > ANGLES[1]:
        return "cell_out_of_range"
    numbers = np.array([site.specie.Z for site in structure])
    apart = ((positions[:, None] - positions[None]) ** 2).sum(-1)
    same = (numbers[:, None] == numbers[None]) & ~np.eye(len(numbers), dtype=bool)
    return "unresolved" if np.any(apart[same] < geometry.resolution**2) else ""


def encode_batch(
    structures: Sequence[Structure], elements: Sequence[str], geometry: Geometry
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the lattice voxels (n, ...) and sites voxels (n, n_elements, ...) of those crystals that have any.

    structures: in their standard cell (``structures.standard_cell``). Both arrays are float32 and hold the n
    crystals, in order, whose entry in the returned list of refusals, one for each of ``structures``, is "".
    """
    gathered = [compact_positions(structure) for structure in structures]
    refusals = [
        refusal(structure, geometry, positions) for structure, positions in zip(structures, gathered, strict=True)
    ]
    kept = [index for index, reason in enumerate(refusals) if not reason]
    grid = geometry.sites_grid
    sites = np.zeros((len(kept), len(elements), grid, grid, grid), np.float32)
    if not kept:
        return np.zeros((0, *3 * (geometry.lattice_grid,)), np.float32), sites, refusals
    gaussians = _axis_gaussians(
        np.concatenate([gathered[index] for index in kept]), grid, geometry.box, geometry.sites_sigma
    )
    start = 0
    for voxels, index in zip(sites, kept, strict=True):
        species = np.array([site.specie.symbol for site in structures[index]])
        own = gaussians[start : start + len(species)]
        start += len(species)
        for voxel, element in zip(voxels, elements, strict=True):
            _outer_sum(own[species == element], out=voxel)
    matrices = np.array([structures[index].lattice.matrix for index in kept])
    return lattice_voxel(matrices, geometry.lattice_grid, geometry.lattice_sigma), sites, refusals


def encode_crystal(
    structure: Structure, elements: Sequence[str], geometry: Geometry
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the lattice voxel and the sites voxels (n_elements, ...) of a crystal; None if it is refused."""
    lattices, sites, refusals = encode_batch([structure], elements, geometry)
    return None if refusals[0] else (lattices[0], sites[0])
