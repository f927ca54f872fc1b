# What a run has cost and what one would cost; both may be asked at any time.


localrules:
    costs,
    estimate,


rule costs:
    log:
        ".snakemake/log/costs.log",
    conda:
        "../envs/structures.yaml"
    params:
        run=RUN,
        results=RESULTS,
    message:
        "Adding up what the run has cost"
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
        snakemake=[sys.executable, "-m", "snakemake", "--snakefile", workflow.main_snakefile],
        rules={rule.name: (Path(rule.snakefile).stem, len(rule.output)) for rule in workflow.rules if rule.output},
        units=units_of_work(),
        crystals={
            "relax_database": [f"{RESULTS}/database/substituted.extxyz"],
            "relax_reference": [f"{RESULTS}/database/references/{element}.extxyz" for element in ELEMENTS],
        },
        hints={
            rule: f"To know how many crystals there are (minutes): snakemake --until substitute_elements substitute_reference"
            for rule in ("relax_database", "relax_reference")
        },
    message:
        "Estimating what the run would cost"
    script:
        "../workflow_scripts/show_estimate.py"
