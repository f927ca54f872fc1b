"""Sanity checks on geometries, energies and forces, with a named reason for every refusal.

Machine-learned potentials return a result for any input: atoms 0.5 angstrom apart get -1e12 eV/atom, isolated atoms
"converge" at once and a NaN coordinate has a finite energy. The same checks are therefore made before, during and after
every relaxation, whatever the engine. Lengths in angstrom, angles in degree, energies in eV.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from pymatgen.core import Structure

from ccdcgan.utils.errors import InputError


@dataclass(frozen=True)
class Guards:
    """Limits of an acceptable crystal.

    Args:
        min_distance: Shortest distance between two atoms, periodic images of one atom included, angstrom.
        min_volume: Smallest volume, angstrom^3 per atom.
        max_volume: Largest volume, angstrom^3 per atom.
        min_angle: Smallest angle between two cell edges, and between an edge and the plane of the other two, degree.
        max_angle: Largest angle between two cell edges, degree.
        max_neighbour: Largest distance from an atom to its nearest neighbour or image, angstrom.
        max_energy: Largest absolute energy, eV/atom.
        max_force: Largest force on any atom, eV/angstrom.
    """

    min_distance: float = 1.2
    min_volume: float = 5.0
    max_volume: float = 150.0
    min_angle: float = 20.0
    max_angle: float = 160.0
    max_neighbour: float = 5.0
    max_energy: float = 50.0
    max_force: float = 1000.0

    @classmethod
    def from_config(cls, config: Mapping[str, float]) -> "Guards":
        """Return the guards of ``relaxation.guards``; omitted keys have their default.

        Raises:
            InputError: For an unknown key or a limit that is not a positive number.
        """
        names = [field.name for field in fields(cls)]
        limits = {}
        for key, value in config.items():
            if key not in names:
                raise InputError(f"relaxation.guards.{key} is unknown; the guards are {', '.join(names)}.")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
                raise InputError(f"relaxation.guards.{key} is {value!r}; give a positive number.")
            limits[key] = float(value)
        return cls(**limits)


def check_cell(cell: np.ndarray, n_atoms: int, guards: Guards) -> str:
    """Return the reason why a cell is refused, "" if it is accepted.

    The reasons are ``not_finite``, ``too_close`` (an edge, which is the distance between an atom and its image),
    ``too_dense``, ``too_sparse`` and ``flat_cell``. The check is cheap enough for every step of a relaxation.

    Args:
        cell: Cell, shape (3, 3), rows are edges, angstrom.
        n_atoms: Number of atoms in the cell.
        guards: Limits.
    """
    if not np.isfinite(cell).all():
        return "not_finite"
    lengths = np.linalg.norm(cell, axis=1)
    if lengths.min() < guards.min_distance:
        return "too_close"
    volume = abs(np.linalg.det(cell))
    if volume < guards.min_volume * n_atoms:
        return "too_dense"
    if volume > guards.max_volume * n_atoms:
        return "too_sparse"
    edges = cell / lengths[:, None]
    cosines = np.array([edges[1] @ edges[2], edges[2] @ edges[0], edges[0] @ edges[1]])
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    # Three edges can lie in one plane with all angles near 120 degree; the heights of the cell exclude that.
    faces = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    inclinations = np.degrees(np.arcsin(np.clip(volume / (faces * lengths), 0, 1)))
    if angles.min() < guards.min_angle or angles.max() > guards.max_angle or inclinations.min() < guards.min_angle:
        return "flat_cell"
    return ""


def check_structure(structure: Structure, guards: Guards) -> str:
    """Return the reason why a crystal is refused, "" if it is accepted.

    The reasons are those of :func:`check_cell`, ``too_close`` for two atoms, and ``isolated_atom`` for an atom without
    a neighbour within ``max_neighbour``, as in a dissociated crystal.

    Args:
        structure: Crystal.
        guards: Limits.
    """
    if not np.isfinite(structure.frac_coords).all():
        return "not_finite"
    # The cell is checked first: in an accepted cell the number of images within reach is bounded.
    reason = check_cell(structure.lattice.matrix, len(structure), guards)
    if reason:
        return reason
    # One list of neighbours answers both questions; shortest_distance would need a second one.
    centres, _, _, distances = structure.get_neighbor_list(guards.max_neighbour)
    if distances.size and distances.min() < guards.min_distance:
        return "too_close"
    if len(np.unique(centres)) < len(structure):
        return "isolated_atom"
    return ""


def check_step(energy_per_atom: float, fmax: float, guards: Guards) -> str:
    """Return the reason why a step of a relaxation is refused, "" if it is accepted.

    The reasons are ``not_finite``, ``energy_exploded`` and ``force_exploded``.

    Args:
        energy_per_atom: Energy, eV/atom.
        fmax: Largest force, eV/angstrom.
        guards: Limits.
    """
    if not (np.isfinite(energy_per_atom) and np.isfinite(fmax)):
        return "not_finite"
    if abs(energy_per_atom) > guards.max_energy:
        return "energy_exploded"
    if fmax > guards.max_force:
        return "force_exploded"
    return ""
