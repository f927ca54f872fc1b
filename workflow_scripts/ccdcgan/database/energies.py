"""The database and the placed candidates: relaxed crystals with formation energy and hull distance."""

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
"""Distance (angstrom) within which a relaxed crystal counts as symmetric."""


def with_formation_energies(
    crystals: Iterable[Crystal], references: Mapping[str, float], correction: Correction = UNCORRECTED
) -> list[Crystal]:
    """Bring relaxed crystals to their standard cell and give them their formation energy and space group.

    references: energy per atom (eV) of each element; correction: of the formation energies, of which the engine's own
    stays as ``uncorrected_formation_energy``, and their ``formation_energy_uncertainty``. Failed crystals stay as they
    are. A relaxed crystal whose cell cannot be brought to standard form becomes a failure, ``no_standard_cell``.
    """
    result = []
    for crystal in crystals:
        if crystal.info["status"] == "ok":
            try:
                structure = standard_cell(crystal.structure)
            except InputError as error:
                result.append(crystal.updated(status="failed", reason="no_standard_cell", detail=str(error)))
                continue
            composition = structure.composition
            energy = formation_energy(composition, crystal.info["energy_per_atom"], references)
            shift, uncertainty = correction.of(structure, energy)
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
    """Return the convex hull of the relaxed crystals and the elements."""
    relaxed = [crystal for crystal in crystals if crystal.info["status"] == "ok"]
    return convex_hull(
        [crystal.structure.composition for crystal in relaxed],
        [crystal.info["formation_energy"] for crystal in relaxed],
        elements,
    )


def with_hull_distances(crystals: Iterable[Crystal], hull: PhaseDiagram) -> list[Crystal]:
    """Give relaxed crystals their distance (eV/atom) to ``hull``; negative below a hull they are not part of.

    Its uncertainty is taken to be that of the crystal's own formation energy, NaN if unknown.
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


def to_table(crystals: Iterable[Crystal], elements: Sequence[str]) -> pd.DataFrame:
    """Return one row per crystal, failures included, in order; energies in eV/atom, volume in angstrom^3/atom.

    ``fraction`` is the atomic fraction of the system's last element.
    """
    columns = [
        *("id", "prototype", "formula", "fraction", "n_atoms", "volume_per_atom", "space_group"),
        *(
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
        ),
    ]
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
        rows.append(row | {key: crystal.info.get(key) for key in columns if key not in row})
    return pd.DataFrame(rows, columns=columns)
