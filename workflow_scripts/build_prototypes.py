"""Collect the prototypes from the configured sources."""

import json
import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.prototypes")

with job(snakemake):
    from ccdcgan.crystals.structures import write_set
    from ccdcgan.database.prototypes.collection import collect_prototypes
    from ccdcgan.database.prototypes.provenance import check_kept, describe_sources
    from ccdcgan.database.substitution import describe_drops
    from ccdcgan.utils.files import write_csv, write_text

    params, inputs = snakemake.params, dict(snakemake.input.items())
    fetched = {source: inputs[source] for source in params.settings["sources"] if source in inputs}
    provenances = {source: inputs[f"{source}_provenance"] for source in fetched}
    for source, path in fetched.items():
        check_kept(path, provenances[source])
    prototypes, table = collect_prototypes(params.settings, params.n_elements, fetched, snakemake.threads)
    for source, part in table.groupby("source", sort=False):
        log.info(describe_drops(part, f"prototypes of {source}"))
    log.info(describe_drops(table, "prototypes"))
    write_set(snakemake.output.crystals, prototypes)
    write_csv(snakemake.output.table, table)
    write_text(snakemake.output.sources, json.dumps(describe_sources(params.settings, provenances), indent=2) + "\n")
