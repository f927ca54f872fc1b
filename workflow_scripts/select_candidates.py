"""Choose the candidates to relax, and count why samples were lost."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.selection")

with job(snakemake):
    from ccdcgan.files import read_csv, write_csv
    from ccdcgan.selection import select
    from ccdcgan.structures import read_set, write_set

    inputs = snakemake.input
    selected, counts = select(
        [read_set(path) for path in inputs.crystals],
        [read_csv(path) for path in inputs.samples],
        snakemake.params.limit,
    )
    found = int(counts.loc[counts["reason"] == "", "count"].sum())
    log.info("%s: %d of %d candidates are relaxed", snakemake.wildcards.scheme, len(selected), found)
    if not found:
        log.warning(
            "%s gave no candidate in %d samples: train longer (gan.steps, representation.sites.steps) or "
            "generate more (generation.samples); the run goes on without it",
            *(snakemake.wildcards.scheme, counts["count"].sum()),
        )
    write_set(snakemake.output.crystals, selected)
    write_csv(snakemake.output.counts, counts)
