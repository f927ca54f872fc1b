"""Draw one shard of a control's samples: random symmetric crystals, or the database before relaxation."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.controls")

with job(snakemake):
    from ccdcgan.candidates.controls import control_shard
    from ccdcgan.candidates.generation import ShardPlan, write_shard
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.representation.autoencoders import load_autoencoder
    from ccdcgan.representation.crystal_graph import load_graphs

    inputs, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    shard = control_shard(
        [crystal.structure for crystal in read_set(inputs.substituted) if crystal.formula not in params.holdout],
        load_autoencoder(inputs.lattice),
        load_autoencoder(inputs.sites),
        load_graphs(inputs.graphs),
        ShardPlan(wildcards.scheme, int(wildcards.shard), params.samples, params.seed, **params.candidate),
    )
    log.info("%d of %d samples are candidates", len(shard.candidates), len(shard.samples))
    write_shard(shard, **snakemake.output)
