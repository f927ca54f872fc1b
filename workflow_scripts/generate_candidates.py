"""Generate one shard of samples and decode them to candidates."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.generation")

with job(snakemake):
    import numpy as np

    from ccdcgan.autoencoders import load_autoencoder
    from ccdcgan.crystal_graph import load_graphs
    from ccdcgan.files import write_arrays, write_csv
    from ccdcgan.generation import generate_shard, load_generator
    from ccdcgan.structures import write_set

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    shard = generate_shard(
        load_generator(inputs.generator),
        load_autoencoder(inputs.lattice),
        load_autoencoder(inputs.sites),
        load_graphs(inputs.graphs),
        scheme=snakemake.wildcards.scheme,
        shard=int(snakemake.wildcards.shard),
        n_samples=params.samples,
        seed=params.seed,
        min_distance=params.min_distance,
        max_atoms=params.max_atoms,
        expansion=params.expansion,
    )
    log.info("%d of %d samples are candidates", len(shard.candidates), len(shard.samples))
    write_set(output.crystals, shard.candidates)
    write_csv(output.samples, shard.samples)
    ids = np.array([crystal.id for crystal in shard.candidates], dtype=str)
    write_arrays(output.graphs, ids=ids, graphs=shard.graphs)
