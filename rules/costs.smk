# What a run has cost and what one would cost; both may be asked at any time.


localrules:
    costs,
    estimate,


def units_of_work():
    """(rule, kind, units) of the work whose amount follows from the configuration."""
    networks = [("train_autoencoder", name, config["representation"][name]["steps"]) for name in ("lattice", "sites")]
    generators = [("train_generator", name, config[ALL_SCHEMES[name].family]["steps"]) for name in TRAINED]
    each = min(config["generation"]["samples"], config["evaluation"]["relax_at_most"] or math.inf)
    samples = [("generate_candidates", name, config["generation"]["samples"]) for name in SCHEMES]
    relaxed = [("relax_candidates", name, each) for name in SCHEMES]
    return [*networks, ("train_constraint", "", config["constraint"]["steps"]), *generators, *samples, *relaxed]


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
