"""Print the configuration in force as YAML, and where each value comes from."""

print(snakemake.params.text)  # noqa: F821 - the object that Snakemake gives to scripts
