"""Decoding of voxels: the lattice by weighted least squares, the sites by fitting Gaussians to the peaks.

Both voxels consist of Gaussians of known width, and decoding uses nothing else. -2 sigma^2 ln p is linear in the metric
tensor, the centre of a peak can be located within a voxel, and the sum over a sites voxel gives its number of atoms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice, Structure
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ccdcgan.crystals.distances import DistanceRule, PairDistances, satisfies
from ccdcgan.crystals.structures import lattice_from_parameters
from ccdcgan.representation.voxels import (
    ANGLES,
    LENGTHS,
    RESOLVED,
    Geometry,
    float_design,
    metric_design,
    sites_voxel,
    voxel_centres,
)

THRESHOLD = 0.4
"""Minimum height of an atom's peak."""
FAINT = 0.1
"""Minimum height of a peak in the residual that is tried as an atom, where the sum over the voxel requires one more."""
FAINT_ATOM = 0.25
"""Minimum fitted height of all atoms once such a peak is one of them."""
FAR_BETTER = 0.2
"""Maximum fraction of the squared residual that remains if such peaks are accepted."""
MISSING = "missing_element"
"""Reason for rejecting a crystal without atoms of a required element."""


@dataclass(frozen=True)
class Decoded:
    """A decoded crystal, or the reason why there is none.

    Attributes:
        structure: The crystal, None if decoding failed.
        reason: "", bad_lattice, missing_element, too_many_atoms or too_close.
        repaired: Label of the repair that was needed, "" if none.
    """

    structure: Structure | None
    reason: str = ""
    repaired: str = ""


def count_atoms(voxel: np.ndarray, box: float, sigma: float) -> float:
    """Return the sum over a sites voxel in units of one atom, (sqrt(2 pi) sigma / spacing)^3.

    Args:
        voxel: Sites voxel, (grid, grid, grid).
        box: Edge of the box, angstrom.
        sigma: Width of the Gaussians, angstrom.
    """
    return float(voxel.sum(dtype=np.float64) / (np.sqrt(2 * np.pi) * sigma * len(voxel) / box) ** 3)


def decode_sites(
    voxel: np.ndarray, box: float, sigma: float, threshold: float = THRESHOLD, most: int = 60
) -> np.ndarray:
    """Return the positions (n, 3), angstrom from the box's centre, of the atoms in a sites voxel.

    Atoms are placed on the local maxima above ``threshold``. All centres and heights are then fitted together to the
    voxel (Gauss-Newton with the known Gaussian), so that neighbours do not bias one another, and the residual is
    searched again. Maxima closer than 1.2 angstrom or 1.6 voxels are one atom (flat tops, noise). If the sum over the
    voxel then requires more atoms, the highest peaks of the residual are tried one by one, which resolves overlapping
    atoms.

    Args:
        voxel: Shape (grid, grid, grid).
        box: Edge of the box, angstrom.
        sigma: Standard deviation of the Gaussians, angstrom.
        threshold: Minimum height of an atom's peak.
        most: Maximum number of atoms.
    """
    voxel = np.asarray(voxel, dtype=np.float32)
    centres = voxel_centres(len(voxel), box)
    separation = max(1.2, 1.6 * box / len(voxel))
    positions, residual = np.empty((0, 3)), voxel
    for _ in range(3):
        fresh = peaks(residual, centres, threshold, separation, positions)[: most - len(positions)]
        if not len(fresh):
            break
        positions, heights = _fit_gaussians(voxel, centres, np.concatenate([positions, fresh]), sigma, box)
        single = _separated(positions[np.argsort(-heights, kind="stable")], separation)
        if len(single) < len(positions):  # several maxima of one atom have run together, each with a share of it
            positions, heights = _fit_gaussians(voxel, centres, single, sigma, box)
        positions = positions[heights >= threshold]
        residual = _residual(voxel, positions, box, sigma)
    return _split_overlapping_atoms(voxel, centres, positions, residual, sigma, box, most)


def _split_overlapping_atoms(
    voxel: np.ndarray,
    centres: np.ndarray,
    positions: np.ndarray,
    residual: np.ndarray,
    sigma: float,
    box: float,
    most: int,
) -> np.ndarray:
    """Return ``positions``, or more if the sum over the voxel requires more and they explain it far better.

    The highest peaks of ``residual``, the voxel without the Gaussians of ``positions``, are tried as atoms one by one.
    """
    wanted, more, left = min(round(count_atoms(voxel, box, sigma)), most), positions, residual
    if len(positions) >= wanted:
        return positions
    while 0 < len(more) < wanted:
        fresh = peaks(left, centres, FAINT, 0.5 * sigma, more)[:1]
        trial, heights = _fit_gaussians(voxel, centres, np.concatenate([more, fresh]), sigma, box, steps=20)
        if not len(fresh) or heights.min() < FAINT_ATOM or len(_separated(trial, 0.9 * RESOLVED * sigma)) < len(trial):
            break
        more, left = trial, _residual(voxel, trial, box, sigma)
    return more if np.sum(left**2) < FAR_BETTER * np.sum(residual**2) else positions


def _residual(voxel: np.ndarray, positions: np.ndarray, box: float, sigma: float) -> np.ndarray:
    """Return the voxel without the Gaussians of atoms at ``positions``."""
    return voxel - sites_voxel(np.clip(positions, -box / 2, box / 2), len(voxel), box, sigma)


NEIGHBOURS = np.array([offset for offset in np.ndindex(3, 3, 3) if offset != (1, 1, 1)]) - 1


def peaks(voxel: np.ndarray, centres: np.ndarray, threshold: float, separation: float, known: np.ndarray) -> np.ndarray:
    """Return the local maxima of a sites voxel, highest first.

    Only voxels above the threshold, which are few, are compared with their 26 neighbours.

    Args:
        voxel: Shape (grid, grid, grid).
        centres: Coordinates of the voxel centres along one axis, (grid,), angstrom.
        threshold: Minimum height.
        separation: Minimum distance between two maxima, and from ``known``, angstrom.
        known: Positions of known atoms, (m, 3), angstrom.

    Returns:
        Positions (n, 3), angstrom.
    """
    grid = len(voxel)
    indices = np.stack(np.unravel_index(np.flatnonzero(voxel.ravel() >= threshold), voxel.shape), axis=1)
    around = np.clip(indices[:, None] + NEIGHBOURS, 0, grid - 1)
    values = voxel[tuple(indices.T)]
    top = values >= voxel[around[..., 0], around[..., 1], around[..., 2]].max(axis=1, initial=-np.inf)
    indices, values = indices[top], values[top]
    indices = indices[np.argsort(-values, kind="stable")][:200]
    return _separated(centres[indices], separation, known)


def _separated(positions: np.ndarray, separation: float, known: np.ndarray | None = None) -> np.ndarray:
    """Return those ``positions``, in order, that are at least ``separation`` from the accepted and ``known`` ones."""
    accepted = [] if known is None else list(known)
    first = len(accepted)
    for position in positions:
        if not accepted or np.min(np.sum((np.array(accepted) - position) ** 2, axis=1)) >= separation**2:
            accepted.append(position)
    return np.array(accepted[first:]).reshape(-1, 3)


def _fit_gaussians(
    voxel: np.ndarray, centres: np.ndarray, positions: np.ndarray, sigma: float, box: float, steps: int = 12
) -> tuple[np.ndarray, np.ndarray]:
    """Return centres (n, 3) and heights (n,) of Gaussians of width ``sigma`` fitted to the voxel."""
    n, spacing = len(positions), box / len(centres)
    # voxels within reach of an atom: closer than 1.5 sigma, or than its nearest voxels on a coarse grid
    reach = max(1.5 * sigma, 1.8 * spacing)
    start = positions
    width = int(np.ceil(reach / spacing)) + 1
    span = np.arange(-width, width + 1)
    nearest = np.round((positions + box / 2) / spacing - 0.5).astype(int)
    cubes = np.clip(nearest[:, :, None] + span, 0, len(centres) - 1)
    squares = (centres[cubes] - positions[:, :, None]) ** 2
    inside = squares[:, 0, :, None, None] + squares[:, 1, None, :, None] + squares[:, 2, None, None, :] < reach**2
    flat = (cubes[:, 0, :, None, None] * len(centres) + cubes[:, 1, None, :, None]) * len(centres)
    indices = np.unique((flat + cubes[:, 2, None, None, :])[inside])
    points = centres[np.stack(np.unravel_index(indices, voxel.shape), axis=1)]
    values = voxel.ravel()[indices].astype(float)
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


def largest_displacement(positions: np.ndarray, decoded: np.ndarray) -> float:
    """Return the largest distance (angstrom) between atoms (n, 3) and decoded atoms; NaN if the numbers differ."""
    if len(positions) != len(decoded):
        return float("nan")
    apart = cdist(positions, decoded)
    return float(apart[linear_sum_assignment(apart)].max(initial=0.0))


def decode_lattice(
    voxel: np.ndarray,
    sigma: float,
    floor: float = 0.1,
    lengths: tuple[float, float] = LENGTHS,
    angles: tuple[float, float] = ANGLES,
) -> Lattice | None:
    """Return the lattice (a along x, b in the xy plane) of a lattice voxel, None if there is no valid one.

    -2 sigma^2 ln p = r^2 is linear in the metric tensor, which is fitted by least squares over all voxels above
    ``floor``. The weights are p^2, since noise s in p is noise s/p in ln p. Two further passes take weights and voxels
    from the fitted p, which is not biased by the noise. There is no valid lattice if the fit is under-determined, not
    positive definite, or outside the ranges.

    Args:
        voxel: Shape (grid, grid, grid).
        sigma: Standard deviation of the Gaussian, angstrom.
        floor: Minimum value of a voxel that is used.
        lengths: Range of the cell lengths, angstrom.
        angles: Range of the cell angles, degree.
    """
    values = np.asarray(voxel, dtype=float).ravel()
    design, squares_of = metric_design(voxel.shape[0]), float_design(voxel.shape[0])
    used = np.flatnonzero(values > floor)
    weights = values[used]
    for _ in range(3):
        if len(used) < 7:
            return None
        rows = design[used] * weights[:, None]
        targets = -2 * sigma**2 * np.log(np.maximum(values[used], 0.2 * floor)) * weights
        normal = rows.T @ rows
        if np.linalg.cond(normal) > 1e10:
            return None
        metric = np.linalg.solve(normal, rows.T @ targets)
        g11, g22, g33, g23, g13, g12 = metric
        if np.linalg.eigvalsh([[g11, g12, g13], [g12, g22, g23], [g13, g23, g33]]).min() <= 1e-3:
            return None
        squares = metric.astype(np.float32) @ squares_of
        used = np.flatnonzero(squares < -2 * sigma**2 * np.log(floor))
        weights = np.exp(-squares[used].astype(float) / (2 * sigma**2))
    a, b, c = np.sqrt([g11, g22, g33])
    cosines = np.array([g23 / (b * c), g13 / (a * c), g12 / (a * b)])
    alpha, beta, gamma = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    if min(a, b, c) < lengths[0] or max(a, b, c) > lengths[1]:
        return None
    if min(alpha, beta, gamma) < angles[0] or max(alpha, beta, gamma) > angles[1]:
        return None
    return lattice_from_parameters(a, b, c, alpha, beta, gamma)


def decode_crystal(
    lattice: np.ndarray | Lattice,
    sites: np.ndarray,
    elements: Sequence[str],
    geometry: Geometry,
    max_atoms: int = 20,
    min_distance: DistanceRule = 0.0,
) -> Decoded:
    """Decode a crystal from its lattice voxel, or its known lattice, and its sites voxels.

    Args:
        lattice: Lattice voxel (grid, grid, grid), or the lattice.
        sites: Sites voxels, (n_elements, grid, grid, grid).
        elements: Elements of the sites voxels.
        geometry: Widths and box of the voxels.
        max_atoms: As for :func:`assemble_crystal`.
        min_distance: As for :func:`assemble_crystal`.
    """
    cell = lattice if isinstance(lattice, Lattice) else decode_lattice(lattice, geometry.lattice_sigma)
    if cell is None:
        return Decoded(None, "bad_lattice")
    found = [decode_sites(voxel, geometry.box, geometry.sites_sigma) for voxel in sites]
    return assemble_crystal(cell, found, elements, max_atoms, min_distance)


def assemble_crystal(
    cell: Lattice | None,
    positions: Sequence[np.ndarray],
    elements: Sequence[str],
    max_atoms: int = 20,
    min_distance: DistanceRule = 0.0,
) -> Decoded:
    """Assemble a crystal from its cell and the positions of its atoms.

    At least two elements must have atoms (one if the system has one element). The reasons of failure are tried in the
    order bad_lattice, missing_element, too_many_atoms, too_close.

    Args:
        cell: The lattice; None: decoding it failed.
        positions: Positions (n, 3), angstrom, of each element's atoms.
        elements: The elements.
        max_atoms: Maximum number of atoms in the cell.
        min_distance: Minimum distance between two atoms, periodic images included, angstrom; 0: not checked.
    """
    if cell is None:
        return Decoded(None, "bad_lattice")
    counts = [len(atoms) for atoms in positions]
    if np.count_nonzero(counts) < min(2, len(elements)):
        return Decoded(None, MISSING)
    if sum(counts) > max_atoms:
        return Decoded(None, "too_many_atoms")
    species = [element for element, count in zip(elements, counts, strict=True) for _ in range(count)]
    structure = Structure(cell, species, np.concatenate(positions), coords_are_cartesian=True, to_unit_cell=True)
    if isinstance(min_distance, PairDistances):
        return Decoded(structure) if satisfies(structure, min_distance) else Decoded(None, "too_close")
    if min_distance > 0 and len(structure.get_neighbor_list(min_distance)[0]):
        return Decoded(None, "too_close")
    return Decoded(structure)
