"""Read the configured sources and keep the crystals that can serve as prototypes."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.prototypes")

with job(snakemake):
    from ccdcgan.files import write_csv
    from ccdcgan.prototypes import collect_prototypes
    from ccdcgan.prototypes.kept import check_kept
    from ccdcgan.structures import write_set
    from ccdcgan.substitution import describe_drops

    params, inputs = snakemake.params, dict(snakemake.input.items())
    fetched = {
        source: inputs[source] for source in params.settings["sources"] if source in inputs and source != "files"
    }
    for source, path in fetched.items():
        check_kept(path, inputs[f"{source}_provenance"])
    prototypes, table = collect_prototypes(params.settings, params.n_elements, fetched, snakemake.threads)
    log.info(describe_drops(table, "prototypes"))
    write_set(snakemake.output.crystals, prototypes)
    write_csv(snakemake.output.table, table)
