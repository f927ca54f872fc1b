"""Symmetrise the meta-stable crystals of one batch; those of earlier attempts are read from the journal."""

import logging
from collections import Counter
from pathlib import Path

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.relaxation")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.database.energies import EnergyReferences, far_from_hull
    from ccdcgan.relaxation.batches import Journal
    from ccdcgan.relaxation.symmetrisation.batches import symmetrise_batch
    from ccdcgan.utils.files import read_csv

    inputs, params = snakemake.input, snakemake.params
    name = "-".join(dict(snakemake.wildcards).values())
    folder = Path(params.journal)
    journal = Journal(folder, code=params.code, work_dir=folder / "work" / name)
    relaxed = read_set(inputs.relaxed)
    references = EnergyReferences.of_run(read_csv(inputs.references), params.engine, params.scheme, params.correction)
    phases = [*read_set(inputs.database), *read_set(inputs.known)]
    far = far_from_hull(relaxed, references, phases, params.meta_stable)
    crystals = symmetrise_batch(relaxed, params.settings, journal, name, far)
    outcomes = Counter(crystal.info.get("symmetrisation", "failed before") for crystal in crystals)
    log.info("%d crystals: %s", len(crystals), ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items())))
    write_set(snakemake.output[0], crystals)
