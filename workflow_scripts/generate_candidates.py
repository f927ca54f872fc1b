"""Generate one shard of samples and decode them to candidates."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.generation")

with job(snakemake):
    from ccdcgan.candidates.generation import ShardPlan, generate_shard, load_generator, write_shard
    from ccdcgan.representation.autoencoders import load_autoencoder
    from ccdcgan.representation.crystal_graph import load_graphs

    inputs, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    shard = generate_shard(
        load_generator(inputs.generator),
        load_autoencoder(inputs.lattice),
        load_autoencoder(inputs.sites),
        load_graphs(inputs.graphs),
        ShardPlan(wildcards.scheme, int(wildcards.shard), params.samples, params.seed, **params.candidate),
    )
    log.info("%d of %d samples are candidates", len(shard.candidates), len(shard.samples))
    write_shard(shard, **snakemake.output)
