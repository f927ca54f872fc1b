"""Compute the phonons of one distinct candidate, given by its rank in hull distance, and follow imaginary modes."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.phonons")

with job(snakemake):
    import pandas as pd

    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.crystals.variants import VariantLimits
    from ccdcgan.evaluation.best import best_distinct
    from ccdcgan.evaluation.novelty import equal_or_variant
    from ccdcgan.evaluation.phonons import COLUMNS, stable_end
    from ccdcgan.relaxation.engines import make_engine
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    placed = {crystal.id: crystal for path in inputs.placed for crystal in read_set(path)}
    tables = {scheme: read_csv(path) for scheme, path in zip(params.schemes, inputs.tables, strict=True)}
    uniqueness, limits = Uniqueness(params.matcher), VariantLimits(**params.variants)
    best = best_distinct(tables, placed, params.rank + 1, uniqueness, limits=limits)
    rows, bands, ends = [], pd.DataFrame(), []
    for crystal in best[params.rank :]:
        row, bands, end = stable_end(crystal, make_engine(params.engine), params.settings)
        if end is not None:
            known = [*read_set(inputs.database), *read_set(inputs.known)]
            energy = crystal.info["formation_energy"] + row["energy_change"]
            row["becomes"] = equal_or_variant(end.structure, energy, known, uniqueness, limits)
            ends.append(end.updated(becomes=row["becomes"]))
        rows.append(row)
        log.info("%s: %s", crystal.id, ", ".join(f"{name} {value}" for name, value in row.items() if name != "id"))
    write_csv(output.table, pd.DataFrame(rows, columns=COLUMNS))
    write_csv(output.bands, bands if len(bands) else pd.DataFrame(columns=["id", "segment", "distance", "label"]))
    write_set(output.end, ends)
