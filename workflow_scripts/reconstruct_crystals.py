"""Read every crystal back from its crystal graph and say whether it is the same."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.reconstruction")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.splits import relaxed_for_training
    from ccdcgan.representation.autoencoders import load_autoencoder
    from ccdcgan.representation.crystal_graph import load_graphs
    from ccdcgan.representation.reconstruction import make_examples, reconstruct, summarise
    from ccdcgan.representation.reconstruction_examples import choose, save_examples
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, output = snakemake.input, snakemake.output
    crystals = relaxed_for_training(read_set(inputs.database), snakemake.params.holdout)
    split = read_csv(inputs.split)
    split = split[split["set"] == "database"].set_index("id")["split"].loc[[crystal.id for crystal in crystals]]
    graphs, max_atoms = load_graphs(inputs.graphs), snakemake.params.max_atoms
    networks = load_autoencoder(inputs.lattice), load_autoencoder(inputs.sites)
    table = reconstruct(crystals, graphs, *networks, (split == "held_out").to_numpy(), max_atoms)
    summary = summarise(table, snakemake.params.held_out_by)
    for row in summary.itertuples():
        log.info(
            "%s, held out by %s: %d of %d crystals come back, %d from voxels alone; sites error %.3g, all-zero %.3g",
            *(row.split, row.held_out_by, row.matched, row.n, row.voxels_matched, row.sites_error, row.sites_all_zero),
        )
    write_csv(output.table, table)
    write_csv(output.summary, summary)
    by_id = {crystal.id: crystal for crystal in crystals}
    save_examples(output.examples, output.crystals, make_examples(choose(table), by_id, graphs, *networks, max_atoms))
