"""Formation energies and hull distances of the database and of relaxed candidates."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from ccdcgan.crystals.elements import can_be_reference
from ccdcgan.crystals.structures import Crystal, standard_cell
from ccdcgan.database.energy_correction import UNCORRECTED, Correction, correction_of
from ccdcgan.database.energy_scheme import RAW_SCHEME, EnergyScheme, scheme_of
from ccdcgan.database.thermodynamics import convex_hull, formation_energy, hull_distance, near_hull
from ccdcgan.database.typical_errors import UNKNOWN_ERROR, TypicalError, typical_error
from ccdcgan.utils.errors import InputError

SPACE_GROUP_TOLERANCE = 0.1
"""Tolerance (angstrom) of the symmetry search for the space group of a relaxed crystal."""

MEASURED_HERE = "DFT points of the system"
"""Source of an uncertainty that follows from crystals of the system computed with DFT."""

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
    "energy_scheme",
    "e_above_hull",
    "e_above_hull_uncertainty",
    "uncertainty_source",
    "fmax",
    "n_steps",
    "status",
    "reason",
    "detail",
)
"""Columns of :func:`to_table`."""


@dataclass(frozen=True)
class EnergyReferences:
    """What the formation energies of one engine are computed with.

    Args:
        elements: Element -> energy of its reference crystal, eV/atom.
        scheme: Energy scheme of the engine.
        correction: Learned correction of the engine's formation energies, added to those of the scheme.
        typical_error: Error of the engine in systems of this class, stated where the correction has no uncertainty.
    """

    elements: Mapping[str, float]
    scheme: EnergyScheme = RAW_SCHEME
    correction: Correction = UNCORRECTED
    typical_error: TypicalError = UNKNOWN_ERROR

    @classmethod
    def of_run(
        cls, table: pd.DataFrame, engine: str, chosen_scheme: str, chosen_correction: str | None
    ) -> "EnergyReferences":
        """Return the references of a run.

        Args:
            table: Table of the elements, from :func:`ccdcgan.database.thermodynamics.lowest_references`.
            engine: Label of the engine.
            chosen_scheme: ``relaxation.energy_scheme``.
            chosen_correction: ``relaxation.energy_correction``.

        Raises:
            InputError: If the scheme or the correction does not fit the engine.
        """
        energies = table.set_index("element")["energy_per_atom"].to_dict()
        scheme = scheme_of(engine, chosen_scheme)
        correction = correction_of(engine, list(energies), chosen_correction, scheme)
        return cls(energies, scheme, correction, typical_error(engine, scheme, list(energies)))


def with_formation_energies(crystals: Iterable[Crystal], references: EnergyReferences) -> list[Crystal]:
    """Return relaxed crystals in their standard cell with formation energy and space group.

    Failed crystals are returned unchanged. A relaxed crystal without a standard cell becomes a failure with the reason
    ``no_standard_cell``. So does a crystal of one element in a spurious minimum of the engine, which cannot be the
    reference of that element (``spurious_element``). Crystals get ``formation_energy``,
    ``uncorrected_formation_energy`` (without scheme and correction) and ``formation_energy_uncertainty`` (all eV/atom),
    ``uncertainty_source`` and ``energy_scheme``.

    Args:
        crystals: Crystals after relaxation.
        references: Energies of the elements, energy scheme and correction.
    """
    result = []
    scheme = references.scheme.label(list(references.elements))
    for crystal in crystals:
        if crystal.info["status"] == "ok":
            try:
                structure = standard_cell(crystal.structure)
            except InputError as error:
                result.append(crystal.updated(status="failed", reason="no_standard_cell", detail=str(error)))
                continue
            if len(structure.composition) == 1 and not can_be_reference(structure):
                result.append(crystal.updated(status="failed", reason="spurious_element", detail=""))
                continue
            energy = formation_energy(structure.composition, crystal.info["energy_per_atom"], references.elements)
            shift, uncertainty = references.correction.of(structure)
            source = MEASURED_HERE
            if math.isnan(uncertainty):
                uncertainty, source = references.typical_error.value, references.typical_error.source
            symmetry = SpacegroupAnalyzer(structure, symprec=SPACE_GROUP_TOLERANCE)
            crystal = Crystal(crystal.id, structure, crystal.info).updated(
                stage="relaxed",
                uncorrected_formation_energy=energy,
                formation_energy=energy + references.scheme.of(structure) + shift,
                formation_energy_uncertainty=uncertainty,
                uncertainty_source=source,
                energy_scheme=scheme,
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


def relaxed_not_held_out(crystals: Iterable[Crystal], holdout: Collection[str]) -> list[Crystal]:
    """Return the relaxed crystals whose composition is not held out.

    Crystal graphs are made of these crystals only. Neither a model trained on crystal graphs nor their scale depends on
    the others.

    Args:
        crystals: Crystals of the database, or known phases.
        holdout: Reduced formulas of the compositions held out.
    """
    return [crystal for crystal in crystals if crystal.info["status"] == "ok" and crystal.formula not in holdout]


def without_compositions(
    crystals: Iterable[Crystal], phases: Iterable[Crystal], elements: Sequence[str], holdout: Collection[str]
) -> list[Crystal]:
    """Return the relaxed crystals whose composition is not held out, with distances to the hull without those held out.

    Args:
        crystals: Crystals of the database with formation energies.
        phases: Known phases with formation energies.
        elements: Elements of the system.
        holdout: Reduced formulas of the compositions held out.
    """
    kept, others = (relaxed_not_held_out(both, holdout) for both in (crystals, phases))
    return with_hull_distances(kept, hull_of([*kept, *others], elements)) if holdout else kept


def far_from_hull(
    crystals: Iterable[Crystal], references: EnergyReferences, phases: Sequence[Crystal], limit: float
) -> set[str]:
    """Return the identifiers of the relaxed crystals that are not meta-stable.

    Args:
        crystals: Crystals after relaxation.
        references: Energies of the elements, energy scheme and correction.
        phases: Crystals that define the hull, with formation energies.
        limit: Hull distance below which a crystal with a negative formation energy is meta-stable, eV/atom.
    """
    hull = hull_of(phases, list(references.elements))
    placed = with_hull_distances(with_formation_energies(crystals, references), hull)
    return {
        crystal.id
        for crystal in placed
        if crystal.info["status"] == "ok"
        and not near_hull(crystal.info["formation_energy"], crystal.info["e_above_hull"], limit)
    }


def database_energies(
    crystals: Sequence[Crystal],
    references: EnergyReferences,
    elements: Sequence[str],
    known: Sequence[Crystal] = (),
) -> tuple[list[Crystal], PhaseDiagram]:
    """Return the crystals of the database with formation energies and hull distances, and the convex hull.

    Args:
        crystals: Substituted crystals after relaxation.
        references: Energies of the elements, energy scheme and correction.
        elements: Elements of the system.
        known: Known phases with formation energies, which join the hull.

    Raises:
        InputError: If no crystal of the database was relaxed.
    """
    placed = with_formation_energies(crystals, references)
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
