"""Compute mean and standard deviation of the summary over this run and those with other seeds."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.evaluation.seed_statistics import scatter
    from ccdcgan.utils.files import read_csv, write_csv

    runs = zip(snakemake.params.runs, map(read_csv, [snakemake.input.summary, *snakemake.input.others]), strict=True)
    write_csv(snakemake.output[0], scatter(dict(runs)))
