"""Placement of relaxed candidates: hull distances, novelty, and the way from the generated to the relaxed crystal."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.energies import hull_of, to_table, with_hull_distances
from ccdcgan.evaluation.novelty import find_known, find_repeats, known_structures


def displacement(generated: Structure, relaxed: Structure) -> float:
    """Return the root mean square displacement (angstrom) of the atoms from a generated to its relaxed crystal.

    Both have the same atoms in the same order. Fractional displacements, without the common drift, are measured in the
    relaxed cell, so that a change of the cell alone does not count. NaN if the atoms are not the same.
    """
    if [site.specie for site in generated] != [site.specie for site in relaxed]:
        return float("nan")
    moved = relaxed.frac_coords - generated.frac_coords
    moved -= np.round(moved - moved[0]) + moved[0]  # nearest images with the first atom at rest
    moved -= moved.mean(axis=0)
    return float(np.sqrt(((moved @ relaxed.lattice.matrix) ** 2).sum(axis=1).mean()))


def place(
    candidates: Sequence[Crystal],
    generated: Mapping[str, Crystal],
    database: Sequence[Crystal],
    prototypes: Sequence[Crystal],
    elements: Sequence[str],
    uniqueness: Uniqueness,
) -> tuple[list[Crystal], pd.DataFrame]:
    """Place relaxed candidates on the hull of the database and find those that are new.

    Args:
        candidates: Relaxed candidates with formation energies, failed ones included.
        generated: The same candidates as generated, by id.
        database: Relaxed crystals of the database.
        prototypes: Crystals of the sources.
        elements: Elements of the system.
        uniqueness: Compares crystals.

    Returns:
        The candidates with hull distances, and their table with repeats, novel, known, repaired and rmsd (angstrom).
    """
    placed = with_hull_distances(candidates, hull_of(database, elements))
    repeats, novel = find_repeats(placed, database, uniqueness)
    table = to_table(placed, elements).assign(
        repeats=repeats,
        novel=novel,
        known=find_known(placed, known_structures(prototypes, elements), uniqueness),
        repaired=[generated[crystal.id].info.get("repaired", "") for crystal in placed],
        rmsd=[displacement(generated[crystal.id].structure, crystal.structure) for crystal in candidates],
    )
    return placed, table
