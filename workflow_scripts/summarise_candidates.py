"""Summarise the results of every scheme, as in the table of Long et al."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.evaluation")

with job(snakemake):
    import pandas as pd

    from ccdcgan.crystals.structures import read_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.crystals.variants import VariantLimits
    from ccdcgan.evaluation.attrition import database_counts
    from ccdcgan.evaluation.best import same_as
    from ccdcgan.evaluation.discovery import discovery_rows
    from ccdcgan.evaluation.summary import evaluate_scheme, in_order_of_quantities
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    evaluated = [
        evaluate_scheme(
            scheme,
            placed=read_csv(placed),
            predicted=read_csv(predicted),
            losses=read_csv(losses),
            screen=params.screen,
            thresholds=params.thresholds,
            compositions=params.compositions,
        )
        for scheme, placed, predicted, losses in zip(
            params.schemes, inputs.placed, inputs.predicted, inputs.losses, strict=True
        )
    ]
    candidates = pd.concat([table for table, _ in evaluated], ignore_index=True)
    crystals = {crystal.id: crystal for path in inputs.crystals for crystal in read_set(path)}
    same = same_as(candidates, crystals, Uniqueness(params.matcher), VariantLimits(**params.variants))
    log.info("%d meta-stable crystals were found by a second scheme", (same != "").sum())
    candidates = candidates.assign(same_as=same)
    speed = pd.DataFrame(discovery_rows(candidates))
    summary = in_order_of_quantities(pd.concat([*(rows for _, rows in evaluated), speed], ignore_index=True))
    for row in summary.itertuples():
        log.info("%s, %s: %.4g %s", row.scheme, row.quantity, row.value, row.unit)
    write_csv(output.summary, summary[["scheme", "quantity", "numerator", "denominator", "value", "unit"]])
    write_csv(output.candidates, candidates)
    counts = database_counts(
        read_csv(inputs.prototypes),
        read_csv(inputs.substituted),
        read_csv(inputs.database),
        params.thresholds,
        (read_csv(inputs.known_found), read_csv(inputs.known)),
    )
    write_csv(output.database, counts)
