"""Train the constraint network and write its parity table."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.constraint")

with job(snakemake):
    from ccdcgan.database.splits import split_held_out
    from ccdcgan.evaluation.summary import parity_metrics
    from ccdcgan.models.constraint.image_network import parity
    from ccdcgan.models.constraint.training import train_chosen_constraint
    from ccdcgan.representation.crystal_graph import load_graphs
    from ccdcgan.utils.files import read_csv, save_model, write_csv, write_text
    from ccdcgan.utils.seeds import derive_seed

    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    graphs = load_graphs(inputs.graphs)
    table = read_csv(inputs.table).set_index("id").loc[graphs.ids]
    energies = table["formation_energy"].to_numpy()
    settings, seed = params.settings, derive_seed(params.seed, "constraint")
    held_out = split_held_out(table["prototype"], settings["held_out"], params.held_out_by, seed)
    model, history = train_chosen_constraint(
        graphs,
        energies,
        held_out,
        settings,
        seed,
        checkpoint=params.checkpoint,
        **{name: inputs.get(name) for name in ("crystals", "lattice", "sites")},
        precision=params.precision,
        xla=params.xla,
    )
    table = parity(model, graphs.ids, graphs.graphs, energies, held_out)
    for row in parity_metrics(table).itertuples():
        log.info(
            "%s, held out by %s: R2 %.2f, MAE %.3f eV/atom, that of the mean %.3f (%d crystals)",
            *(row.split, params.held_out_by, row.r2, row.mae, row.baseline_mae, row.n),
        )
    save_model(output.model, model)
    write_text(output.history, history)
    write_csv(output.table, table)
