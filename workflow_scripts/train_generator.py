"""Train the generator of one scheme."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.generators")

with job(snakemake):
    from ccdcgan.crystals.distances import distance_rules
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.models.constraint.base import load_constraint
    from ccdcgan.models.generators.probe import make_probe
    from ccdcgan.models.generators.training import train_generator
    from ccdcgan.representation.crystal_graph import CandidateRules, load_codec, load_graphs
    from ccdcgan.representation.orientations import oriented_graphs
    from ccdcgan.training.loop import TrainingRun
    from ccdcgan.utils.files import save_model, write_text
    from ccdcgan.utils.seeds import derive_seed

    inputs, params, scheme = snakemake.input, snakemake.params, snakemake.wildcards.scheme
    settings = params.settings
    seed = derive_seed(params.seed, "gan")  # one stream for all families: other names would change all results
    constraint = load_constraint(inputs.constraint) if inputs.get("constraint") else None
    graphs, codec = load_graphs(inputs.graphs), load_codec(inputs.graphs, inputs.lattice, inputs.sites)
    oriented = oriented_graphs(codec, graphs, read_set(inputs.crystals), settings["orientations"])
    log.info("%s is trained on %d crystal graphs of %d crystals", scheme, len(oriented), len(graphs.ids))
    run = TrainingRun.at(params.checkpoint, scheme, params.precision)
    rules = CandidateRules(**distance_rules(params.candidate, inputs.distances))
    probe = make_probe(codec, settings["probe_samples"], seed, rules)
    with run.exclusive():
        generator = train_generator(oriented, settings, scheme, run, seed, constraint, probe)
    save_model(snakemake.output.generator, generator)
    write_text(snakemake.output.history, run.history.read_text())
