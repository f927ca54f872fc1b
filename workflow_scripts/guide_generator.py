"""Make the guided generator: the flow's, pulled by the constraint."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    import keras

    from ccdcgan.files import save_model
    from ccdcgan.flow import guided
    from ccdcgan.generation import load_generator

    inputs, params = snakemake.input, snakemake.params
    constraint = keras.models.load_model(inputs.constraint, compile=False)
    save_model(snakemake.output[0], guided(load_generator(inputs.generator), constraint, params.guidance))
