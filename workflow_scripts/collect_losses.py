"""Count the rejected samples and candidates of every scheme by reason."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.evaluation.attrition import count_losses
    from ccdcgan.utils.files import read_csv, write_csv

    inputs = snakemake.input
    counts = dict(zip(snakemake.params.schemes, map(read_csv, inputs.losses), strict=True))
    write_csv(snakemake.output[0], count_losses(read_csv(inputs.candidates), counts, read_csv(inputs.summary)))
