"""Choose the candidates to relax, and count why samples were lost."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.selection")

with job(snakemake):
    from ccdcgan.candidates.selection import most_promising, select
    from ccdcgan.columns import REPEAT
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.database.energies import hull_of
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, params = snakemake.input, snakemake.params
    database = read_set(inputs.database) if inputs.get("database") else []
    order = None
    if inputs.get("predicted"):
        predicted = read_csv(inputs.predicted)
        energies = predicted[params.ranking].to_numpy()
        order = most_promising(predicted["formula"], energies, hull_of(database, params.elements))
    selected, counts = select(
        [read_set(path) for path in inputs.crystals],
        [read_csv(path) for path in inputs.samples],
        params.limit,
        Uniqueness(params.matcher) if params.skip_repeats else None,
        [crystal for crystal in database if crystal.info["status"] == "ok"],
        params.compositions,
        order,
    )
    numbers = counts.set_index("reason")["count"]
    repeats = numbers.get(REPEAT, 0)
    found = int(numbers.get("", 0) + repeats)
    log.info(
        "%s: %d of %d candidates are relaxed; %d repeats left out",
        *(snakemake.wildcards.scheme, len(selected), found, repeats),
    )
    if not found:
        log.warning(
            "%s gave no candidate in %d samples: train longer (gan.steps, representation.sites.steps) or "
            "generate more (generation.samples); the run goes on without it",
            *(snakemake.wildcards.scheme, counts["count"].sum()),
        )
    write_set(snakemake.output.crystals, selected)
    write_csv(snakemake.output.counts, counts)
