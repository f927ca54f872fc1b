"""Write the report's page, the structure files of the best candidates, and the short summary."""

import logging
from pathlib import Path

from ccdcgan_workflow.costs import costs, finished_jobs
from ccdcgan_workflow.job_states import read_states
from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.report")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.evaluation.best import best_candidates
    from ccdcgan.exports.best_candidates import write_best
    from ccdcgan.report.candidates import views
    from ccdcgan.report.page import render_report
    from ccdcgan.report.plots import generated_graphs, latent_plot
    from ccdcgan.report.provenance import cost_table, machine_table
    from ccdcgan.report.sentences import short_summary
    from ccdcgan.utils.files import read_arrays, read_csv, write_text
    from ccdcgan_workflow.provenance import describe_versions

    inputs, output, config = snakemake.input, snakemake.output, snakemake.params.settings
    tables = {name: read_csv(inputs[name]) for name in snakemake.params.tables}
    counts = read_csv(inputs.database_counts)
    crystals = [crystal for path in inputs.placed for crystal in read_set(path)]
    folder, logs = Path(output.cif), Path(snakemake.params.logs)
    folder.mkdir(parents=True, exist_ok=True)
    cif_files = write_best(tables["candidates"], crystals, folder, output.crystals)
    relaxed = {crystal.id: crystal for crystal in crystals}
    generated = {crystal.id: crystal for path in inputs.selected for crystal in read_set(path)}
    stages = {name: read_csv(inputs[name]) if inputs.get(name) else None for name in ("verified", "phonons", "scatter")}
    best = best_candidates(tables["candidates"])
    shards = zip(snakemake.params.schemes, map(read_arrays, inputs.generated), strict=True)
    page = render_report(
        system=config["system"],
        elements=snakemake.params.elements,
        engine=snakemake.params.engine,
        choice=snakemake.params.choice,
        crystals=views(
            best,
            relaxed,
            generated,
            read_set(inputs.crystals),
            snakemake.params.elements,
            stages["verified"],
            stages["phonons"],
        ),
        latent=latent_plot(
            read_arrays(inputs.graphs), generated_graphs(shards), tables["database"], tables["candidates"]
        ),
        times=cost_table(costs(finished_jobs(logs.parents[1], logs.parent.name))),
        machines=machine_table(read_states(logs).values()),
        **stages,
        figures={Path(path).stem: path for path in inputs.figures},
        provenance={
            "run": snakemake.params.run,
            "seed": config["seed"],
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
