"""Collect the crystals on which the autoencoders are pre-trained."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.pretraining")

with job(snakemake):
    from ccdcgan.crystals.structures import write_set
    from ccdcgan.database.prototypes.collection import collect_prototypes
    from ccdcgan.database.substitution import describe_drops
    from ccdcgan.representation.pretraining.crystals import choose_crystals

    params = snakemake.params
    prototypes, table = collect_prototypes(params.prototypes, params.n_elements, processes=snakemake.threads)
    log.info(describe_drops(table, "prototypes"))
    crystals = choose_crystals(prototypes, params.most_of_a_kind, params.held_out, params.seed, snakemake.threads)
    kinds = {crystal.info["kind"]: crystal.info["split"] for crystal in crystals}
    log.info(
        "%d of %d prototypes, each with a rescaled copy; %d kinds, %d held out",
        len(crystals) // 2,
        len(prototypes),
        len(kinds),
        list(kinds.values()).count("held_out"),
    )
    write_set(snakemake.output.crystals, crystals)
