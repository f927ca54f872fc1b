"""Interface between the library and Snakemake: validation of the configuration, code fingerprints, jobs, locks."""
