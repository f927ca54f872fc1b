"""Train the generator of one scheme."""

import logging
from pathlib import Path

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.generators")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.models.constraint.image_network import load_constraint
    from ccdcgan.models.generators.probe import make_probe
    from ccdcgan.models.generators.training import train_generator
    from ccdcgan.representation.autoencoders import load_autoencoder
    from ccdcgan.representation.crystal_graph import load_graphs
    from ccdcgan.representation.orientations import oriented_graphs
    from ccdcgan.utils.files import exclusive, save_model, write_text
    from ccdcgan.utils.seeds import derive_seed

    inputs, params, scheme = snakemake.input, snakemake.params, snakemake.wildcards.scheme
    constraint, settings, seed = inputs.get("constraint"), params.settings, derive_seed(params.seed, "gan")
    known = load_graphs(inputs.graphs)
    autoencoders = [load_autoencoder(path) for path in (inputs.lattice, inputs.sites)]
    graphs = oriented_graphs(known, read_set(inputs.crystals), *autoencoders, settings["orientations"])
    log.info("%s learns from %d crystal graphs of %d crystals", scheme, len(graphs), len(known.ids))
    history = Path(params.checkpoint).with_suffix(".csv")  # Snakemake deletes the outputs of a killed job
    with exclusive(f"{params.checkpoint}.lock"):
        generator = train_generator(
            graphs,
            settings,
            scheme,
            seed,
            checkpoint=params.checkpoint,
            history=history,
            constraint=load_constraint(constraint) if constraint else None,
            probe=make_probe(known, *autoencoders, settings["probe_samples"], seed, **params.candidate),
            precision=params.precision,
            xla=params.xla,
        )
    save_model(snakemake.output.generator, generator)
    write_text(snakemake.output.history, history.read_text())
