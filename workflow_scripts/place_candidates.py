"""Place relaxed candidates on the database's hull and say which are distinct."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.evaluation")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.database.energies import hull_of, to_table, with_formation_energies, with_hull_distances
    from ccdcgan.database.energy_correction import correction_of
    from ccdcgan.evaluation.novelty import find_known, find_repeats, known_structures
    from ccdcgan.evaluation.placement import displacement
    from ccdcgan.relaxation.slices import gather
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, elements = snakemake.input, snakemake.params.elements
    references = read_csv(inputs.references).set_index("element")["energy_per_atom"].to_dict()
    relaxed = gather([read_set(path) for path in inputs.batches])
    correction = correction_of(snakemake.params.engine, elements, snakemake.params.correction)
    candidates = with_formation_energies(relaxed, references, correction)
    database = [crystal for crystal in read_set(inputs.database) if crystal.info["status"] == "ok"]
    candidates = with_hull_distances(candidates, hull_of(database, elements))
    uniqueness = Uniqueness(snakemake.params.matcher)
    repeats, novel = find_repeats(candidates, database, uniqueness)
    generated = {crystal.id: crystal for crystal in read_set(inputs.generated)}
    table = to_table(candidates, elements).assign(
        repeats=repeats,
        novel=novel,
        known=find_known(candidates, known_structures(read_set(inputs.prototypes), elements), uniqueness),
        repaired=[generated[crystal.id].info.get("repaired", "") for crystal in candidates],
        rmsd=[displacement(generated[crystal.id].structure, crystal.structure) for crystal in relaxed],
    )
    log.info(
        "%d relaxed of %d, %d new to the database",
        (table["status"] == "ok").sum(),
        len(table),
        table["novel"].sum(),
    )
    for formula in snakemake.params.holdout:
        of_it = (table["formula"] == formula) & (table["status"] == "ok")
        found = table.loc[of_it & ~table["novel"], "repeats"].nunique()
        log.info("held out of training, %s: %d relaxed, %d of the database found again", formula, of_it.sum(), found)
    write_set(snakemake.output.crystals, candidates)
    write_csv(snakemake.output.table, table)
