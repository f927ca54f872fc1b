"""Fetch crystals from the Materials Project, part by part."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.database.prototypes.materials_project import fetch_materials_project

    output = snakemake.output
    fetch_materials_project(output.materials_project, output.materials_project_provenance, *snakemake.params.query)
