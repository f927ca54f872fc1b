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
from ccdcgan.representation.decoding.cells import FLOOR, fit_cells, within
from ccdcgan.representation.decoding.gaussians import fit_gaussians
from ccdcgan.representation.decoding.peaks import find_peaks, separated
from ccdcgan.representation.voxels import (
    ANGLES,
    LENGTHS,
    RESOLVED,
    Geometry,
    sites_voxels,
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
BAD_LATTICE = "bad_lattice"
"""Reason for rejecting a crystal without a valid cell."""
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


def count_atoms(voxels: np.ndarray, box: float, sigma: float) -> np.ndarray:
    """Return the sums over sites voxels in units of one atom, (sqrt(2 pi) sigma / spacing)^3.

    Args:
        voxels: Sites voxels, (..., grid, grid, grid).
        box: Edge of the box, angstrom.
        sigma: Width of the Gaussians, angstrom.
    """
    sums = voxels.sum(axis=(-3, -2, -1), dtype=np.float64)
    return sums / (np.sqrt(2 * np.pi) * sigma * voxels.shape[-1] / box) ** 3


def decode_sites(
    voxel: np.ndarray, box: float, sigma: float, threshold: float = THRESHOLD, most: int = 60
) -> np.ndarray:
    """Return the positions (n, 3), angstrom from the box's centre, of the atoms in a sites voxel.

    Args:
        voxel: Shape (grid, grid, grid).
        box: As for :func:`decode_many_sites`, like the others.
        sigma: Standard deviation of the Gaussians.
        threshold: Minimum height of an atom's peak.
        most: Maximum number of atoms.
    """
    return decode_many_sites(np.asarray(voxel)[None], box, sigma, threshold, most)[0]


def decode_many_sites(
    voxels: np.ndarray, box: float, sigma: float, thresholds: np.ndarray | float = THRESHOLD, most: int = 60
) -> list[np.ndarray]:
    """Return the positions (n_atoms, 3), angstrom from the box's centre, of the atoms in each sites voxel.

    Atoms are placed on the local maxima above ``thresholds``. All centres and heights are then fitted together to the
    voxel (Gauss-Newton with the known Gaussian), so that neighbours do not bias one another, and the residual is
    searched again. Maxima closer than 1.2 angstrom or 1.6 voxels are one atom (flat tops, noise). If the sum over the
    voxel then requires more atoms, the highest peaks of the residual are tried one by one, which resolves overlapping
    atoms.

    Args:
        voxels: Shape (n, grid, grid, grid).
        box: Edge of the box, angstrom.
        sigma: Standard deviation of the Gaussians, angstrom.
        thresholds: Minimum height of an atom's peak, one for all or (n,).
        most: Maximum number of atoms in a voxel.
    """
    voxels = np.asarray(voxels, dtype=np.float32)
    thresholds = np.broadcast_to(np.asarray(thresholds, dtype=float), len(voxels))
    centres = voxel_centres(voxels.shape[1], box)
    separation = max(1.2, 1.6 * box / len(centres))
    positions, residuals = [np.empty((0, 3))] * len(voxels), voxels.copy()
    active = np.arange(len(voxels))
    for _ in range(3):
        known = [positions[row] for row in active]
        fresh = find_peaks(residuals[active], centres, thresholds[active], separation, known)
        fresh = [new[: most - len(old)] for new, old in zip(fresh, known, strict=True)]
        found = [number for number, new in enumerate(fresh) if len(new)]
        active = active[found]
        if not len(active):
            break
        starts = [np.concatenate([known[number], fresh[number]]) for number in found]
        fitted, heights = _fit_single(voxels[active], centres, starts, sigma, box, separation)
        for row, atoms, height in zip(active, fitted, heights, strict=True):
            positions[row] = atoms[height >= thresholds[row]]
        drawn = sites_voxels([positions[row] for row in active], len(centres), box, sigma)
        np.subtract(voxels[active], drawn, out=drawn)
        residuals[active] = drawn
    return _split_overlapping_atoms(voxels, positions, residuals, sigma, box, most)


def _fit_single(
    voxels: np.ndarray,
    centres: np.ndarray,
    positions: list[np.ndarray],
    sigma: float,
    box: float,
    separation: float,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return fitted positions and heights of atoms that are at least ``separation`` apart."""
    fitted, heights = fit_gaussians(voxels, centres, positions, sigma, box)
    ordered = [atoms[np.argsort(-height, kind="stable")] for atoms, height in zip(fitted, heights, strict=True)]
    single = separated(ordered, separation)
    # Several maxima of one atom have run together, each with a share of it.
    merged = [row for row, atoms in enumerate(single) if len(atoms) < len(fitted[row])]
    again = fit_gaussians(voxels[merged], centres, [single[row] for row in merged], sigma, box)
    for row, atoms, height in zip(merged, *again, strict=True):
        fitted[row], heights[row] = atoms, height
    return fitted, heights


def _split_overlapping_atoms(
    voxels: np.ndarray, positions: list[np.ndarray], residuals: np.ndarray, sigma: float, box: float, most: int
) -> list[np.ndarray]:
    """Return ``positions``, or more where the sum over a voxel requires more and they explain it far better.

    The highest peaks of ``residuals``, the voxels without the Gaussians of ``positions``, are tried as atoms one by
    one.
    """
    centres = voxel_centres(voxels.shape[1], box)
    wanted = np.minimum(np.rint(count_atoms(voxels, box, sigma)), most)
    counts = np.array([len(atoms) for atoms in positions])
    rows = np.flatnonzero((counts > 0) & (counts < wanted))
    more, left = {row: positions[row] for row in rows}, dict(zip(rows, residuals[rows], strict=True))
    active = rows
    while len(active):
        known = [more[row] for row in active]
        fresh = find_peaks(np.array([left[row] for row in active]), centres, FAINT, 0.5 * sigma, known, most=1)
        active = active[[len(new) > 0 for new in fresh]]
        starts = [np.concatenate([old, new]) for old, new in zip(known, fresh, strict=True) if len(new)]
        trials, heights = fit_gaussians(voxels[active], centres, starts, sigma, box, steps=20)
        apart = separated(trials, 0.9 * RESOLVED * sigma)
        going = []
        for row, trial, height, single in zip(active, trials, heights, apart, strict=True):
            if height.min() >= FAINT_ATOM and len(single) == len(trial):
                more[row] = trial
                going.append(row)
        drawn = sites_voxels([more[row] for row in going], len(centres), box, sigma)
        left |= {row: voxels[row] - own for row, own in zip(going, drawn, strict=True)}
        active = np.array([row for row in going if len(more[row]) < wanted[row]], dtype=int)
    for row in rows:
        if np.sum(left[row] ** 2) < FAR_BETTER * np.sum(residuals[row] ** 2):
            positions[row] = more[row]
    return positions


def largest_displacement(positions: np.ndarray, decoded: np.ndarray) -> float:
    """Return the largest distance (angstrom) between atoms (n, 3) and decoded atoms; NaN if the numbers differ."""
    if len(positions) != len(decoded):
        return float("nan")
    apart = cdist(positions, decoded)
    return float(apart[linear_sum_assignment(apart)].max(initial=0.0))


def decode_lattice(
    voxel: np.ndarray,
    sigma: float,
    floor: float = FLOOR,
    lengths: tuple[float, float] = LENGTHS,
    angles: tuple[float, float] = ANGLES,
) -> Lattice | None:
    """Return the lattice (a along x, b in the xy plane) of a lattice voxel, None if there is no valid one.

    Args:
        voxel: Shape (grid, grid, grid).
        sigma: Standard deviation of the Gaussian, angstrom.
        floor: Minimum value of a voxel that is used.
        lengths: Range of the cell lengths, angstrom.
        angles: Range of the cell angles, degree.
    """
    parameters = fit_cells(np.asarray(voxel)[None], sigma, floor)[0]
    if not within(parameters, lengths, angles):
        return None
    return lattice_from_parameters(*parameters)


def decode_cells(voxels: np.ndarray, sigma: float) -> list[np.ndarray | None]:
    """Return the matrix (3, 3), angstrom, of the lattice of each lattice voxel, as :func:`decode_lattice` does.

    Args:
        voxels: Shape (n, grid, grid, grid).
        sigma: Standard deviation of the Gaussian, angstrom.
    """
    cells = fit_cells(voxels, sigma)
    valid = within(cells, LENGTHS, ANGLES)
    return [lattice_from_parameters(*cell).matrix if good else None for cell, good in zip(cells, valid, strict=True)]


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
        return Decoded(None, BAD_LATTICE)
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
        return Decoded(None, BAD_LATTICE)
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
