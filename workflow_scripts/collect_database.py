"""Gather the relaxed batches and the known phases, and compute their formation energies and hull distances."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.database")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.database.energies import (
        EnergyReferences,
        database_energies,
        to_table,
        with_formation_energies,
        with_hull_distances,
    )
    from ccdcgan.evaluation.novelty import find_known, known_phases_table
    from ccdcgan.relaxation.slices import gather
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    elements, uniqueness = params.elements, Uniqueness(params.matcher)
    references = EnergyReferences.of_run(read_csv(inputs.references), params.engine, params.scheme, params.correction)
    log.info("energy scheme: %s. %s", references.scheme.label(elements), references.scheme.reason)
    crystals, phases = (gather([read_set(path) for path in paths]) for paths in (inputs.batches, inputs.known))
    phases = with_formation_energies(phases, references)
    crystals, hull = database_energies(crystals, references, elements, phases)
    phases = with_hull_distances(phases, hull)
    relaxed = [crystal for crystal in crystals if crystal.info["status"] == "ok"]
    stable = sorted(entry.composition.reduced_formula for entry in hull.stable_entries)
    log.info("%d of %d crystals relaxed; on the hull: %s", len(relaxed), len(crystals), ", ".join(stable))
    write_set(output.crystals, crystals)
    write_csv(output.table, to_table(crystals, elements).assign(known=find_known(crystals, phases, uniqueness)))
    write_set(output.known, phases)
    write_csv(output.known_table, known_phases_table(phases, relaxed, elements, uniqueness))
