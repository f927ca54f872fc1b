"""Formation energies and hull distances of the database and of relaxed candidates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from ccdcgan.crystals.structures import Crystal, standard_cell
from ccdcgan.database.energy_correction import UNCORRECTED, Correction
from ccdcgan.database.thermodynamics import convex_hull, formation_energy, hull_distance
from ccdcgan.utils.errors import InputError

SPACE_GROUP_TOLERANCE = 0.1
"""Tolerance (angstrom) of the symmetry search for the space group of a relaxed crystal."""

TABLE_COLUMNS = (
    "id",
    "prototype",
    "formula",
    "fraction",
    "n_atoms",
    "volume_per_atom",
    "space_group",
    "energy_per_atom",
    "formation_energy",
    "uncorrected_formation_energy",
    "e_above_hull",
    "e_above_hull_uncertainty",
    "fmax",
    "n_steps",
    "status",
    "reason",
    "detail",
)
"""Columns of :func:`to_table`."""


def with_formation_energies(
    crystals: Iterable[Crystal], references: Mapping[str, float], correction: Correction = UNCORRECTED
) -> list[Crystal]:
    """Return relaxed crystals in their standard cell with formation energy and space group.

    Failed crystals are returned unchanged. A relaxed crystal without a standard cell becomes a failure with the reason
    ``no_standard_cell``.

    Args:
        crystals: Crystals after relaxation.
        references: Element -> energy of its reference crystal, eV/atom.
        correction: Correction of the formation energies. The uncorrected energy is kept as
            ``uncorrected_formation_energy``, and the uncertainty is ``formation_energy_uncertainty``, both eV/atom.
    """
    result = []
    for crystal in crystals:
        if crystal.info["status"] == "ok":
            try:
                structure = standard_cell(crystal.structure)
            except InputError as error:
                result.append(crystal.updated(status="failed", reason="no_standard_cell", detail=str(error)))
                continue
            energy = formation_energy(structure.composition, crystal.info["energy_per_atom"], references)
            shift, uncertainty = correction.of(structure)
            symmetry = SpacegroupAnalyzer(structure, symprec=SPACE_GROUP_TOLERANCE)
            crystal = Crystal(crystal.id, structure, crystal.info).updated(
                stage="relaxed",
                uncorrected_formation_energy=energy,
                formation_energy=energy + shift,
                formation_energy_uncertainty=uncertainty,
                space_group=symmetry.get_space_group_symbol(),
            )
        result.append(crystal)
    return result


def hull_of(crystals: Sequence[Crystal], elements: Sequence[str]) -> PhaseDiagram:
    """Return the convex hull of the relaxed compounds and the elements, whose formation energy is zero."""
    relaxed = [c for c in crystals if c.info["status"] == "ok" and len(c.structure.composition) > 1]
    return convex_hull(
        [crystal.structure.composition for crystal in relaxed],
        [crystal.info["formation_energy"] for crystal in relaxed],
        elements,
    )


def with_hull_distances(crystals: Iterable[Crystal], hull: PhaseDiagram) -> list[Crystal]:
    """Return crystals with their hull distance ``e_above_hull`` and its uncertainty (eV/atom), if they are relaxed.

    A crystal that is not part of the hull can be below it, with a negative distance. The uncertainty is that of the
    crystal's own formation energy, NaN if unknown.

    Args:
        crystals: Crystals with formation energies.
        hull: Convex hull of the database.
    """
    return [
        crystal.updated(
            e_above_hull=hull_distance(hull, crystal.structure.composition, crystal.info["formation_energy"]),
            e_above_hull_uncertainty=crystal.info.get("formation_energy_uncertainty", float("nan")),
        )
        if crystal.info["status"] == "ok"
        else crystal
        for crystal in crystals
    ]


def database_energies(
    crystals: Sequence[Crystal],
    references: Mapping[str, float],
    elements: Sequence[str],
    correction: Correction = UNCORRECTED,
    known: Sequence[Crystal] = (),
) -> tuple[list[Crystal], PhaseDiagram]:
    """Return the crystals of the database with formation energies and hull distances, and the convex hull.

    Args:
        crystals: Substituted crystals after relaxation.
        references: Element -> energy of its reference crystal, eV/atom.
        elements: Elements of the system.
        correction: Correction of the formation energies.
        known: Known phases with formation energies, which join the hull.

    Raises:
        InputError: If no crystal of the database was relaxed.
    """
    placed = with_formation_energies(crystals, references, correction)
    if not any(crystal.info["status"] == "ok" for crystal in placed):
        reasons = sorted({crystal.info["reason"] for crystal in placed})
        raise InputError(
            f"none of the {len(placed)} substituted crystals could be relaxed ({', '.join(reasons)}); see the logs of "
            "relax_database, and check relaxation.guards and relaxation.max_steps in the configuration."
        )
    hull = hull_of([*placed, *known], elements)
    return with_hull_distances(placed, hull), hull


def to_table(crystals: Iterable[Crystal], elements: Sequence[str]) -> pd.DataFrame:
    """Return the table of a set of crystals, one row per crystal in order, including failures.

    Args:
        crystals: Crystals.
        elements: Elements of the system.

    Returns:
        Table with TABLE_COLUMNS: energies in eV/atom, volume in angstrom^3/atom; ``fraction`` is the atomic fraction of
        the last element of the system.
    """
    rows: list[dict[str, Any]] = []
    for crystal in crystals:
        structure = crystal.structure
        row = {
            "id": crystal.id,
            "formula": crystal.formula,
            "fraction": structure.composition.get_atomic_fraction(elements[-1]),
            "n_atoms": len(structure),
            "volume_per_atom": structure.volume / len(structure),
        }
        rows.append(row | {key: crystal.info.get(key) for key in TABLE_COLUMNS if key not in row})
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
