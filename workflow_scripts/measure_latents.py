"""Measure the latent space: value ranges, robustness to noise, interpolation between crystals."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.latents")

with job(snakemake):
    from ccdcgan.crystals.distances import distance_rules
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.representation.crystal_graph import CandidateRules, load_codec, load_graphs
    from ccdcgan.representation.latent_tests import latent_ranges, latent_tests
    from ccdcgan.utils.files import write_csv

    inputs, output, settings = snakemake.input, snakemake.output, snakemake.params.settings
    graphs, codec = load_graphs(inputs.graphs), load_codec(inputs.graphs, inputs.lattice, inputs.sites)
    rules = CandidateRules(settings["max_atoms"], distance_rules(settings, inputs.distances)["min_distance"])
    tests = latent_tests(codec, graphs, read_set(inputs.database), rules, settings["n"], settings["seed"])
    for row in tests.itertuples():
        text = "%s %g: of %d crystals %d decode, %d are valid, %d match"
        log.info(text, row.test, row.level, row.n, row.n_decoded, row.n_valid, row.n_matched)
    write_csv(output.ranges, latent_ranges(codec, graphs))
    write_csv(output.tests, tests)
