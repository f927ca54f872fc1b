"""Select the best distinct candidates, their competing phases and the elements for a second engine."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.verification")

with job(snakemake):
    from ccdcgan.crystals.read_back import write_checked_set
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.crystals.variants import VariantLimits
    from ccdcgan.evaluation.best import best_distinct
    from ccdcgan.evaluation.verification import competing_phases, to_verify
    from ccdcgan.utils.files import read_csv

    inputs, params = snakemake.input, snakemake.params
    placed = {crystal.id: crystal for path in inputs.placed for crystal in read_set(path)}
    tables = {scheme: read_csv(path) for scheme, path in zip(params.schemes, inputs.tables, strict=True)}
    limits = VariantLimits(**params.variants)
    chosen = best_distinct(tables, placed, params.top, Uniqueness(params.matcher), params.max_atoms, limits)
    competing = competing_phases(chosen, [*read_set(inputs.database), *read_set(inputs.known)], params.elements)
    lowest = set(read_csv(inputs.references)["id"])
    references = [crystal for crystal in read_set(inputs.reference_crystals) if crystal.id in lowest]
    log.info("%d candidates, %d competing phases, %d elements", len(chosen), len(competing), len(references))
    write_checked_set(snakemake.output[0], to_verify(chosen, competing, references))
