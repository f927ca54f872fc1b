"""Train the constraint network and write its parity table."""

import logging
from pathlib import Path

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.constraint")

with job(snakemake):
    from ccdcgan.constraint import parity, train_constraint
    from ccdcgan.crystal_graph import load_graphs
    from ccdcgan.files import exclusive, read_csv, save_model, write_csv, write_text
    from ccdcgan.metrics import parity_metrics
    from ccdcgan.seeds import derive_seed
    from ccdcgan.splits import split_held_out

    params, output = snakemake.params, snakemake.output
    graphs = load_graphs(snakemake.input.graphs)
    table = read_csv(snakemake.input.table).set_index("id").loc[graphs.ids]
    energies = table["formation_energy"].to_numpy()
    settings, seed = params.settings, derive_seed(params.seed, "constraint")
    held_out = split_held_out(table["prototype"], settings["held_out"], params.held_out_by, seed)
    history = Path(params.checkpoint).with_suffix(".csv")  # Snakemake deletes the outputs of a killed job
    with exclusive(f"{params.checkpoint}.lock"):
        model = train_constraint(
            graphs.graphs,
            energies,
            held_out,
            settings,
            seed,
            checkpoint=params.checkpoint,
            history=history,
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
    write_text(output.history, history.read_text())
    write_csv(output.table, table)
