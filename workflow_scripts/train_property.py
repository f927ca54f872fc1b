"""Train a constraint for one property of the objective and write its table of predictions."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.properties")

with job(snakemake):
    import pandas as pd

    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.splits import split_held_out
    from ccdcgan.evaluation.constraint_accuracy import parity_metrics
    from ccdcgan.models.constraint.base import ConstraintData, predict
    from ccdcgan.models.constraint.objective import property_values
    from ccdcgan.models.constraint.training import train_constraint
    from ccdcgan.representation.crystal_graph import load_codec, load_graphs
    from ccdcgan.training.loop import TrainingRun
    from ccdcgan.utils.files import read_csv, save_model, write_csv, write_text
    from ccdcgan.utils.seeds import derive_seed

    params, inputs, output, name = snakemake.params, snakemake.input, snakemake.output, snakemake.wildcards.property
    graphs, table = load_graphs(inputs.graphs), read_csv(inputs.table)
    values = property_values(table, name, inputs.get("file"))
    labelled = [row for row, crystal in enumerate(graphs.ids) if crystal in values.index]
    ids, labelled_graphs = graphs.ids[labelled], graphs.graphs[labelled]
    true = values.loc[ids].to_numpy()
    seed = derive_seed(params.seed, "constraint", name)
    prototypes = table.set_index("id").loc[ids, "prototype"]
    held_out = split_held_out(prototypes, params.settings["held_out"], "random", seed)
    data = ConstraintData(ids, labelled_graphs, true, held_out, unit="")
    run = TrainingRun.at(params.checkpoint, f"constraint for {name}", params.precision)
    if inputs.get("crystals"):
        codec, crystals = load_codec(inputs.graphs, inputs.lattice, inputs.sites), read_set(inputs.crystals)
        model = train_constraint(data, params.settings, run, seed, codec, crystals)
    else:
        model = train_constraint(data, params.settings, run, seed)
    split = ["held_out" if out else "train" for out in held_out]
    predicted = predict(model, labelled_graphs)
    parity = pd.DataFrame({"id": ids, "split": split, "value": true, "predicted": predicted})
    for row in parity_metrics(parity, "value").itertuples():
        log.info(
            "%s, %s: MAE %.3g, that of the mean %.3g (%d crystals)", name, row.split, row.mae, row.baseline_mae, row.n
        )
    save_model(output.model, model)
    write_text(output.history, run.history.read_text())
    write_csv(output.table, parity)
