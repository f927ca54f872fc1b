"""Train the sites or the lattice autoencoder, or use the pre-trained one."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.autoencoders")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.representation.autoencoders import save_autoencoder, train_autoencoder
    from ccdcgan.representation.pretraining.shipped import history_file, shipped_record
    from ccdcgan.representation.pretraining.weights import load_pretrained
    from ccdcgan.representation.training_data import training_sources
    from ccdcgan.training.loop import TrainingRun
    from ccdcgan.utils.files import read_csv, write_text
    from ccdcgan.utils.seeds import derive_seed

    inputs, params, network = snakemake.input, snakemake.params, snakemake.wildcards.network
    if params.pretrained:
        figures = shipped_record()["networks"][network]["held_out"]
        text = "%s autoencoder: pre-trained weights; their training reconstructed %d of %d voxels that it held out"
        log.info(text, network, figures["rebuilt"], figures["n"])
        autoencoder, history = load_pretrained(network), history_file(network)
    else:
        crystals = [crystal for crystal in read_set(inputs.database) if crystal.info["status"] == "ok"]
        source, held_out = training_sources(
            network, params.settings, params.box, crystals, read_set(inputs.prototypes), read_csv(inputs.split)
        )
        # The learning curve grows beside the checkpoint, since Snakemake deletes the outputs of a killed job.
        run = TrainingRun.at(params.checkpoint, f"{network} autoencoder", params.precision)
        with run.exclusive():
            seed = derive_seed(params.seed, "autoencoder", network)
            autoencoder = train_autoencoder(params.settings, source, held_out, run, seed)
        history = run.history
    save_autoencoder(snakemake.output.model, autoencoder)
    write_text(snakemake.output.history, history.read_text(encoding="utf-8"))
