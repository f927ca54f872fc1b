"""Substitute the elements into the prototypes, without duplicates; add candidates of earlier runs."""

import logging
from pathlib import Path

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.substitution")

with job(snakemake):
    import pandas as pd

    from ccdcgan.crystals.elements import elemental_crystals
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.database.earlier_runs import join, new_candidates
    from ccdcgan.database.substitution import as_it_is, as_row, describe_drops, substitute
    from ccdcgan.database.substitution_rules import SubstitutionRules
    from ccdcgan.utils.errors import InputError
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, params = snakemake.input, snakemake.params
    fewest, most = params.n_elements
    uniqueness = Uniqueness(params.matcher, snakemake.threads)
    crystals, table = substitute(
        read_set(inputs.prototypes),
        params.elements,
        range(fewest, most + 1),
        params.max_length,
        uniqueness,
        snakemake.threads,
        SubstitutionRules(**params.rules),
    )
    if len(params.elements) == 1 and (own := elemental_crystals(params.elements[0])):
        crystals, table = [*crystals, *map(as_it_is, own)], pd.concat([table, *map(as_row, own)], ignore_index=True)
    log.info(describe_drops(table, f"substituted {'-'.join(params.elements)}"))
    if not crystals:
        raise InputError(
            f"no prototype with {fewest} to {most} elements gave a crystal of {'-'.join(params.elements)}; add a "
            "source to prototypes.sources or increase prototypes.max_atoms and prototypes.max_length."
        )
    candidates = []
    for run, evaluated in zip(params.get("earlier_runs", []), inputs.get("evaluated", []), strict=True):
        generated = [path for path in inputs.generated if path.startswith(f"{Path(evaluated).parent}/")]
        candidates += new_candidates(run, read_csv(evaluated), [c for path in generated for c in read_set(path)])
    if candidates:
        crystals, joined = join(crystals, candidates, uniqueness)
        table = pd.concat([table, joined], ignore_index=True)
    write_set(snakemake.output.crystals, crystals)
    write_csv(snakemake.output.table, table)
