# Inverse design of crystals: rules, targets, and what happens at the start and the end of a run. See README.md.

from pathlib import Path

CHECKOUT = Path(str(workflow.current_basedir))  # of this workflow, also if it is a module of another one


configfile: f"{CHECKOUT}/config.yaml"


# with --sdm apptainer: the container of the jobs, built from apptainer.def, in the folder of the run
container: "ccdcgan.sif"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/inputs.smk"
include: "rules/session.smk"
include: "rules/sources.smk"
include: "rules/database.smk"
include: "rules/relaxation.smk"
include: "rules/known_phases.smk"
include: "rules/representation.smk"
include: "rules/pretraining.smk"
include: "rules/models.smk"
include: "rules/generation.smk"
include: "rules/campaign.smk"
include: "rules/evaluation.smk"
include: "rules/verification.smk"
include: "rules/phonons.smk"
include: "rules/exports.smk"
include: "rules/report.smk"
include: "rules/monitoring.smk"


localrules:
    all,
    database,
    representation,
    pretrained_autoencoders,
    models,
    candidates,
    verified,
    vasp_inputs,
    phonons,
    exports,
    report,


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


rule pretrained_autoencoders:
    input:
        rules.pack_pretrained_autoencoders.output,


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


warn_of_settings()
warn_of_potcar_library()
check_command_when_known()
announce_when_planned()


onstart:
    take_lock()
    check_potcar_library()
    write_record()
    begin_display()


onsuccess:
    end_display()
    show_summary()


onerror:
    end_display()
    show_failure(log)
