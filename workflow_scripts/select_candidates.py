"""Select the candidates to relax, and count the rejected samples by reason."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.selection")

with job(snakemake):
    from ccdcgan.candidates.ranking import rank_by_composition
    from ccdcgan.candidates.selection import select
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.database.energies import hull_of
    from ccdcgan.reasons import REPEAT
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, params, scheme = snakemake.input, snakemake.params, snakemake.wildcards.scheme
    database = [crystal for path in inputs.database for crystal in read_set(path)]
    order = None
    if inputs.get("predicted"):
        predicted = read_csv(inputs.predicted)
        energies = predicted[params.ranking].to_numpy()
        order = rank_by_composition(predicted["formula"], energies, hull_of(database, params.elements))
    selected, counts = select(
        [read_set(path) for path in inputs.crystals],
        [read_csv(path) for path in inputs.samples],
        params.limit,
        uniqueness=Uniqueness(params.matcher) if params.skip_repeats else None,
        database=[crystal for crystal in database if crystal.info["status"] == "ok"],
        compositions=params.compositions,
        order=order,
    )
    numbers = counts.set_index("reason")["count"]
    repeats = numbers.get(REPEAT, 0)
    n_candidates = int(numbers.get("", 0) + repeats)
    log.info("%s: %d of %d candidates selected; %d repeats excluded", scheme, len(selected), n_candidates, repeats)
    if not n_candidates:
        log.warning(
            "%s has no candidate in %d samples; the run continues without it. To get some, train the autoencoders "
            "(representation.sites.steps) or the generator (the key steps of its family) longer, or generate more "
            "samples (generation.samples)",
            scheme,
            counts["count"].sum(),
        )
    write_set(snakemake.output.crystals, selected)
    write_csv(snakemake.output.counts, counts)
