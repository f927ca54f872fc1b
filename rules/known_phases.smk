# Known phases of the system: crystals of the sources as they are. They join the hull and the comparison with candidates.


rule find_known_phases:
    input:
        unpack(known_sources),
    output:
        crystals=f"{RESULTS}/database/known/found.extxyz",
        table=f"{RESULTS}/database/known/found.csv",
    log:
        f"{LOGS}/find_known_phases.log",
    benchmark:
        f"{BENCHMARKS}/find_known_phases.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        settings=settings.known_phase_settings(config),
        elements=ELEMENTS,
        matcher=config["matcher"],
        files=own_files("hull", "known"),
        code=code_fingerprint("find_known_phases"),
    message:
        "Finding the known phases in {params.settings[known]}"
    script:
        "../workflow_scripts/find_known_phases.py"


use rule relax_database as relax_known_phases with:
    input:
        rules.find_known_phases.output.crystals,
    output:
        f"{RESULTS}/database/known/relaxed/{{batch}}.extxyz",
    log:
        f"{LOGS}/relax_known_phases/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/relax_known_phases/{{batch}}.tsv"
    params:
        settings=settings.relaxation_settings(config["relaxation"]),
        n_batches=config["hull"]["jobs"],
        journal=f"{RESULTS}/database/known/journal",
        known_journals=[
            f"{RESULTS}/database/journal",
            *EARLIER_JOURNALS,
            *(f"results/{run}/database/known/journal" for run in EARLIER),
        ],
        code=code_fingerprint("relax_batch", ENGINE),
    message:
        "Relaxing the known phases, batch {wildcards.batch} of {params.n_batches}"
