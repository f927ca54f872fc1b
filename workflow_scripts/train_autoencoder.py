"""Train the sites or the lattice autoencoder."""

from pathlib import Path

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.representation.autoencoders import save_autoencoder, train_autoencoder
    from ccdcgan.representation.training_data import training_sources
    from ccdcgan.training.checkpoints import precision_policy, set_determinism
    from ccdcgan.utils.files import exclusive, read_csv, write_text
    from ccdcgan.utils.seeds import derive_seed

    inputs, params, network = snakemake.input, snakemake.params, snakemake.wildcards.network
    seed = derive_seed(params.seed, "autoencoder", network)
    set_determinism(seed)
    source, held_out = training_sources(
        network,
        params.settings,
        params.box,
        [crystal for crystal in read_set(inputs.database) if crystal.info["status"] == "ok"],
        read_set(inputs.prototypes),
        read_csv(inputs.split),
    )
    history = Path(params.checkpoint).with_suffix(".csv")  # Snakemake deletes the outputs of a killed job
    with exclusive(f"{params.checkpoint}.lock"):
        autoencoder = train_autoencoder(
            params.settings,
            source,
            held_out,
            checkpoint=params.checkpoint,
            history_csv=history,
            seed=seed,
            policy=precision_policy(params.precision),
            xla=params.xla,
            label=f"{network} autoencoder",
            identity=source.identity,
        )
    save_autoencoder(snakemake.output.model, autoencoder)
    write_text(snakemake.output.history, history.read_text())
