"""Make one shard of a control: random symmetric crystals, or the database before relaxation."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.controls")

with job(snakemake):
    from ccdcgan.candidates.controls import control_shard
    from ccdcgan.candidates.generation import ShardPlan, write_shard
    from ccdcgan.crystals.distances import distance_rules
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.representation.crystal_graph import CandidateRules, load_codec

    inputs, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    rules = CandidateRules(**distance_rules(params.candidate, inputs.distances))
    plan = ShardPlan(wildcards.scheme, int(wildcards.shard), params.samples, params.seed, rules)
    crystals = [crystal for crystal in read_set(inputs.substituted) if crystal.formula not in params.holdout]
    codec = load_codec(inputs.graphs, inputs.lattice, inputs.sites)
    shard = control_shard([crystal.structure for crystal in crystals], codec, plan)
    log.info("%d of %d samples are candidates", len(shard.candidates), len(shard.samples))
    write_shard(shard, **snakemake.output)
