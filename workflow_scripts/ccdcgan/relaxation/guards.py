"""Sanity checks on geometries, energies and forces, with a named reason for every refusal.

Machine-learned potentials return a result for any input: atoms 0.5 angstrom apart get -1e12 eV/atom, isolated atoms
"converge" at once and a NaN coordinate has a finite energy. The same checks are therefore made before, during and after
every relaxation, whatever the engine. Lengths in angstrom, angles in degree, energies in eV.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.elements import closest, densest, farthest, pairs, sparsest
from ccdcgan.utils.errors import InputError

AUTO = "auto"
"""Value of a limit that follows from the elements of the crystal."""

FORMER = {"min_distance": 1.2, "min_volume": 5.0, "max_volume": 150.0, "max_neighbour": 5.0}
"""Limits that may be AUTO -> their default before limits by element existed. AUTO is nowhere stricter."""

GEOMETRIC = ("too_close", "too_dense", "too_sparse", "isolated_atom")
"""Reasons of a refusal that depend on the limits in FORMER."""

JUDGING = ("max_disagreement", "max_rise")
"""Limits that judge finished relaxations."""

AT_END = "energy_at_end"
"""Key of the report of a first stage: energy of its model at the final geometry, eV/atom."""

BY_PAIR: dict[str, Callable[[str, str], float]] = {"min_distance": closest, "max_neighbour": farthest}
BY_ELEMENT: dict[str, Callable[[str], float]] = {"min_volume": densest, "max_volume": sparsest}


@dataclass(frozen=True)
class Guards:
    """Limits of an acceptable crystal; a number holds for all elements, AUTO means :mod:`ccdcgan.crystals.elements`.

    Args:
        min_distance: Shortest distance between two atoms, periodic images of one atom included, angstrom.
        min_volume: Smallest volume, angstrom^3 per atom; AUTO: the mean over the atoms.
        max_volume: Largest volume, angstrom^3 per atom; AUTO: the mean over the atoms.
        min_angle: Smallest angle between two cell edges, and between an edge and the plane of the other two, degree.
        max_angle: Largest angle between two cell edges, degree.
        max_neighbour: Largest distance from an atom to its nearest neighbour or image, angstrom.
        max_energy: Largest absolute energy, eV/atom.
        max_force: Largest force on any atom, eV/angstrom.
        max_disagreement: Largest difference between the energies of the first and the last model, each at its own
            minimum, eV/atom.
        max_rise: Largest energy of the final geometry in the first model, relative to the first model's own minimum
            and to the last model, eV/atom.
    """

    min_distance: float | str = AUTO
    min_volume: float | str = AUTO
    max_volume: float | str = AUTO
    min_angle: float = 20.0
    max_angle: float = 160.0
    max_neighbour: float | str = AUTO
    max_energy: float = 50.0
    max_force: float = 1000.0
    max_disagreement: float = 0.5
    max_rise: float = 0.1

    @classmethod
    def from_config(cls, config: Mapping[str, float | str]) -> "Guards":
        """Return the guards of ``relaxation.guards``; omitted keys have their default.

        Raises:
            InputError: For an unknown key or a limit that is neither a positive number nor an allowed AUTO.
        """
        names = [field.name for field in fields(cls)]
        limits: dict[str, Any] = {}
        for key, value in config.items():
            if key not in names:
                raise InputError(f"relaxation.guards.{key} is unknown; the guards are {', '.join(names)}.")
            if key in FORMER and value == AUTO:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
                allowed = f"a positive number or {AUTO}" if key in FORMER else "a positive number"
                raise InputError(f"relaxation.guards.{key} is {value!r}; give {allowed}.")
            limits[key] = float(value)
        return cls(**limits)

    def former(self) -> "Guards":
        """Return these guards with the default of earlier versions for every AUTO."""
        return Guards(**(vars(self) | {key: limit for key, limit in FORMER.items() if vars(self)[key] == AUTO}))

    def described(self, elements: Iterable[str]) -> dict[str, Any]:
        """Return the limits for crystals of these elements, by the name of the guard.

        A limit is a number if it is the same for all elements, otherwise one per element or per pair of elements.
        Those of JUDGING are left out: they judge finished relaxations and do not change them.
        """
        elements = sorted(set(elements))
        limits = {key: limit for key, limit in vars(self).items() if key not in JUDGING}
        for key in FORMER:
            if limits[key] != AUTO or not elements:
                continue
            if key in BY_PAIR:
                each = {"-".join(pair): BY_PAIR[key](*pair) for pair in pairs(elements)}
            else:
                each = {element: BY_ELEMENT[key](element) for element in elements}
            limits[key] = next(iter(each.values())) if len(set(each.values())) == 1 else each
        return limits


@dataclass(frozen=True)
class _Limits:
    """Limits of one crystal: for each two atoms (n_atoms, n_atoms), angstrom, and of its volume, angstrom^3/atom."""

    closest: np.ndarray
    farthest: np.ndarray
    min_volume: float
    max_volume: float


# One entry for each crystal that is relaxed at the same time.
@lru_cache(maxsize=4096)
def _limits(guards: Guards, symbols: tuple[str, ...]) -> _Limits:
    """Return the limits of a crystal with these atoms."""
    elements, numbers = np.unique(symbols, return_inverse=True)

    def by_pair(key: str) -> np.ndarray:
        limit = getattr(guards, key)
        if limit != AUTO:
            return np.full((len(symbols), len(symbols)), limit)
        table = np.array([[BY_PAIR[key](str(first), str(second)) for second in elements] for first in elements])
        return table[np.ix_(numbers, numbers)]

    def by_element(key: str) -> float:
        limit = getattr(guards, key)
        if limit != AUTO:
            return limit
        return float(np.mean([BY_ELEMENT[key](symbol) for symbol in symbols]))

    volumes = by_element("min_volume"), by_element("max_volume")
    return _Limits(by_pair("min_distance"), by_pair("max_neighbour"), *volumes)


def check_cell(cell: np.ndarray, symbols: Iterable[str], guards: Guards) -> str:
    """Return the reason why a cell is refused, "" if it is accepted.

    The reasons are ``not_finite``, ``too_close`` (an edge, which is the distance between an atom and its image),
    ``too_dense``, ``too_sparse`` and ``flat_cell``. The check is cheap enough for every step of a relaxation.

    Args:
        cell: Cell, shape (3, 3), rows are edges, angstrom.
        symbols: Elements of the atoms in the cell, one per atom.
        guards: Limits.
    """
    if not np.isfinite(cell).all():
        return "not_finite"
    symbols = tuple(symbols)
    limits = _limits(guards, symbols)
    lengths = np.linalg.norm(cell, axis=1)
    # Every atom has an image at the distance of an edge; the largest atoms have the largest limit.
    if lengths.min() < limits.closest.diagonal().max():
        return "too_close"
    volume = abs(np.linalg.det(cell))
    if volume < limits.min_volume * len(symbols):
        return "too_dense"
    if volume > limits.max_volume * len(symbols):
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
    a neighbour within ``max_neighbour``, as in a dissociated crystal. Atoms of a molecule have each other.

    Args:
        structure: Crystal.
        guards: Limits.
    """
    if not np.isfinite(structure.frac_coords).all():
        return "not_finite"
    symbols = tuple(site.specie.symbol for site in structure)
    # The cell is checked first: in an accepted cell the number of images within reach is bounded.
    reason = check_cell(structure.lattice.matrix, symbols, guards)
    if reason:
        return reason
    limits = _limits(guards, symbols)
    # One list of neighbours answers both questions; shortest_distance would need a second one.
    centres, others, _, distances = structure.get_neighbor_list(limits.farthest.max())
    if (distances < limits.closest[centres, others]).any():
        return "too_close"
    if len(np.unique(centres[distances <= limits.farthest[centres, others]])) < len(structure):
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


def check_models(stages: Sequence[Mapping[str, Any]], guards: Guards) -> str:
    """Return the reason why a finished relaxation is refused, "" if it is accepted.

    Potentials have spurious minima far from what they were trained on, each potential others. In a crystal that two of
    them put at very different energies, at least one of them is in such a minimum, and a spurious minimum of the last
    one would be a phase of the hull. The energies can agree although the minima differ: then the final geometry is far
    up in energy for the first model, both above its own minimum and above the energy of the last model. A crystal that
    is high above the first model's minimum only is accepted: there the last model has left a spurious minimum of the
    first one. The reason is ``models_disagree``.

    Args:
        stages: Stages of the relaxation in order, with ``model`` and ``energy_per_atom`` (eV/atom), the first one also
            with AT_END if it was computed.
        guards: Limits.
    """
    if len({stage["model"] for stage in stages}) < 2:
        return ""
    first, last = stages[0]["energy_per_atom"], stages[-1]["energy_per_atom"]
    rise = stages[0].get(AT_END, first) - max(first, last)
    return "models_disagree" if abs(last - first) > guards.max_disagreement or rise > guards.max_rise else ""
