"""What joins the library to Snakemake: the configuration's check, code fingerprints, jobs, the run's lock."""
