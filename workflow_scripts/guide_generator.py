"""Make a generator that the constraint pulls of the flow's: at every step, or by its noise."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.candidates.generation import load_generator
    from ccdcgan.models.constraint.image_network import load_constraint
    from ccdcgan.models.generators.flow import guided
    from ccdcgan.models.generators.latent_optimisation import optimised
    from ccdcgan.utils.files import save_model

    inputs, pull = snakemake.input, {"guided-flow": guided, "optimised-flow": optimised}[snakemake.wildcards.scheme]
    generator, constraint = load_generator(inputs.generator), load_constraint(inputs.constraint)
    save_model(snakemake.output[0], pull(generator, constraint, snakemake.params.settings))
