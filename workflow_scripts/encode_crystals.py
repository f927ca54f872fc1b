"""Encode every relaxed crystal of the database as a crystal graph."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.crystal_graph")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.energies import relaxed_not_held_out
    from ccdcgan.representation.autoencoders import load_autoencoder
    from ccdcgan.representation.crystal_graph import fit_codec, save_graphs
    from ccdcgan.representation.voxels import Geometry

    inputs, params = snakemake.input, snakemake.params
    crystals = relaxed_not_held_out(read_set(inputs.database), params.holdout)
    lattice, sites = load_autoencoder(inputs.lattice), load_autoencoder(inputs.sites)
    codec, graphs = fit_codec(crystals, params.elements, lattice, sites, Geometry.from_config(params.representation))
    log.info("%d of %d crystals have a crystal graph", len(graphs.ids), len(crystals))
    save_graphs(snakemake.output[0], graphs, codec)
