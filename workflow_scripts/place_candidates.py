"""Compute the hull distances of relaxed candidates and find those that are neither in the database nor known."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.evaluation")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.crystals.variants import VariantLimits
    from ccdcgan.database.energies import EnergyReferences, with_formation_energies
    from ccdcgan.evaluation.novelty import with_variants
    from ccdcgan.evaluation.placement import count_rediscovered, place_candidates
    from ccdcgan.relaxation.slices import gather
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, params = snakemake.input, snakemake.params
    references = EnergyReferences.of_run(read_csv(inputs.references), params.engine, params.scheme, params.correction)
    phases = read_set(inputs.known)
    database = [*(crystal for crystal in read_set(inputs.database) if crystal.info["status"] == "ok"), *phases]
    relaxed = gather([read_set(path) for path in inputs.batches])
    symmetric = gather([read_set(path) for path in inputs.symmetric]) if inputs.symmetric else relaxed
    candidates, table = place_candidates(
        with_formation_energies(symmetric, references),
        relaxed,
        {crystal.id: crystal for crystal in read_set(inputs.generated)},
        database,
        [*phases, *read_set(inputs.prototypes)],
        params.elements,
        Uniqueness(params.matcher),
    )
    table = with_variants(table, candidates, database, VariantLimits(**params.variants))
    log.info(
        "%d of %d candidates relaxed, %d of them neither in the database nor known; %d variants",
        (table["status"] == "ok").sum(),
        len(table),
        table["novel"].sum(),
        (table["variant"] != "").sum(),
    )
    for formula, (n_of_formula, n_found) in count_rediscovered(table, params.holdout).items():
        log.info("%s, held out of training: %d relaxed, %d known crystals found", formula, n_of_formula, n_found)
    write_set(snakemake.output.crystals, candidates)
    write_csv(snakemake.output.table, table)
