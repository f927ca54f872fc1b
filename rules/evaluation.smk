# Hull distances and novelty of the relaxed candidates, and the table of the paper.


rule place_candidates:
    input:
        **correction_input(),
        # file names: as in collect_database
        batches=expand(
            f"{RESULTS}/candidates/{{scheme}}/relaxed/{{batch}}.extxyz",
            batch=numbered(config["evaluation"]["jobs"]),
            allow_missing=True,
        ),
        symmetric=expand(
            f"{RESULTS}/candidates/{{scheme}}/symmetric/{{batch}}.extxyz",
            batch=numbered(config["evaluation"]["jobs"]) if config["evaluation"]["symmetrise"] else [],
            allow_missing=True,
        ),
        references=f"{RESULTS}/database/references.csv",
        database=f"{RESULTS}/database/database.extxyz",
        known=f"{RESULTS}/database/known.extxyz",
        generated=f"{RESULTS}/candidates/{{scheme}}/selected.extxyz",
        prototypes=f"{RESULTS}/database/prototypes.extxyz",
    output:
        crystals=f"{RESULTS}/candidates/{{scheme}}/placed.extxyz",
        table=f"{RESULTS}/candidates/{{scheme}}/placed.csv",
    log:
        f"{LOGS}/place_candidates/{{scheme}}.log",
    benchmark:
        f"{BENCHMARKS}/place_candidates/{{scheme}}.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(120),
    params:
        engine=settings.energy_model(config),
        scheme=config["relaxation"]["energy_scheme"],
        correction=config["relaxation"]["energy_correction"],
        measured=dft_points_fingerprint(),
        elements=ELEMENTS,
        matcher=config["matcher"],
        variants=settings.variant_limits(config),
        holdout=HOLDOUT,
        code=code_fingerprint("place_candidates"),
    message:
        "Evaluating the candidates of {wildcards.scheme}: hull distance, novelty"
    script:
        "../workflow_scripts/place_candidates.py"


rule summarise_candidates:
    input:
        prototypes=rules.build_prototypes.output.table,
        substituted=rules.substitute_elements.output.table,
        database=rules.collect_database.output.table,
        known=rules.collect_database.output.known_table,
        known_found=rules.find_known_phases.output.table,
        placed=expand(f"{RESULTS}/candidates/{{scheme}}/placed.csv", scheme=SCHEMES),
        crystals=expand(f"{RESULTS}/candidates/{{scheme}}/placed.extxyz", scheme=SCHEMES),
        predicted=expand(f"{RESULTS}/candidates/{{scheme}}/predicted.csv", scheme=SCHEMES),
        losses=expand(f"{RESULTS}/candidates/{{scheme}}/losses.csv", scheme=SCHEMES),
    output:
        summary=report(f"{RESULTS}/summary.csv", caption="../report/summary.rst", category="Tables"),
        candidates=f"{RESULTS}/candidates/candidates.csv",
        database=f"{RESULTS}/database/database_summary.csv",
    log:
        f"{LOGS}/summarise_candidates.log",
    benchmark:
        f"{BENCHMARKS}/summarise_candidates.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        schemes=SCHEMES,
        thresholds=settings.hull_thresholds(config),
        matcher=config["matcher"],
        variants=settings.variant_limits(config),
        screen=config["generation"]["screen"],
        compositions=COMPOSITIONS,
        code=code_fingerprint("summarise_candidates"),
    message:
        "Summarising all schemes: the table of the paper"
    script:
        "../workflow_scripts/summarise_candidates.py"


rule collect_scatter:
    input:
        summary=rules.summarise_candidates.output.summary,
        others=other_summaries,
    output:
        report(f"{RESULTS}/scatter.csv", caption="../report/scatter.rst", category="Tables"),
    log:
        f"{LOGS}/collect_scatter.log",
    benchmark:
        f"{BENCHMARKS}/collect_scatter.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        runs=[RUN, *OTHER_SEEDS],
        code=code_fingerprint("collect_scatter"),
    message:
        "Collecting the statistics over seeds"
    script:
        "../workflow_scripts/collect_scatter.py"
