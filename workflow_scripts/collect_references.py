"""Find the relaxed unary crystal of lowest energy for each element."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.thermodynamics")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.database.thermodynamics import lowest_references
    from ccdcgan.utils.files import write_csv

    crystals = [crystal for path in snakemake.input for crystal in read_set(path)]
    crystals = [crystal for crystal in crystals if len(crystal.structure.composition) == 1]  # no known compounds
    references = lowest_references(crystals, snakemake.params.elements)
    for row in references.itertuples():
        log.info("%s: %.4f eV/atom (%s)", row.element, row.energy_per_atom, row.prototype)
    write_set(snakemake.output.crystals, crystals)
    write_csv(snakemake.output.table, references)
