"""Collect the phonons of all ranks in a table and a figure, and the crystals to which imaginary modes lead."""

from pathlib import Path

from ccdcgan_workflow.jobs import job

with job(snakemake):
    import pandas as pd

    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.figures.phonons import phonon_bands
    from ccdcgan.figures.style import save_figure
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, output = snakemake.input, snakemake.output
    tables = [table for table in map(read_csv, inputs.tables) if len(table)]
    table = pd.concat(tables, ignore_index=True) if tables else read_csv(inputs.tables[0])
    write_csv(output.table, table)
    write_set(output.ends, [crystal for path in inputs.ends for crystal in read_set(path)])
    save_figure(phonon_bands(table, [read_csv(path) for path in inputs.bands]), Path(output.figure).with_suffix(""))
