"""Find the known phases of the system in the sources."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.known")

with job(snakemake):
    from ccdcgan.crystals.structures import write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.database.known_phases import collect_known
    from ccdcgan.database.prototypes.provenance import checked_downloads
    from ccdcgan.database.substitution import describe_drops
    from ccdcgan.utils.files import write_csv

    params = snakemake.params
    fetched, _ = checked_downloads(dict(snakemake.input.items()), params.settings["known"])
    crystals, table = collect_known(params.settings, params.elements, Uniqueness(params.matcher), fetched)
    log.info(describe_drops(table, "known phases"))
    write_set(snakemake.output.crystals, crystals)
    write_csv(snakemake.output.table, table)
