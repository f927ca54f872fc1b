"""Placement of relaxed candidates: hull distances, novelty, and displacements during relaxation."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.energies import hull_of, to_table, with_hull_distances
from ccdcgan.evaluation.novelty import find_known, find_repeats, known_structures

MOST_DISPLACED = 0.5
"""Largest root mean square displacement of :func:`matched_displacement`, in units of the cube root of the volume per
atom, and its value for crystals that do not match."""


def matched_displacement(generated: Structure, relaxed: Structure) -> float:
    """Return the root mean square displacement during relaxation by the definition of MatterGen.

    It is the smallest one over the permutations of equal atoms and the cells of StructureMatcher with wide tolerances
    (Zeni et al., Nature 639, 624 (2025)). Crystals that do not match have the largest value.

    Args:
        generated: The crystal before relaxation.
        relaxed: The crystal after relaxation.

    Returns:
        The displacement, angstrom.
    """
    parameters = np.mean([generated.lattice.parameters, relaxed.lattice.parameters], axis=0)
    length = (Lattice.from_parameters(*parameters).volume / len(generated)) ** (1 / 3)
    matcher = StructureMatcher(ltol=0.5, stol=MOST_DISPLACED, angle_tol=10, scale=False, attempt_supercell=True)
    found = matcher.get_rms_dist(generated, relaxed)
    return float((MOST_DISPLACED if found is None else found[0]) * length)


def displacement(generated: Structure, relaxed: Structure) -> float:
    """Return the root mean square displacement of the atoms during relaxation.

    Fractional displacements, without the common drift, are measured in the relaxed cell. A change of the cell alone
    therefore gives zero.

    Args:
        generated: The crystal before relaxation.
        relaxed: The crystal after relaxation, with the same atoms in the same order.

    Returns:
        The displacement, angstrom; NaN if the two crystals do not have the same atoms.
    """
    if [site.specie for site in generated] != [site.specie for site in relaxed]:
        return float("nan")
    moved = relaxed.frac_coords - generated.frac_coords
    moved -= np.round(moved - moved[0]) + moved[0]  # nearest images with the first atom at rest
    moved -= moved.mean(axis=0)
    return float(np.sqrt(((moved @ relaxed.lattice.matrix) ** 2).sum(axis=1).mean()))


def place_candidates(
    candidates: Sequence[Crystal],
    relaxed: Sequence[Crystal],
    generated: Mapping[str, Crystal],
    database: Sequence[Crystal],
    prototypes: Sequence[Crystal],
    elements: Sequence[str],
    uniqueness: Uniqueness,
) -> tuple[list[Crystal], pd.DataFrame]:
    """Compute the hull distances of relaxed candidates and find those that are new.

    New are candidates that equal neither a crystal of the database nor a known phase.

    Args:
        candidates: Relaxed and, if configured, symmetrised candidates in their standard cells, with formation
            energies, failed ones included.
        relaxed: The same candidates in the same order, with the cells and the order of atoms of the relaxation, which
            are those of ``generated``.
        generated: The same candidates before relaxation, by id.
        database: Relaxed crystals of the database, then the known phases; both make up the hull. A known phase whose
            relaxation failed is compared with in its geometry in the source.
        prototypes: Crystals by which a candidate can be known: the known phases, then those of the prototype sources.
        elements: Elements of the system.
        uniqueness: Compares crystals.

    Returns:
        The candidates with hull distances (eV/atom), and their table with the columns repeats, novel, known, repaired,
        rmsd and rmsd_matched (angstrom; NaN for failed candidates), symmetrisation, symmetry_tolerance (angstrom) and
        symmetry_energy (eV/atom).
    """
    placed = with_hull_distances(candidates, hull_of(database, elements))
    repeats, novel = find_repeats(placed, database, uniqueness)
    table = to_table(placed, elements).assign(
        repeats=repeats,
        novel=novel,
        known=find_known(placed, known_structures(prototypes, elements), uniqueness),
        repaired=[generated[crystal.id].info.get("repaired", "") for crystal in placed],
        rmsd=[displacement(generated[crystal.id].structure, crystal.structure) for crystal in relaxed],
        rmsd_matched=[
            matched_displacement(generated[crystal.id].structure, crystal.structure)
            if crystal.info["status"] == "ok"
            else np.nan
            for crystal in relaxed
        ],
        symmetrisation=[crystal.info.get("symmetrisation", "") for crystal in placed],
        symmetry_tolerance=[crystal.info.get("symmetry_tolerance", np.nan) for crystal in placed],
        symmetry_energy=[crystal.info.get("symmetry_energy", np.nan) for crystal in placed],
    )
    return placed, table


def count_rediscovered(table: pd.DataFrame, formulas: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Count the known crystals that candidates reproduce, for compositions held out of training.

    Args:
        table: Table from :func:`place_candidates`.
        formulas: Reduced formulas of the compositions held out.

    Returns:
        Formula -> number of relaxed candidates, number of crystals of the database and known phases among them.
    """
    counts = {}
    for formula in formulas:
        relaxed = table[(table["formula"] == formula) & (table["status"] == "ok")]
        known = relaxed[~relaxed["novel"].astype(bool)]
        named = (
            known["repeats"]
            if "variant" not in known
            else known["repeats"].where(known["variant"] == "", known["variant"])
        )
        counts[formula] = len(relaxed), named.nunique()
    return counts
