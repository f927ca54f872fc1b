"""Generate one shard of samples and decode them to candidates."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.generation")

with job(snakemake):
    from ccdcgan.candidates.generation import ShardPlan, generate_shard, write_shard
    from ccdcgan.crystals.distances import distance_rules
    from ccdcgan.models.generators.loading import load_generator
    from ccdcgan.representation.crystal_graph import CandidateRules, load_codec

    inputs, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    rules = CandidateRules(**distance_rules(params.candidate, inputs.distances))
    plan = ShardPlan(wildcards.scheme, int(wildcards.shard), params.samples, params.seed, rules)
    codec = load_codec(inputs.graphs, inputs.lattice, inputs.sites)
    shard = generate_shard(load_generator(inputs.generator), codec, plan)
    log.info("%d of %d samples are candidates", len(shard.candidates), len(shard.samples))
    write_shard(shard, **snakemake.output)
