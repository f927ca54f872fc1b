# Progress and costs of a run, measured and estimated; these targets can be used at any time, also while it runs.

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", workflow.main_snakefile]
RULES = {rule.name: (Path(rule.snakefile).stem, len(rule.output)) for rule in workflow.rules if rule.output}


localrules:
    status,
    costs,
    estimate,
    show_config,


rule status:
    log:
        ".snakemake/log/status.log",
    conda:
        "../envs/structures.yaml"
    params:
        run=RUN,
        results=RESULTS,
        logs=LOGS,
        extra=settings.optional_targets(config),
        snakemake=SNAKEMAKE,
        rules=RULES,
        engine=settings.energy_model(config),
        scheme=config["relaxation"]["energy_scheme"],
        elements=ELEMENTS,
        autoencoders=START.in_words(),
    message:
        "Checking the progress of the run"
    script:
        "../workflow_scripts/show_status.py"


rule show_config:
    log:
        ".snakemake/log/show_config.log",
    conda:
        "../envs/structures.yaml"
    params:
        text=lambda wildcards: shown.shown_configuration(config, LAYERS, DEFAULTS),
    message:
        "Showing the configuration in force"
    script:
        "../workflow_scripts/show_config.py"


rule costs:
    log:
        ".snakemake/log/costs.log",
    conda:
        "../envs/structures.yaml"
    params:
        run=RUN,
        results=RESULTS,
    message:
        "Adding up the costs of the run"
    script:
        "../workflow_scripts/show_costs.py"


rule estimate:
    log:
        ".snakemake/log/estimate.log",
    conda:
        "../envs/structures.yaml"
    params:
        run=RUN,
        results=RESULTS,
        snakemake=SNAKEMAKE,
        rules=RULES,
        units=settings.units_of_work(config, START.pretrained),
        crystals={
            "relax_database": [f"{RESULTS}/database/substituted.extxyz"],
            "relax_reference": [f"{RESULTS}/database/references/{element}.extxyz" for element in ELEMENTS],
            "relax_known_phases": [f"{RESULTS}/database/known/found.extxyz"],
        },
        hints={
            rule: f"To know how many crystals there are (minutes): snakemake --until substitute_elements substitute_reference find_known_phases"
            for rule in ("relax_database", "relax_reference", "relax_known_phases")
        },
    message:
        "Estimating the costs of the run"
    script:
        "../workflow_scripts/show_estimate.py"
