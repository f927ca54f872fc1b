"""Download crystals from the Materials Project in parts."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.database.prototypes.materials_project import fetch_materials_project

    output = snakemake.output
    settings, n_elements, max_atoms = snakemake.params.query
    fetch_materials_project(
        output.materials_project, output.materials_project_provenance, settings, n_elements, max_atoms
    )
