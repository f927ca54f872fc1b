"""Say how good a ground the latents are: their range, and what decodes near them and between them."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.latents")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.representation.autoencoders import load_autoencoder
    from ccdcgan.representation.crystal_graph import load_graphs
    from ccdcgan.representation.latent_tests import latent_ranges, latent_tests
    from ccdcgan.utils.files import write_csv

    inputs, output = snakemake.input, snakemake.output
    graphs = load_graphs(inputs.graphs)
    tests = latent_tests(
        read_set(inputs.database),
        graphs,
        load_autoencoder(inputs.lattice),
        load_autoencoder(inputs.sites),
        **snakemake.params.settings,
    )
    for row in tests.itertuples():
        log.info(
            "%s %g: of %d crystals %d decode, %d are valid, %d match",
            *(row.test, row.level, row.n, row.n_decoded, row.n_valid, row.n_matched),
        )
    write_csv(output.ranges, latent_ranges(graphs))
    write_csv(output.tests, tests)
