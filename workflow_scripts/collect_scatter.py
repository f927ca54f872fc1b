"""Compute mean and standard deviation of the summary over this run and runs with other seeds."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.evaluation.seed_statistics import scatter
    from ccdcgan.utils.files import read_csv, write_csv

    paths = [snakemake.input.summary, *snakemake.input.others]
    summaries = {run: read_csv(path) for run, path in zip(snakemake.params.runs, paths, strict=True)}
    write_csv(snakemake.output[0], scatter(summaries))
