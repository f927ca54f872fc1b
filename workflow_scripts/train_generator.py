"""Train the GAN of one scheme."""

from pathlib import Path

from ccdcgan_workflow.jobs import job

with job(snakemake):
    import keras

    from ccdcgan.crystal_graph import load_graphs
    from ccdcgan.files import exclusive, save_model, write_text
    from ccdcgan.gan import train_gan
    from ccdcgan.seeds import derive_seed

    params, scheme = snakemake.params, snakemake.wildcards.scheme
    constraint = snakemake.input.get("constraint")
    history = Path(params.checkpoint).with_suffix(".csv")  # Snakemake deletes the outputs of a killed job
    with exclusive(f"{params.checkpoint}.lock"):
        generator = train_gan(
            load_graphs(snakemake.input.graphs).graphs,
            params.settings,
            scheme,
            derive_seed(params.seed, "gan"),
            checkpoint=params.checkpoint,
            history=history,
            constraint=keras.models.load_model(constraint, compile=False) if constraint else None,
            precision=params.precision,
        )
    save_model(snakemake.output.generator, generator)
    write_text(snakemake.output.history, history.read_text())
