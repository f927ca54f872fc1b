"""Measure the shortest bonds of the database, from which the distance rule of the candidates follows."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.distances")

with job(snakemake):
    import numpy as np

    from ccdcgan.crystals.distances import bond_table, rejected_bonds, start_distances
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.energies import without_compositions
    from ccdcgan.utils.files import write_csv

    inputs, params = snakemake.input, snakemake.params
    database, known = read_set(inputs.database), read_set(inputs.known)
    crystals = without_compositions(database, known, params.elements, params.holdout)
    structures = [
        crystal.structure for crystal in crystals if crystal.info.get("e_above_hull", np.inf) <= params.near_hull
    ]
    refused = start_distances(params.elements, params.guard, params.displacement)
    table = bond_table(structures, params.elements, params.min_distance, refused)
    for row in table.itertuples():
        log.info("%s: shortest bond %.2f angstrom, minimum distance %.2f angstrom", row.pair, row.shortest, row.limit)
    for row in rejected_bonds(table).itertuples():
        log.warning(
            "generation.min_distance is %g angstrom, but %s bonds of the database are as short as %.2f angstrom; "
            "candidates with such bonds are rejected. Use auto.",
            row.limit,
            row.pair,
            row.shortest,
        )
    write_csv(snakemake.output[0], table)
