"""Crystal <-> lattice voxel and sites voxels, exactly, in numpy.

Sites voxel (Long et al., Eq. 2): a cube of edge ``box`` angstrom, ``grid`` voxels along each axis, centres at
(i + 1/2) box/grid - box/2; every atom adds exp(-r^2 / 2 sigma^2), r in angstrom. One voxel per element.
Lattice voxel (Eq. 1): grid point (i, j, k) has fractional coordinates (i, j, k) / grid of the crystal's own
cell; one Gaussian of the real-space distance from (1/2, 1/2, 1/2).
Axes are always x, y, z (or a, b, c). Reading back uses that both are Gaussians of known width: -2 sigma^2 ln
p is linear in the metric tensor, and a peak has a centre finer than its voxel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pymatgen.core import Lattice, Structure
from scipy.ndimage import maximum_filter

from ccdcgan.structures import compact_positions, lattice_from_parameters

MARGIN = 0.5
"""Least distance (angstrom) of an atom from the faces of the sites voxel's box."""


@dataclass(frozen=True)
class Geometry:
    """What the two voxels of a crystal look like; all that is needed to read them back.

    box: edge of the sites voxel's cube, angstrom; sites_grid, lattice_grid: voxels along each axis;
    sites_sigma, lattice_sigma: standard deviation of the Gaussians, angstrom.
    """

    box: float
    sites_grid: int
    sites_sigma: float
    lattice_grid: int
    lattice_sigma: float

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
        )


@dataclass(frozen=True)
class Decoded:
    """A crystal read from voxels, or the reason why there is none.

    structure: None if it failed; reason: "" or bad_lattice, missing_element, too_many_atoms, too_close.
    """

    structure: Structure | None
    reason: str = ""


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
    offsets = positions[:, :, None] - voxel_centres(grid, box)
    gaussians = np.exp(-(offsets**2) / (2 * sigma**2))
    plane = np.einsum("ni,nj->ijn", gaussians[:, 0], gaussians[:, 1])
    return (plane @ gaussians[:, 2]).astype(np.float32)


def sites_voxels(
    positions: np.ndarray,
    species: Sequence[str],
    elements: Sequence[str],
    grid: int,
    box: float,
    sigma: float,
) -> np.ndarray:
    """Return one sites voxel per element of ``elements``, (n_elements, grid, grid, grid), float32."""
    species = np.asarray(species)
    return np.stack([sites_voxel(positions[species == element], grid, box, sigma) for element in elements])


def decode_sites(
    voxel: np.ndarray,
    box: float,
    sigma: float,
    threshold: float = 0.4,
    separation: float = 1.2,
    most: int = 60,
) -> np.ndarray:
    """Return the positions (n, 3), angstrom from the box's centre, of the atoms in a sites voxel.

    Atoms are placed on the local maxima above ``threshold``, then all centres and heights are fitted together
    to the voxel (Gauss-Newton on the known Gaussian), so neighbours do not pull on one another; what the fit
    leaves over is searched again. Maxima closer than ``separation`` angstrom, or 1.6 voxels, are one atom
    (flat tops, noise), heights below ``threshold`` none. The search ends at ``most`` atoms.
    """
    voxel = np.asarray(voxel, dtype=float)
    grid = voxel.shape[0]
    centres = voxel_centres(grid, box)
    separation = max(separation, 1.6 * box / grid)
    positions = np.empty((0, 3))
    residual = voxel
    for _ in range(3):
        fresh = _peaks(residual, centres, threshold, separation, positions)[: most - len(positions)]
        if not len(fresh):
            break
        positions = np.concatenate([positions, fresh])
        positions, heights = _fit_gaussians(voxel, centres, positions, sigma, box)
        single = _separated(positions[np.argsort(-heights, kind="stable")], separation)
        if len(single) < len(positions):  # several maxima of one atom have run together, each with a share of it
            positions, heights = _fit_gaussians(voxel, centres, single, sigma, box)
        positions = positions[heights >= threshold]
        if not len(positions):
            break
        residual = voxel - sites_voxel(np.clip(positions, -box / 2, box / 2), grid, box, sigma)
    return positions


def _peaks(
    voxel: np.ndarray, centres: np.ndarray, threshold: float, separation: float, known: np.ndarray
) -> np.ndarray:
    """Return local maxima (n, 3) of ``voxel`` above ``threshold``, highest first, none near ``known``."""
    if voxel.max() < threshold:
        return np.empty((0, 3))
    top = (voxel == maximum_filter(voxel, size=3, mode="constant")) & (voxel >= threshold)
    indices = np.argwhere(top)
    indices = indices[np.argsort(-voxel[top], kind="stable")][:200]
    return _separated(centres[indices], separation, known)


def _separated(positions: np.ndarray, separation: float, known: np.ndarray | None = None) -> np.ndarray:
    """Return those ``positions``, in order, at least ``separation`` from the kept and the ``known`` ones."""
    kept = [] if known is None else list(known)
    first = len(kept)
    for position in positions:
        if not kept or np.min(np.sum((np.array(kept) - position) ** 2, axis=1)) >= separation**2:
            kept.append(position)
    return np.array(kept[first:]).reshape(-1, 3)


def _fit_gaussians(
    voxel: np.ndarray, centres: np.ndarray, positions: np.ndarray, sigma: float, box: float, steps: int = 6
) -> tuple[np.ndarray, np.ndarray]:
    """Return centres (n, 3) and heights (n,) of Gaussians of width ``sigma`` fitted to the voxel."""
    n, spacing = len(positions), box / len(centres)
    # voxels within reach of an atom: closer than 1.5 sigma, or than its nearest voxels on a coarse grid
    reach = max(1.5 * sigma, 1.8 * spacing)
    start = positions
    near = np.zeros(voxel.shape, dtype=bool)
    width = int(np.ceil(reach / spacing)) + 1
    span = np.arange(-width, width + 1)
    for position in positions:
        cube = np.clip(np.round((position + box / 2) / spacing - 0.5).astype(int)[:, None] + span, 0, len(centres) - 1)
        distance = [(centres[axis] - x) ** 2 for axis, x in zip(cube, position, strict=True)]
        block = distance[0][:, None, None] + distance[1][None, :, None] + distance[2][None, None, :]
        near[np.ix_(*cube)] |= block < reach**2
    indices = np.argwhere(near)
    points, values = centres[indices], voxel[near]
    heights = np.ones(n)
    for _ in range(steps):
        offsets = points[None] - positions[:, None]
        gaussians = np.exp(-(offsets**2).sum(-1) / (2 * sigma**2))
        slopes = offsets * (heights[:, None] * gaussians / sigma**2)[:, :, None]
        jacobian = np.concatenate([gaussians[:, None], slopes.transpose(0, 2, 1)], axis=1).reshape(4 * n, -1)
        normal = jacobian @ jacobian.T
        normal[np.diag_indices(4 * n)] += 1e-3 * max(np.trace(normal) / (4 * n), 1e-12)
        change = np.linalg.solve(normal, jacobian @ (values - heights @ gaussians)).reshape(n, 4)
        heights = np.clip(heights + change[:, 0], 0.05, 3.0)
        positions = positions + np.clip(change[:, 1:], -0.5 * sigma, 0.5 * sigma)
        positions = start + np.clip(positions - start, -1.5 * spacing, 1.5 * spacing)
        if np.abs(change).max() < 1e-4:
            break
    return positions, heights


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
    """Return the lattice voxel (grid, grid, grid), float32, of a lattice matrix (3, 3; rows a, b, c)."""
    squares = metric_design(grid) @ metric_entries(np.asarray(matrix, dtype=float))
    return np.exp(-squares / (2 * sigma**2)).astype(np.float32).reshape(grid, grid, grid)


def decode_lattice(
    voxel: np.ndarray,
    sigma: float,
    floor: float = 0.1,
    lengths: tuple[float, float] = (1.5, 20.0),
    angles: tuple[float, float] = (20.0, 160.0),
) -> Lattice | None:
    """Return the lattice (a along x, b in the xy plane) that a lattice voxel describes; None if there is
    none.

    -2 sigma^2 ln p = r^2 is linear in the metric tensor: a least-squares fit over all voxels above ``floor``,
    weighted with p^2 since noise s in p is noise s/p in ln p; a second pass takes the weights, and the
    voxels, from the first fit's p, which the noise does not tilt. None if the fit is under-determined, not
    positive definite, or outside ``lengths`` (angstrom) and ``angles`` (degree).
    """
    values = np.asarray(voxel, dtype=float).ravel()
    design = metric_design(voxel.shape[0])
    used = values > floor
    weights = np.where(used, values, 0.0)
    metric = None
    for _ in range(3):
        if np.count_nonzero(used) < 7:
            return None
        rows = design[used] * weights[used, None]
        targets = -2 * sigma**2 * np.log(np.maximum(values[used], 0.2 * floor)) * weights[used]
        normal = rows.T @ rows
        if np.linalg.cond(normal) > 1e10:
            return None
        metric = np.linalg.solve(normal, rows.T @ targets)
        g11, g22, g33, g23, g13, g12 = metric
        if np.linalg.eigvalsh([[g11, g12, g13], [g12, g22, g23], [g13, g23, g33]]).min() <= 1e-3:
            return None
        weights = np.exp(-np.minimum(design @ metric / (2 * sigma**2), 50.0))
        used = weights > floor
    a, b, c = np.sqrt([g11, g22, g33])
    cosines = np.array([g23 / (b * c), g13 / (a * c), g12 / (a * b)])
    alpha, beta, gamma = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    if min(a, b, c) < lengths[0] or max(a, b, c) > lengths[1]:
        return None
    if min(alpha, beta, gamma) < angles[0] or max(alpha, beta, gamma) > angles[1]:
        return None
    return lattice_from_parameters(a, b, c, alpha, beta, gamma)


# ---------------------------------------------------------------------------------------------- crystal
def encode_crystal(
    structure: Structure, elements: Sequence[str], geometry: Geometry
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the lattice voxel and the sites voxels (n_elements, ...) of a crystal in its standard cell.

    None if its atoms do not fit the box. Bring the crystal to ``structures.standard_cell`` first.
    """
    positions = compact_positions(structure)
    if not fits_box(positions, geometry.box):
        return None
    species = [site.specie.symbol for site in structure]
    sites = sites_voxels(positions, species, elements, geometry.sites_grid, geometry.box, geometry.sites_sigma)
    return lattice_voxel(structure.lattice.matrix, geometry.lattice_grid, geometry.lattice_sigma), sites


def decode_crystal(
    lattice: np.ndarray | Lattice,
    sites: np.ndarray,
    elements: Sequence[str],
    geometry: Geometry,
    max_atoms: int = 20,
    min_distance: float = 0.0,
    threshold: float = 0.4,
) -> Decoded:
    """Read a crystal from its lattice voxel and its sites voxels (n_elements, grid, grid, grid).

    lattice: the voxel, or a lattice that is known; max_atoms: most atoms in the cell; min_distance: least
    distance between any two atoms and their images, angstrom, 0 for no check. Two elements must have atoms
    (both of a binary; one if the system has one). The reasons of failure are tried in the order bad_lattice,
    missing_element, too_many_atoms, too_close.
    """
    cell = lattice if isinstance(lattice, Lattice) else decode_lattice(lattice, geometry.lattice_sigma)
    if cell is None:
        return Decoded(None, "bad_lattice")
    found = [decode_sites(voxel, geometry.box, geometry.sites_sigma, threshold) for voxel in sites]
    counts = [len(positions) for positions in found]
    if np.count_nonzero(counts) < min(2, len(elements)):
        return Decoded(None, "missing_element")
    if sum(counts) > max_atoms:
        return Decoded(None, "too_many_atoms")
    species = [element for element, count in zip(elements, counts, strict=True) for _ in range(count)]
    structure = Structure(cell, species, np.concatenate(found), coords_are_cartesian=True, to_unit_cell=True)
    if min_distance > 0 and len(structure.get_neighbor_list(min_distance)[0]):
        return Decoded(None, "too_close")
    return Decoded(structure)
