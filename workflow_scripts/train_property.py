"""Train a constraint network for one property of the objective and write its parity table."""

import logging
from dataclasses import replace

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.properties")

with job(snakemake):
    import pandas as pd

    from ccdcgan.database.splits import split_held_out
    from ccdcgan.models.constraint.image_network import predict
    from ccdcgan.models.constraint.objective import property_values
    from ccdcgan.models.constraint.training import train_chosen_constraint
    from ccdcgan.representation.crystal_graph import load_graphs
    from ccdcgan.utils.files import read_csv, save_model, write_csv, write_text
    from ccdcgan.utils.seeds import derive_seed

    params, inputs, output, name = snakemake.params, snakemake.input, snakemake.output, snakemake.wildcards.property
    graphs, table = load_graphs(inputs.graphs), read_csv(inputs.table)
    values = property_values(table, name, inputs.get("file"))
    known = [row for row, crystal in enumerate(graphs.ids) if crystal in values.index]
    graphs = replace(graphs, ids=graphs.ids[known], graphs=graphs.graphs[known])
    true = values.loc[graphs.ids].to_numpy()
    seed = derive_seed(params.seed, "constraint", name)
    prototypes = table.set_index("id").loc[graphs.ids, "prototype"]
    held_out = split_held_out(prototypes, params.settings["held_out"], "random", seed)
    model, history = train_chosen_constraint(
        graphs,
        true,
        held_out,
        params.settings,
        seed,
        checkpoint=params.checkpoint,
        **{name: inputs.get(name) for name in ("crystals", "lattice", "sites")},
        precision=params.precision,
        xla=params.xla,
        quantity=name,
    )
    split = ["held_out" if out else "train" for out in held_out]
    predicted = predict(model, graphs.graphs)
    parity = pd.DataFrame({"id": graphs.ids, "split": split, "value": true, "predicted": predicted})
    for part, rows in parity.groupby("split"):
        error = (rows["predicted"] - rows["value"]).abs().mean()
        guess = (rows["value"] - parity.loc[parity["split"] == "train", "value"].mean()).abs().mean()
        log.info("%s, %s: MAE %.3g, that of the mean %.3g (%d crystals)", name, part, error, guess, len(rows))
    save_model(output.model, model)
    write_text(output.history, history)
    write_csv(output.table, parity)
