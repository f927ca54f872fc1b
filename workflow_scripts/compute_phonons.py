"""Compute the phonons of one distinct candidate, given by its rank in hull distance."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.phonons")

with job(snakemake):
    import pandas as pd

    from ccdcgan.crystals.structures import read_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.crystals.variants import VariantLimits
    from ccdcgan.evaluation.best import best_distinct
    from ccdcgan.evaluation.phonons import COLUMNS, dynamical_stability
    from ccdcgan.relaxation.engines import make_engine
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    placed = {crystal.id: crystal for path in inputs.placed for crystal in read_set(path)}
    tables = {scheme: read_csv(path) for scheme, path in zip(params.schemes, inputs.tables, strict=True)}
    best = best_distinct(
        tables, placed, params.rank + 1, Uniqueness(params.matcher), limits=VariantLimits(**params.variants)
    )
    rows, bands = [], pd.DataFrame()
    for crystal in best[params.rank :]:
        row, bands = dynamical_stability(crystal, make_engine(params.engine), params.settings)
        rows.append(row)
        log.info("%s: %s", crystal.id, ", ".join(f"{name} {value}" for name, value in row.items() if name != "id"))
    write_csv(output.table, pd.DataFrame(rows, columns=COLUMNS))
    write_csv(output.bands, bands if len(bands) else pd.DataFrame(columns=["id", "segment", "distance", "label"]))
