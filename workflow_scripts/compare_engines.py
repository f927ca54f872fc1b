"""Compare the formation energies and hull distances of both engines."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.verification")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.evaluation.verification import compare_engines, correction_points
    from ccdcgan.relaxation.slices import gather
    from ccdcgan.utils.files import write_csv

    inputs, params = snakemake.input, snakemake.params
    relaxed = gather([read_set(path) for path in inputs.batches])
    starts = read_set(inputs.selected)
    verified, table = compare_engines(starts, relaxed, params.elements, Uniqueness(params.matcher))
    difference = table["difference"][table["role"] != "element"].dropna()
    log.info(
        "%d of %d crystals relaxed; difference of formation energies: mean %.3f, mean absolute %.3f eV/atom "
        "(%d compounds)",
        (table["status"] == "ok").sum(),
        len(table),
        difference.mean(),
        difference.abs().mean(),
        len(difference),
    )
    write_set(snakemake.output.crystals, verified)
    write_set(snakemake.output.points, correction_points(starts, verified))
    write_csv(snakemake.output.table, table)
