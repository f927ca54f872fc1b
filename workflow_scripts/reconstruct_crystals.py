"""Reconstruct every crystal from its crystal graph and compare it with the original."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.reconstruction")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.energies import relaxed_not_held_out
    from ccdcgan.representation.crystal_graph import load_codec, load_graphs
    from ccdcgan.representation.reconstruction import make_examples, reconstruct, summarise
    from ccdcgan.representation.reconstruction_examples import choose_examples, save_examples
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    crystals = relaxed_not_held_out(read_set(inputs.database), params.holdout)
    split = read_csv(inputs.split)
    split = split[split["set"] == "database"].set_index("id")["split"].loc[[crystal.id for crystal in crystals]]
    graphs, codec = load_graphs(inputs.graphs), load_codec(inputs.graphs, inputs.lattice, inputs.sites)
    table = reconstruct(codec, crystals, graphs, (split == "held_out").to_numpy(), params.max_atoms)
    summary = summarise(table, params.held_out_by)
    for row in summary.itertuples():
        text = "%s, held out by %s: %d of %d crystals reconstructed (%d from voxels alone)"
        log.info(text, row.split, row.held_out_by, row.matched, row.n, row.voxels_matched)
        log.info("%s: sites error %.3g, all-zero %.3g", row.split, row.sites_error, row.sites_all_zero)
    write_csv(output.table, table)
    write_csv(output.summary, summary)
    by_id = {crystal.id: crystal for crystal in crystals}
    examples = make_examples(codec, choose_examples(table), by_id, graphs, params.max_atoms)
    save_examples(output.examples, output.crystals, examples)
