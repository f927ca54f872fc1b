# Figures, the page, the structure files of the best candidates, and the short summary.

FIGURES = (
    "learning_curves",
    "example_crystals",
    "reconstruction_examples",
    "formation_energies",
    "energy_histograms",
    "constraint_parity",
    "latent_map",
    "generator_curves",
    "discovery_curves",
    "losses_by_reason",
)
TEMPLATES = f"{CHECKOUT}/workflow_scripts/ccdcgan/report/templates"
PARTS_OF_THE_PAGE = (".j2", ".css", ".js", ".rst")


rule collect_losses:
    input:
        losses=expand(f"{RESULTS}/candidates/{{scheme}}/losses.csv", scheme=SCHEMES),
        candidates=rules.summarise_candidates.output.candidates,
        summary=rules.summarise_candidates.output.summary,
    output:
        report(f"{RESULTS}/candidates/losses.csv", caption="../report/losses.rst", category="Tables"),
    log:
        f"{LOGS}/collect_losses.log",
    benchmark:
        f"{BENCHMARKS}/collect_losses.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        schemes=SCHEMES,
        code=code_fingerprint("collect_losses"),
    message:
        "Counting the rejected samples and candidates by reason"
    script:
        "../workflow_scripts/collect_losses.py"


rule draw_figures:
    input:
        **{
            f"generated_{scheme}": expand(
                f"{RESULTS}/candidates/{scheme}/generated/{{shard}}.npz", shard=shards_of(scheme)
            )
            for scheme in SCHEMES
        },
        **{f"history_{scheme}": f"{RESULTS}/models/{scheme}/history.csv" for scheme in TRAINED},
        database=rules.collect_database.output.table,
        known=rules.collect_database.output.known_table,
        crystals=rules.collect_database.output.crystals,
        candidates=rules.summarise_candidates.output.candidates,
        summary=rules.summarise_candidates.output.summary,
        losses=rules.collect_losses.output[0],
        graphs=rules.encode_crystals.output[0],
        reconstruction=rules.reconstruct_crystals.output.table,
        examples=rules.reconstruct_crystals.output.examples,
        example_crystals=rules.reconstruct_crystals.output.crystals,
        lattice_history=f"{RESULTS}/representation/lattice_history.csv",
        sites_history=f"{RESULTS}/representation/sites_history.csv",
        parity=rules.train_constraint.output.table,
    output:
        [figure_in_report(f"{RESULTS}/report/figures/{name}.png") for name in FIGURES],
        expand(f"{RESULTS}/report/figures/{{figure}}.pdf", figure=FIGURES),
    log:
        f"{LOGS}/draw_figures.log",
    benchmark:
        f"{BENCHMARKS}/draw_figures.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        elements=ELEMENTS,
        schemes=SCHEMES,
        trained=TRAINED,
        thresholds=settings.hull_thresholds(config),
        constraint_term=config["gan"]["constraint_term"],
        code=code_fingerprint("draw_figures"),
    message:
        "Drawing the figures"
    script:
        "../workflow_scripts/draw_figures.py"


rule write_report:
    input:
        database=rules.collect_database.output.table,
        known=rules.collect_database.output.known_table,
        known_crystals=rules.collect_database.output.known,
        references=rules.collect_references.output.table,
        distances=rules.measure_distances.output[0],
        candidates=rules.summarise_candidates.output.candidates,
        summary=rules.summarise_candidates.output.summary,
        losses=rules.collect_losses.output[0],
        reconstruction=rules.reconstruct_crystals.output.table,
        latents=rules.measure_latents.output.ranges,
        latent_tests=rules.measure_latents.output.tests,
        parity=rules.train_constraint.output.table,
        database_counts=rules.summarise_candidates.output.database,
        placed=expand(f"{RESULTS}/candidates/{{scheme}}/placed.extxyz", scheme=SCHEMES),
        selected=expand(f"{RESULTS}/candidates/{{scheme}}/selected.extxyz", scheme=SCHEMES),
        generated=[
            f"{RESULTS}/candidates/{scheme}/generated/{shard}.npz" for scheme in SCHEMES for shard in shards_of(scheme)
        ],
        crystals=rules.collect_database.output.crystals,
        graphs=rules.encode_crystals.output[0],
        phonons=rules.collect_phonons.output.table if config["phonons"]["top"] else [],
        lower=rules.collect_phonons.output.ends if config["phonons"]["top"] else [],
        verified=if_made(rules.compare_engines.output.table),
        constraint_metrics=if_made(rules.compare_constraint.output[0]),
        scatter=rules.collect_scatter.output[0] if OTHER_SEEDS else [],
        figures=[
            *expand(f"{RESULTS}/report/figures/{{figure}}.png", figure=FIGURES),
            *([rules.collect_phonons.output.figure] if config["phonons"]["top"] else []),
        ],
    output:
        page=report(f"{RESULTS}/report/index.html", caption="../report/page.rst", category="Report"),
        crystals=f"{RESULTS}/report/distinct_meta_stable.extxyz",
        cif=directory(f"{RESULTS}/report/cif"),
        summary=f"{RESULTS}/report/summary.txt",
    log:
        f"{LOGS}/write_report.log",
    benchmark:
        f"{BENCHMARKS}/write_report.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        settings=config,
        run=RUN,
        elements=ELEMENTS,
        schemes=[scheme for scheme in SCHEMES for _ in shards_of(scheme)],
        logs=LOGS,
        engine=settings.describe_engine(config),
        choice=settings.describe_choice(config),
        autoencoders=lambda wildcards: START.for_report(),
        thresholds=settings.hull_thresholds(config),
        tables=[
            "database",
            "known",
            "references",
            "distances",
            "candidates",
            "summary",
            "losses",
            "reconstruction",
            "latents",
            "latent_tests",
            "parity",
        ],
        code=code_fingerprint("write_report"),
        templates=[
            fingerprints.file_fingerprint(path)
            for path in sorted(Path(TEMPLATES).rglob("*"))
            if path.suffix in PARTS_OF_THE_PAGE
        ],
    message:
        "Writing the report"
    script:
        "../workflow_scripts/write_report.py"
