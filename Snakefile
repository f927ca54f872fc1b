# Inverse design of crystals: configuration, rules, target rules. See README.md.

from pathlib import Path

CHECKOUT = Path(str(workflow.current_basedir))  # this workflow's own, also where it is a module of another


configfile: f"{CHECKOUT}/config.yaml"


# with --sdm apptainer only: the jobs' container, made from apptainer.def, in the folder of the run
container: "ccdcgan.sif"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/session.smk"
include: "rules/sources.smk"
include: "rules/database.smk"
include: "rules/relaxation.smk"
include: "rules/representation.smk"
include: "rules/models.smk"
include: "rules/generation.smk"
include: "rules/evaluation.smk"
include: "rules/verification.smk"
include: "rules/phonons.smk"
include: "rules/exports.smk"
include: "rules/report.smk"
include: "rules/costs.smk"


localrules:
    all,
    database,
    representation,
    models,
    candidates,
    verified,
    vasp_inputs,
    phonons,
    exports,
    report,
    status,


rule all:
    default_target: True
    input:
        rules.export_candidates.output,
        rules.write_report.output,
        rules.collect_phonons.output if config["phonons"]["top"] else [],


rule database:
    input:
        rules.collect_database.output,


rule representation:
    input:
        rules.encode_crystals.output,
        rules.reconstruct_crystals.output,
        rules.measure_latents.output,


rule models:
    input:
        rules.train_constraint.output,
        rules.compare_constraint.output,
        expand(rules.train_generator.output, scheme=TRAINED, allow_missing=True),


rule candidates:
    input:
        rules.summarise_candidates.output,


rule verified:
    input:
        verified_files,


rule vasp_inputs:
    input:
        rules.write_vasp_inputs.output,


rule phonons:
    input:
        rules.collect_phonons.output,


rule exports:
    input:
        rules.export_candidates.output,


rule report:
    input:
        rules.write_report.output,


rule status:
    log:
        ".snakemake/log/status.log",
    conda:
        "envs/structures.yaml"
    params:
        run=RUN,
        results=RESULTS,
        logs=LOGS,
        extra=extra_targets(),
        snakemake=[sys.executable, "-m", "snakemake", "--snakefile", workflow.main_snakefile],
        rules={rule.name: (Path(rule.snakefile).stem, len(rule.output)) for rule in workflow.rules if rule.output},
    message:
        "Looking where the run stands"
    script:
        "workflow_scripts/show_status.py"


warn_of_potcar_library()


onstart:
    take_lock()
    check_potcar_library()
    begin_display()


onsuccess:
    end_display()
    show_summary()


onerror:
    end_display()
    show_failure(log)
