"""Download crystals from OPTIMADE providers in parts."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.database.prototypes.optimade import fetch_optimade

    output = snakemake.output
    settings, n_elements, max_atoms = snakemake.params.query
    fetch_optimade(output.optimade, output.optimade_provenance, settings, n_elements, max_atoms)
