"""Encoding of crystals as lattice voxels and sites voxels (numpy); ``voxel_decoding`` is the inverse.

Sites voxel (Long et al., Eq. 2): a cube of edge ``box`` angstrom with ``grid`` voxels along each axis, with centres at
(i + 1/2) box/grid - box/2. Every atom adds exp(-r^2 / 2 sigma^2), r in angstrom. Each element has its own sites voxel.
Lattice voxel (Eq. 1): grid point (i, j, k) has the fractional coordinates (i, j, k) / grid of the cell of the crystal.
Its value is a Gaussian of the real-space distance from (1/2, 1/2, 1/2).
The order of the axes is x, y, z for sites voxels and a, b, c for lattice voxels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.structures import compact_positions

MARGIN = 0.5
"""Minimum distance (angstrom) of an atom from the faces of the box of the sites voxel."""
FAINTEST = np.float32(-27.0)
"""Exponent below which a Gaussian along one axis is set to zero.

The product of three smaller values (below 1e-36) can be a subnormal float32, and arithmetic with subnormal numbers is a
hundred times slower.
"""
RESOLVED = 1.75
"""Minimum distance of two atoms of one element that are resolved, in standard deviations of the Gaussians."""
TOGETHER = 16
"""Number of sites voxels that are drawn together."""
LENGTHS, ANGLES = (1.5, 20.0), (20.0, 160.0)
"""Accepted ranges of the cell lengths (angstrom) and angles (degree) of a lattice voxel."""


@dataclass(frozen=True)
class Geometry:
    """Parameters of the lattice voxel and the sites voxels, sufficient to encode and to decode crystals.

    Attributes:
        box: Edge of the box of the sites voxel, angstrom.
        sites_grid: Number of sites voxels along each axis.
        sites_sigma: Standard deviation of the Gaussians of the sites voxel, angstrom.
        lattice_grid: Number of lattice voxels along each axis.
        lattice_sigma: Standard deviation of the Gaussian of the lattice voxel, angstrom.
        corrections: Maximum number of refinement steps when decoding a latent (see ``latent_decoding``).
    """

    box: float
    sites_grid: int
    sites_sigma: float
    lattice_grid: int
    lattice_sigma: float
    corrections: int = 0

    @property
    def resolution(self) -> float:
        """Minimum distance of two atoms of one element that are resolved in the box, angstrom."""
        return RESOLVED * self.sites_sigma

    @classmethod
    def from_config(cls, representation: dict) -> "Geometry":
        """Return the geometry for the section ``representation`` of the configuration."""
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
    """Return whether all atoms are inside the box, at least ``margin`` from its faces.

    Args:
        positions: Shape (n, 3), angstrom from the centre of the box.
        box: Edge of the box, angstrom.
        margin: Minimum distance from the faces, angstrom.
    """
    return bool(np.all(np.abs(positions) <= box / 2 - margin))


def voxel_centres(grid: int, box: float) -> np.ndarray:
    """Return the coordinates of the voxel centres along one axis, shape (grid,), angstrom from the centre of the box.

    Args:
        grid: Number of voxels along each axis.
        box: Edge of the box, angstrom.
    """
    return (np.arange(grid) + 0.5) * (box / grid) - box / 2


def sites_voxel(positions: np.ndarray, grid: int, box: float, sigma: float) -> np.ndarray:
    """Return the sites voxel of the atoms of one element (Long et al., Eq. 2).

    On a cubic grid exp(-r^2 / 2 sigma^2) is a product of three 1D Gaussians. The sum over atoms is therefore computed
    without a cutoff radius and without a loop.

    Args:
        positions: Shape (n, 3), angstrom from the centre of the box; n may be zero.
        grid: Number of voxels along each axis.
        box: Edge of the box, angstrom.
        sigma: Standard deviation of the Gaussians, angstrom.

    Returns:
        Shape (grid, grid, grid), float32.

    Raises:
        ValueError: An atom is outside the box.
    """
    positions = np.asarray(positions, dtype=float).reshape(-1, 3)
    if not fits_box(positions, box, margin=0.0):
        raise ValueError(f"an atom lies outside the {box} angstrom box of the sites voxel")
    return _outer_sum(_axis_gaussians(positions, grid, box, sigma))


def sites_voxels(positions: Sequence[np.ndarray], grid: int, box: float, sigma: float) -> np.ndarray:
    """Return many sites voxels as :func:`sites_voxel` does, shape (n, grid, grid, grid), float32.

    Atoms outside the box are moved to its faces.

    Args:
        positions: Positions of the atoms of each voxel, shape (n_atoms, 3), angstrom from the centre of the box.
        grid: Number of voxels along each axis.
        box: Edge of the box, angstrom.
        sigma: Standard deviation of the Gaussians, angstrom.
    """
    voxels = np.zeros((len(positions), grid, grid, grid), np.float32)
    counts = np.array([len(atoms) for atoms in positions], dtype=int)
    if not counts.sum():
        return voxels
    atoms = np.concatenate([np.asarray(part, dtype=float).reshape(-1, 3) for part in positions])
    gaussians = _axis_gaussians(np.clip(atoms, -box / 2, box / 2), grid, box, sigma)
    first = np.cumsum(counts) - counts
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        for part in (rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER)):
            own = gaussians[first[part, None] + np.arange(count)]
            plane = (own[:, :, 0, :, None] * own[:, :, 1, None, :]).reshape(len(part), count, -1)
            voxels[part] = np.matmul(plane.transpose(0, 2, 1), own[:, :, 2]).reshape(-1, grid, grid, grid)
    return voxels


def _axis_gaussians(positions: np.ndarray, grid: int, box: float, sigma: float) -> np.ndarray:
    """Return exp(-x^2 / 2 sigma^2) along each axis for positions (n, 3), shape (n, 3, grid), float32."""
    offsets = positions[:, :, None] - voxel_centres(grid, box)
    exponents = (-(offsets**2) / (2 * sigma**2)).astype(np.float32)
    return np.where(exponents > FAINTEST, np.exp(np.maximum(exponents, FAINTEST)), np.float32(0))


def _outer_sum(gaussians: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the sum over atoms of the product of three Gaussians, shape (grid, grid, grid), in ``out`` if given."""
    n, _, grid = gaussians.shape
    out = np.zeros((grid, grid, grid), np.float32) if out is None else out
    if n:
        plane = (gaussians[:, 0, :, None] * gaussians[:, 1, None, :]).reshape(n, -1)
        np.matmul(plane.T, gaussians[:, 2], out=out.reshape(grid * grid, grid))
    return out


# ---------------------------------------------------------------------------------------------- lattice
@lru_cache(maxsize=8)
def metric_design(grid: int) -> np.ndarray:
    """Return the matrix (grid^3, 6) that maps (G11, G22, G33, G23, G13, G12) to r^2 at every grid point."""
    axis = np.arange(grid) / grid - 0.5
    x, y, z = (part.ravel() for part in np.meshgrid(axis, axis, axis, indexing="ij"))
    design = np.stack([x * x, y * y, z * z, 2 * y * z, 2 * x * z, 2 * x * y], axis=1)
    design.setflags(write=False)
    return design


def metric_entries(matrix: np.ndarray) -> np.ndarray:
    """Return the six independent entries of metric tensors, shape (..., 6), angstrom^2.

    Args:
        matrix: Lattice matrices, shape (..., 3, 3), rows a, b, c, angstrom.
    """
    metric = matrix @ np.swapaxes(matrix, -1, -2)
    rows, columns = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
    return metric[..., rows, columns]


def lattice_voxel(matrix: np.ndarray, grid: int, sigma: float) -> np.ndarray:
    """Return the lattice voxels of lattice matrices (Long et al., Eq. 1).

    Args:
        matrix: Lattice matrices, shape (..., 3, 3), rows a, b, c, angstrom.
        grid: Number of voxels along each axis.
        sigma: Standard deviation of the Gaussian, angstrom.

    Returns:
        Shape (..., grid, grid, grid), float32.
    """
    entries = metric_entries(np.asarray(matrix, dtype=float)) / (-2 * sigma**2)
    exponents = entries.astype(np.float32) @ float_design(grid)
    return np.exp(np.maximum(exponents, 3 * FAINTEST), out=exponents).reshape(*exponents.shape[:-1], grid, grid, grid)


@lru_cache(maxsize=8)
def float_design(grid: int) -> np.ndarray:
    """Return the transpose of :func:`metric_design`, shape (6, grid^3), float32."""
    return np.ascontiguousarray(metric_design(grid).T, np.float32)


# ---------------------------------------------------------------------------------------------- crystal
def refusal(structure: Structure, geometry: Geometry, positions: np.ndarray | None = None) -> str:
    """Return the reason why a crystal is outside the voxel limits; "" if it is not.

    Args:
        structure: Crystal in its standard cell.
        geometry: Parameters of the voxels.
        positions: Positions from ``structures.compact_positions``, shape (n_atoms, 3), angstrom; None: compute them.

    Returns:
        ``outside_box``: the compact basis does not fit the box. ``cell_out_of_range``: a length or an angle is outside
        :data:`LENGTHS` or :data:`ANGLES`. ``unresolved``: two atoms of one element are closer than the resolution of
        the geometry.
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
    """Return the lattice voxels and sites voxels of all crystals within the voxel limits.

    Args:
        structures: Crystals in their standard cell (``structures.standard_cell``).
        elements: Elements of the sites voxels, in order.
        geometry: Parameters of the voxels.

    Returns:
        Three items. First the lattice voxels, shape (n, lattice_grid, lattice_grid, lattice_grid), and second the sites
        voxels, shape (n, n_elements, sites_grid, sites_grid, sites_grid), both float32, of the n crystals within the
        limits, in order. Third the reason from :func:`refusal` for each of ``structures``.
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
    """Return the lattice voxel and the sites voxels of one crystal; None if it is outside the voxel limits.

    Args:
        structure: Crystal in its standard cell.
        elements: Elements of the sites voxels, in order.
        geometry: Parameters of the voxels.

    Returns:
        Lattice voxel, shape (lattice_grid, lattice_grid, lattice_grid), and sites voxels, shape (n_elements,
        sites_grid, sites_grid, sites_grid), float32.
    """
    lattices, sites, refusals = encode_batch([structure], elements, geometry)
    return None if refusals[0] else (lattices[0], sites[0])
