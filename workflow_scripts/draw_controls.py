"""Draw one shard of a control's samples: random symmetric crystals, or the database before relaxation."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.controls")

with job(snakemake):
    from ccdcgan.autoencoders import load_autoencoder
    from ccdcgan.controls import control_shard
    from ccdcgan.crystal_graph import load_graphs
    from ccdcgan.generation import write_shard
    from ccdcgan.structures import read_set

    inputs, params = snakemake.input, snakemake.params
    shard = control_shard(
        [crystal.structure for crystal in read_set(inputs.substituted) if crystal.formula not in params.holdout],
        load_autoencoder(inputs.lattice),
        load_autoencoder(inputs.sites),
        load_graphs(inputs.graphs),
        scheme=snakemake.wildcards.scheme,
        shard=int(snakemake.wildcards.shard),
        n_samples=params.samples,
        seed=params.seed,
        min_distance=params.min_distance,
        expansion=params.expansion,
    )
    log.info("%d of %d samples are candidates", len(shard.candidates), len(shard.samples))
    write_shard(shard, **snakemake.output)
