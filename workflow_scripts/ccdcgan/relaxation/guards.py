"""What a believable crystal is: named reasons to refuse a geometry, a step or a result.

Machine-learned potentials answer anything: atoms 0.5 angstrom apart get -1e12 eV/atom, isolated atoms
"converge" at once and a NaN coordinate has a finite energy. The same rules therefore hold before, during and
after every relaxation, whatever the engine. Lengths in angstrom, angles in degree, energies in eV.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from pymatgen.core import Structure

from ccdcgan.utils.errors import InputError


@dataclass(frozen=True)
class Guards:
    """Limits of a believable crystal.

    min_distance: shortest distance of two atoms, own images included; min_volume, max_volume: angstrom^3 per
    atom; min_angle, max_angle: between two cell edges, and at least min_angle between an edge and the plane
    of the other two; max_neighbour: every atom has another one, or an image, at most this far away;
    max_energy: absolute value, eV/atom; max_force: on any atom, eV/angstrom.
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
        """Return the guards of ``relaxation.guards``; keys left out keep their default.

        Raises InputError for an unknown key or a limit that is not a positive number.
        """
        known = [field.name for field in fields(cls)]
        for key, value in config.items():
            if key not in known:
                raise InputError(f"relaxation.guards.{key} is unknown; the guards are {', '.join(known)}.")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
                raise InputError(f"relaxation.guards.{key} is {value!r}; give a positive number.")
        return cls(**{key: float(value) for key, value in config.items()})


def check_cell(cell: np.ndarray, n_atoms: int, guards: Guards) -> str:
    """Return "" or why a cell (3, 3; rows are edges, angstrom) holding ``n_atoms`` is refused.

    The reasons are ``not_finite``, ``too_close`` (an edge, so an atom and its image), ``too_dense``,
    ``too_sparse`` and ``flat_cell``. Cheap enough for every step of a relaxation.
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
    # Three edges can lie in one plane with every angle near 120 degree, so the heights are looked at too.
    faces = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    inclinations = np.degrees(np.arcsin(np.clip(volume / (faces * lengths), 0, 1)))
    if angles.min() < guards.min_angle or angles.max() > guards.max_angle or inclinations.min() < guards.min_angle:
        return "flat_cell"
    return ""


def check_structure(structure: Structure, guards: Guards) -> str:
    """Return "" or why a crystal is refused.

    The reasons are those of :func:`check_cell`, ``too_close`` for two atoms, and ``isolated_atom`` for an
    atom without any neighbour within ``max_neighbour``, as in a crystal that fell apart.
    """
    if not np.isfinite(structure.frac_coords).all():
        return "not_finite"
    # The cell comes first: in a cell that passes, the number of images within reach is bounded.
    reason = check_cell(structure.lattice.matrix, len(structure), guards)
    if reason:
        return reason
    centres, _, _, distances = structure.get_neighbor_list(guards.max_neighbour)
    if distances.size and distances.min() < guards.min_distance:
        return "too_close"
    if len(np.unique(centres)) < len(structure):
        return "isolated_atom"
    return ""


def check_step(energy_per_atom: float, fmax: float, guards: Guards) -> str:
    """Return "" or why the energy (eV/atom) and largest force (eV/angstrom) of one step are refused."""
    if not (np.isfinite(energy_per_atom) and np.isfinite(fmax)):
        return "not_finite"
    if abs(energy_per_atom) > guards.max_energy:
        return "energy_exploded"
    if fmax > guards.max_force:
        return "force_exploded"
    return ""
