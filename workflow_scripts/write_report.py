"""Write the report's page, the structure files of the best candidates, and the short summary."""

import logging
from pathlib import Path

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.report")

with job(snakemake):
    from ccdcgan.exports import short_summary, write_best
    from ccdcgan.files import read_csv, write_text
    from ccdcgan.provenance import describe_machine, describe_versions
    from ccdcgan.report import render_report
    from ccdcgan.structures import read_set

    inputs, output, config = snakemake.input, snakemake.output, snakemake.params.settings
    tables = {name: read_csv(inputs[name]) for name in snakemake.params.tables}
    counts = read_csv(inputs.database_counts)
    crystals = [crystal for path in inputs.placed for crystal in read_set(path)]
    folder = Path(output.cif)
    folder.mkdir(parents=True, exist_ok=True)
    cif_files = write_best(tables["candidates"], crystals, folder, output.crystals)
    page = render_report(
        system=config["system"],
        elements=snakemake.params.elements,
        engine=snakemake.params.engine,
        figures={Path(path).stem: path for path in inputs.figures},
        provenance={
            "run": snakemake.params.run,
            "seed": config["seed"],
            "machine": describe_machine(),
            "versions": describe_versions(),
            "database_by_step": counts.to_dict("records"),
            "configuration": config,
        },
        cif_paths={name: f"{folder.name}/{file}" for name, file in cif_files.items()},
        thresholds=snakemake.params.thresholds,
        schemes=list(dict.fromkeys(tables["summary"]["scheme"])),
        **tables,
    )
    write_text(output.page, page)
    text = short_summary(config["system"], counts, tables["summary"], tables["candidates"], output.page)
    write_text(output.summary, text)
