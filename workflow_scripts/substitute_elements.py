"""Put elements on the prototypes and keep each distinct crystal once."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.substitution")

with job(snakemake):
    from ccdcgan.errors import InputError
    from ccdcgan.files import write_csv
    from ccdcgan.structures import read_set, write_set
    from ccdcgan.substitution import SubstitutionRules, describe_drops, substitute
    from ccdcgan.uniqueness import Uniqueness

    params = snakemake.params
    fewest, most = params.n_elements
    crystals, table = substitute(
        read_set(snakemake.input[0]),
        params.elements,
        range(fewest, most + 1),
        params.max_length,
        Uniqueness(params.matcher, snakemake.threads),
        snakemake.threads,
        SubstitutionRules(**params.rules),
    )
    log.info(describe_drops(table, f"substituted {'-'.join(params.elements)}"))
    if not crystals:
        raise InputError(
            f"no prototype with {fewest} to {most} elements gave a crystal of {'-'.join(params.elements)}; add a "
            "source to prototypes.sources or relax prototypes.max_atoms and prototypes.max_length."
        )
    write_set(snakemake.output.crystals, crystals)
    write_csv(snakemake.output.table, table)
