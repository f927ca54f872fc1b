"""Relax one batch of a structure set; finished crystals of earlier attempts are read from the journal."""

import logging
from collections import Counter
from pathlib import Path

from ccdcgan_workflow.fingerprints import earlier_relaxations
from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.relaxation")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.relaxation.batches import Journal, relax_batch
    from ccdcgan.relaxation.slices import slice_of

    params, wildcards = snakemake.params, dict(snakemake.wildcards)
    batch = wildcards.get("batch", "000")
    name = "-".join(wildcards.values())
    crystals = slice_of(read_set(snakemake.input[0]), int(batch), params.n_batches)
    folder = Path(params.journal)
    journal = Journal(
        folder,
        code=params.code,
        earlier_code=earlier_relaxations(params.settings["engine"], params.code),
        known_folders=params.get("known_journals", []),
        work_dir=folder / "work" / name,
    )
    relaxed = relax_batch(crystals, params.settings, journal, name)
    reasons = Counter(crystal.info["reason"] for crystal in relaxed if crystal.info["status"] != "ok")
    log.info(
        "%d crystals, %d relaxed%s",
        len(relaxed),
        len(relaxed) - reasons.total(),
        "".join(f", {count} {reason}" for reason, count in sorted(reasons.items())),
    )
    write_set(snakemake.output[0], relaxed)
