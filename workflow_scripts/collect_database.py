"""Gather the relaxed batches and compute the formation energy and hull distance of every crystal."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.database")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.database.energies import EnergyReferences, database_energies, to_table
    from ccdcgan.relaxation.slices import gather
    from ccdcgan.utils.files import read_csv, write_csv

    elements, params = snakemake.params.elements, snakemake.params
    references = EnergyReferences.of_run(
        read_csv(snakemake.input.references), params.engine, params.scheme, params.correction
    )
    log.info("energy scheme: %s. %s", references.scheme.label(elements), references.scheme.reason)
    crystals = gather([read_set(path) for path in snakemake.input.batches])
    crystals, hull = database_energies(crystals, references, elements)
    n_relaxed = sum(crystal.info["status"] == "ok" for crystal in crystals)
    stable = sorted(entry.composition.reduced_formula for entry in hull.stable_entries)
    log.info("%d of %d crystals relaxed; on the hull: %s", n_relaxed, len(crystals), ", ".join(stable))
    write_set(snakemake.output.crystals, crystals)
    write_csv(snakemake.output.table, to_table(crystals, elements))
