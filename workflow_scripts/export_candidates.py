"""Export the candidates: tables, structure files, an ASE database, and OPTIMADE JSON lines."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.exports")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.exports.optimade import write_optimade
    from ccdcgan.exports.structure_files import in_table_order, write_ase_database, write_cif_archive, write_extxyz
    from ccdcgan.exports.tables import export_table, write_tables
    from ccdcgan.utils.files import read_csv

    inputs, output = snakemake.input, snakemake.output
    table = export_table(read_csv(inputs.candidates))
    crystals = in_table_order(table, [crystal for path in inputs.placed for crystal in read_set(path)])
    write_tables(table, output.csv, output.parquet)
    write_extxyz(output.extxyz, crystals)
    write_cif_archive(output.cif, crystals)
    write_ase_database(output.ase, crystals, f"Candidates for {snakemake.params.system}")
    write_optimade(output.optimade, table, crystals)
    log.info("%d candidates written in six formats", len(table))
