"""Compare the accuracy of the constraint with baselines that do not use the positions of the atoms."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.baselines")

with job(snakemake):
    from ccdcgan.evaluation.constraint_accuracy import compare_with_baselines
    from ccdcgan.utils.files import read_csv, write_csv
    from ccdcgan.utils.seeds import derive_seed

    inputs, params = snakemake.input, snakemake.params
    parities = dict(zip(params.held_out_by, map(read_csv, inputs.parities), strict=True))
    seed = derive_seed(params.seed, "baselines")
    metrics = compare_with_baselines(parities, read_csv(inputs.database), params.elements, seed)
    for row in metrics[metrics["split"] == "held_out"].itertuples():
        log.info(
            "held out by %s, %s: R2 %.2f, MAE %.3f eV/atom (%d crystals)",
            row.held_out_by,
            row.method,
            row.r2,
            row.mae,
            row.n,
        )
    write_csv(snakemake.output[0], metrics)
