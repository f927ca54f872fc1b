"""Train the sites or the lattice autoencoder on the prototypes of all sources shipped with the workflow."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.representation.autoencoders import save_autoencoder, train_autoencoder
    from ccdcgan.representation.training_data import pretraining_sources
    from ccdcgan.training.loop import TrainingRun
    from ccdcgan.utils.files import write_text
    from ccdcgan.utils.seeds import derive_seed

    params, network = snakemake.params, snakemake.wildcards.network
    crystals = read_set(snakemake.input.crystals)
    source, held_out = pretraining_sources(network, params.settings, params.box, crystals)
    run = TrainingRun.at(params.checkpoint, f"{network} autoencoder, pre-training", params.precision)
    with run.exclusive():
        seed = derive_seed(params.seed, "pretraining", network)
        autoencoder = train_autoencoder(params.settings, source, held_out, run, seed)
    save_autoencoder(snakemake.output.model, autoencoder)
    write_text(snakemake.output.history, run.history.read_text())
