"""Fetch crystals from OPTIMADE providers, part by part."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.database.prototypes.optimade import fetch_optimade

    output = snakemake.output
    fetch_optimade(output.optimade, output.optimade_provenance, *snakemake.params.query)
