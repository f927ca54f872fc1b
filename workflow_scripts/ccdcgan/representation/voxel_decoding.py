"""Voxels -> crystal: the lattice by weighted least squares, the sites by peaks finer than their voxels.

Both voxels are Gaussians of known width, and that is all that reading them back uses: -2 sigma^2 ln p is linear in
the metric tensor, a peak has a centre finer than its voxel, and the sum over a sites voxel counts its atoms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice, Structure
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

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
"""Least height of an atom's peak, and of a peak that is tried as an atom."""
FAINT = 0.1
"""Least height of a peak left over that is tried as an atom, where the sum over the voxel asks for one more."""
FAINT_ATOM = 0.25
"""Least fitted height of any atom once such a peak is among them."""
FAR_BETTER = 0.2
"""Share of the squares left over that such peaks may at most leave, to be believed."""
MISSING = "missing_element"
"""Why a crystal is none that has no atoms of an element it should have."""


@dataclass(frozen=True)
class Decoded:
    """A crystal read from voxels, or the reason why there is none.

    structure: None if it failed; reason: "" or bad_lattice, missing_element, too_many_atoms, too_close; repaired: what
    was done to read it, "" if nothing.
    """

    structure: Structure | None
    reason: str = ""
    repaired: str = ""


def count_atoms(voxel: np.ndarray, box: float, sigma: float) -> float:
    """Return the sum over a sites voxel in atoms: every atom, whole in the box, adds (sqrt(2 pi) sigma / spacing)^3."""
    return float(voxel.sum(dtype=np.float64) / (np.sqrt(2 * np.pi) * sigma * len(voxel) / box) ** 3)


def decode_sites(
    voxel: np.ndarray, box: float, sigma: float, threshold: float = THRESHOLD, most: int = 60
) -> np.ndarray:
    """Return the positions (n, 3), angstrom from the box's centre, of the atoms in a sites voxel.

    Atoms are placed on the local maxima above ``threshold``, then all centres and heights are fitted together
    to the voxel (Gauss-Newton on the known Gaussian), so neighbours do not pull on one another; what the fit
    leaves over is searched again. Maxima closer than 1.2 angstrom, or 1.6 voxels, are one atom (flat tops,
    noise), heights below ``threshold`` none. If the sum over the voxel then asks for more atoms, the highest
    peaks left over are tried one by one, which tells atoms apart whose Gaussians have run together. The
    search ends at ``most`` atoms.
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
        residual = _left_over(voxel, positions, box, sigma)
    return _told_apart(voxel, centres, positions, residual, sigma, box, most)


def _told_apart(
    voxel: np.ndarray,
    centres: np.ndarray,
    positions: np.ndarray,
    residual: np.ndarray,
    sigma: float,
    box: float,
    most: int,
) -> np.ndarray:
    """Return ``positions``, or more where the sum over the voxel counts more and they explain it far better.

    The highest peaks of ``residual``, what ``positions`` leave over of the voxel, are tried as atoms one by one.
    """
    wanted, more, left = min(round(count_atoms(voxel, box, sigma)), most), positions, residual
    if len(positions) >= wanted:
        return positions
    while 0 < len(more) < wanted:
        fresh = peaks(left, centres, FAINT, 0.5 * sigma, more)[:1]
        trial, heights = _fit_gaussians(voxel, centres, np.concatenate([more, fresh]), sigma, box, steps=20)
        if not len(fresh) or heights.min() < FAINT_ATOM or len(_separated(trial, 0.9 * RESOLVED * sigma)) < len(trial):
            break
        more, left = trial, _left_over(voxel, trial, box, sigma)
    return more if np.sum(left**2) < FAR_BETTER * np.sum(residual**2) else positions


def _left_over(voxel: np.ndarray, positions: np.ndarray, box: float, sigma: float) -> np.ndarray:
    """Return the voxel without the Gaussians of the atoms found."""
    return voxel - sites_voxel(np.clip(positions, -box / 2, box / 2), len(voxel), box, sigma)


NEIGHBOURS = np.array([offset for offset in np.ndindex(3, 3, 3) if offset != (1, 1, 1)]) - 1


def peaks(voxel: np.ndarray, centres: np.ndarray, threshold: float, separation: float, known: np.ndarray) -> np.ndarray:
    """Return local maxima (n, 3) of ``voxel`` above ``threshold``, highest first, none near ``known``.

    Few voxels are above the threshold: only they are compared with their 26 neighbours.
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
    """Return those ``positions``, in order, at least ``separation`` from the kept and the ``known`` ones."""
    kept = [] if known is None else list(known)
    first = len(kept)
    for position in positions:
        if not kept or np.min(np.sum((np.array(kept) - position) ** 2, axis=1)) >= separation**2:
            kept.append(position)
    return np.array(kept[first:]).reshape(-1, 3)


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


def largest_displacement(positions: np.ndarray, found: np.ndarray) -> float:
    """Return the largest distance (angstrom) between atoms (n, 3) and what was found of them; NaN if not n were."""
    if len(positions) != len(found):
        return float("nan")
    apart = cdist(positions, found)
    return float(apart[linear_sum_assignment(apart)].max(initial=0.0))


def decode_lattice(
    voxel: np.ndarray,
    sigma: float,
    floor: float = 0.1,
    lengths: tuple[float, float] = LENGTHS,
    angles: tuple[float, float] = ANGLES,
) -> Lattice | None:
    """Return the lattice (a along x, b in the xy plane) that a lattice voxel describes; None if there is
    none.

    -2 sigma^2 ln p = r^2 is linear in the metric tensor: a least-squares fit over all voxels above ``floor``,
    weighted with p^2 since noise s in p is noise s/p in ln p; a second pass takes the weights, and the
    voxels, from the first fit's p, which the noise does not tilt. None if the fit is under-determined, not
    positive definite, or outside ``lengths`` (angstrom) and ``angles`` (degree).
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
    min_distance: float = 0.0,
) -> Decoded:
    """Read a crystal from its lattice voxel, or its known lattice, and its sites voxels (n_elements, grid, grid, grid).

    Otherwise as :func:`assemble_crystal`.
    """
    cell = lattice if isinstance(lattice, Lattice) else decode_lattice(lattice, geometry.lattice_sigma)
    if cell is None:
        return Decoded(None, "bad_lattice")
    found = [decode_sites(voxel, geometry.box, geometry.sites_sigma) for voxel in sites]
    return assemble_crystal(cell, found, elements, max_atoms, min_distance)


def assemble_crystal(
    cell: Lattice | None,
    found: Sequence[np.ndarray],
    elements: Sequence[str],
    max_atoms: int = 20,
    min_distance: float = 0.0,
) -> Decoded:
    """Return the crystal of a cell, None for none, with the positions (n, 3), angstrom, of each element's atoms.

    max_atoms: most atoms in the cell; min_distance: least distance between any two atoms and their images, angstrom,
    0 for no check. Two elements must have atoms (both of a binary; one if the system has one). The reasons of
    failure are tried in the order bad_lattice, missing_element, too_many_atoms, too_close.
    """
    if cell is None:
        return Decoded(None, "bad_lattice")
    counts = [len(positions) for positions in found]
    if np.count_nonzero(counts) < min(2, len(elements)):
        return Decoded(None, MISSING)
    if sum(counts) > max_atoms:
        return Decoded(None, "too_many_atoms")
    species = [element for element, count in zip(elements, counts, strict=True) for _ in range(count)]
    structure = Structure(cell, species, np.concatenate(found), coords_are_cartesian=True, to_unit_cell=True)
    if min_distance > 0 and len(structure.get_neighbor_list(min_distance)[0]):
        return Decoded(None, "too_close")
    return Decoded(structure)
