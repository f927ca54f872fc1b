"""Symmetrise one batch of relaxed crystals; finished crystals of earlier attempts are read from the journal."""

import logging
from collections import Counter
from pathlib import Path

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.relaxation")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.relaxation.batches import Journal
    from ccdcgan.relaxation.symmetrisation.batches import symmetrise_batch

    params = snakemake.params
    name = "-".join(dict(snakemake.wildcards).values())
    folder = Path(params.journal)
    journal = Journal(folder, code=params.code, work_dir=folder / "work" / name)
    crystals = symmetrise_batch(read_set(snakemake.input[0]), params.settings, journal, name)
    outcomes = Counter(crystal.info.get("symmetrisation", "failed before") for crystal in crystals)
    log.info("%d crystals: %s", len(crystals), ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items())))
    write_set(snakemake.output[0], crystals)
