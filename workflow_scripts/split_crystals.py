"""Split crystals and prototypes into training and held-out sets; a prototype is in the same set as its crystals."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.split")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.splits import kinds_of_prototypes, split_training
    from ccdcgan.utils.files import read_csv, write_csv

    params = snakemake.params
    table = split_training(
        [crystal for crystal in read_set(snakemake.input.database) if crystal.info["status"] == "ok"],
        read_set(snakemake.input.prototypes),
        kinds_of_prototypes(read_csv(snakemake.input.substituted)),
        params.fraction,
        params.mode,
        params.seed,
        params.holdout,
    )
    counts = table.groupby(["set", "split"]).size()
    log.info("; ".join(f"{name} {split}: {count}" for (name, split), count in counts.items()))
    write_csv(snakemake.output[0], table)
