"""Summarise every scheme: the table of Long et al."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.evaluation")

with job(snakemake):
    import pandas as pd

    from ccdcgan.evaluation.attrition import database_counts
    from ccdcgan.evaluation.summary import evaluate_scheme
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    evaluated = [
        evaluate_scheme(scheme, *map(read_csv, tables), params.screen, params.thresholds, params.compositions)
        for scheme, *tables in zip(params.schemes, inputs.placed, inputs.predicted, inputs.losses, strict=True)
    ]
    candidates = pd.concat([table for table, _ in evaluated], ignore_index=True)
    summary = pd.concat([rows for _, rows in evaluated], ignore_index=True)
    for row in summary.itertuples():
        log.info("%s, %s: %.4g %s", row.scheme, row.quantity, row.value, row.unit)
    write_csv(output.summary, summary[["scheme", "quantity", "numerator", "denominator", "value", "unit"]])
    write_csv(output.candidates, candidates)
    tables = [read_csv(path) for path in (inputs.prototypes, inputs.substituted, inputs.database)]
    write_csv(output.database, database_counts(*tables, params.thresholds))
