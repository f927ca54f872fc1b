"""Make one shard of a control: random symmetric crystals, mutations, or the database before relaxation."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.controls")

with job(snakemake):
    from ccdcgan.candidates.generation import ShardPlan, write_shard
    from ccdcgan.crystals.distances import distance_rules
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.database.energies import without_compositions
    from ccdcgan.representation.crystal_graph import CandidateRules, load_codec
    from ccdcgan.search.controls import NEED_PARENTS, Stock, control_shard
    from ccdcgan.search.parents import Parents

    inputs, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    rules = CandidateRules(**distance_rules(params.candidate, inputs.distances))
    plan = ShardPlan(wildcards.scheme, int(wildcards.shard), params.samples, params.seed, rules)
    crystals = [crystal for crystal in read_set(inputs.substituted) if crystal.formula not in params.holdout]
    codec = load_codec(inputs.graphs, inputs.lattice, inputs.sites)
    parents = None
    if plan.scheme in NEED_PARENTS:
        database, known = read_set(inputs.database), read_set(inputs.known)
        relaxed = without_compositions(database, known, codec.elements, params.holdout)
        parents = Parents.of(relaxed, codec.elements, Uniqueness(params.matcher))
    stock = Stock([crystal.structure for crystal in crystals], parents)
    shard = control_shard(stock, codec, plan)
    log.info("%d of %d samples are candidates", len(shard.candidates), len(shard.samples))
    write_shard(shard, **snakemake.output)
