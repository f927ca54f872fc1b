"""Write the report: the page, the structure files of the best candidates, and the short summary."""

import logging
from pathlib import Path

from ccdcgan_workflow.costs import costs, finished_jobs
from ccdcgan_workflow.job_states import read_states
from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.report")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.exports.best_candidates import write_best
    from ccdcgan.report.candidates import views
    from ccdcgan.report.data import ReportData, ReportMedia, RunInfo
    from ccdcgan.report.page import render_report
    from ccdcgan.report.plots import generated_graphs, latent_plot
    from ccdcgan.report.provenance import cost_table, machine_table, total_cost
    from ccdcgan.report.sentences import short_summary
    from ccdcgan.utils.files import read_arrays, read_csv, write_text
    from ccdcgan_workflow.provenance import describe_versions

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    config, elements = params.settings, params.elements
    optional = ("verified", "phonons", "scatter", "constraint_metrics")
    tables = {name: read_csv(inputs[name]) for name in params.tables}
    tables |= {name: read_csv(inputs[name]) for name in optional if inputs.get(name)}
    data = ReportData(**tables)
    counts = read_csv(inputs.database_counts)
    crystals = [crystal for path in inputs.placed for crystal in read_set(path)]
    folder, logs = Path(output.cif), Path(params.logs)
    folder.mkdir(parents=True, exist_ok=True)
    lower = read_set(inputs.lower) if inputs.get("lower") else []
    relaxed = {crystal.id: crystal for crystal in [*crystals, *lower]}  # a lower crystal replaces the candidate
    cif_files = write_best(data.candidates, list(relaxed.values()), folder, output.crystals, data.phonons)
    generated = {crystal.id: crystal for path in inputs.selected for crystal in read_set(path)}
    database = [*read_set(inputs.crystals), *read_set(inputs.known_crystals)]
    graphs = generated_graphs(zip(params.schemes, map(read_arrays, inputs.generated), strict=True))
    info = RunInfo(
        config["system"],
        elements,
        params.engine,
        params.choice,
        params.autoencoders,
        schemes=list(dict.fromkeys(data.summary["scheme"])),
        thresholds=params.thresholds,
        provenance={
            "run": params.run,
            "seed": config["seed"],
            "versions": describe_versions(),
            "database_by_step": counts.to_dict("records"),
            "configuration": config,
        },
    )
    cost = costs(finished_jobs(logs.parents[1], logs.parent.name))
    media = ReportMedia(
        figures={Path(path).stem: path for path in inputs.figures},
        crystals=views(data.best, relaxed, generated, database, elements, data.verified, data.phonons),
        latent=latent_plot(read_arrays(inputs.graphs), graphs, data.database, data.candidates),
        cif_paths={name: f"{folder.name}/{file}" for name, file in cif_files.items()},
        times=cost_table(cost),
        machines=machine_table(read_states(logs).values()),
        cost=total_cost(cost),
    )
    write_text(output.page, render_report(info, data, media))
    summary = data.summary[data.summary["scheme"].isin(data.shown_schemes(info.schemes))]
    write_text(
        output.summary, short_summary(config["system"], counts, summary, data.candidates, output.page, data.phonons)
    )
