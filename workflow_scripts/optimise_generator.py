"""Make the generator of the scheme optimised-flow: the flow with gradient descent on its noise."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.models.constraint.base import load_constraint
    from ccdcgan.models.generators.latent_optimisation import optimise_generator
    from ccdcgan.models.generators.loading import load_generator
    from ccdcgan.utils.files import save_model

    inputs = snakemake.input
    generator, constraint = load_generator(inputs.generator), load_constraint(inputs.constraint)
    save_model(snakemake.output[0], optimise_generator(generator, constraint, snakemake.params.settings))
