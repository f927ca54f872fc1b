"""Read the configured sources and keep the crystals that can serve as prototypes."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.prototypes")

with job(snakemake):
    from ccdcgan.files import write_csv
    from ccdcgan.prototypes import collect_prototypes
    from ccdcgan.structures import write_set
    from ccdcgan.substitution import describe_drops

    prototypes, table = collect_prototypes(snakemake.params.settings)
    log.info(describe_drops(table, "prototypes"))
    write_set(snakemake.output.crystals, prototypes)
    write_csv(snakemake.output.table, table)
