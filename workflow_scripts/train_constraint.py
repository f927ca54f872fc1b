"""Train the constraint for the formation energy and write its table of predictions."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.constraint")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.splits import split_held_out
    from ccdcgan.evaluation.constraint_accuracy import parity_metrics
    from ccdcgan.models.constraint.base import ConstraintData, parity
    from ccdcgan.models.constraint.training import train_constraint
    from ccdcgan.representation.crystal_graph import load_codec, load_graphs
    from ccdcgan.training.loop import TrainingRun
    from ccdcgan.utils.files import read_csv, save_model, write_csv, write_text
    from ccdcgan.utils.seeds import derive_seed

    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    graphs = load_graphs(inputs.graphs)
    table = read_csv(inputs.table).set_index("id").loc[graphs.ids]
    energies = table["formation_energy"].to_numpy()
    settings, seed = params.settings, derive_seed(params.seed, "constraint")
    held_out = split_held_out(table["prototype"], settings["held_out"], params.held_out_by, seed)
    data = ConstraintData(graphs.ids, graphs.graphs, energies, held_out)
    run = TrainingRun.at(params.checkpoint, "constraint", params.precision)
    if inputs.get("crystals"):
        codec, crystals = load_codec(inputs.graphs, inputs.lattice, inputs.sites), read_set(inputs.crystals)
        model = train_constraint(data, settings, run, seed, codec, crystals)
    else:
        model = train_constraint(data, settings, run, seed)
    table = parity(model, graphs.ids, graphs.graphs, energies, held_out)
    for row in parity_metrics(table).itertuples():
        text = "%s, held out by %s: R2 %.2f, MAE %.3f eV/atom, that of the mean %.3f (%d crystals)"
        log.info(text, row.split, params.held_out_by, row.r2, row.mae, row.baseline_mae, row.n)
    save_model(output.model, model)
    write_text(output.history, run.history.read_text())
    write_csv(output.table, table)
