# Relaxation of batches of the database, the elements and the candidates, with one engine for all.


rule relax_database:
    input:
        f"{RESULTS}/database/substituted.extxyz",
    output:
        f"{RESULTS}/database/relaxed/{{batch}}.extxyz",
    log:
        f"{LOGS}/relax_database/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/relax_database/{{batch}}.tsv"
    conda:
        "../envs/relaxation.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(720),
    params:
        settings=settings.relaxation_settings(config["relaxation"]),
        n_batches=config["relaxation"]["jobs"],
        journal=f"{RESULTS}/database/journal",
        known_journals=EARLIER_JOURNALS,
        code=code_fingerprint("relax_batch", ENGINE),
    message:
        "Relaxing the database, batch {wildcards.batch} of {params.n_batches}"
    script:
        "../workflow_scripts/relax_batch.py"


use rule relax_database as relax_reference with:
    input:
        f"{RESULTS}/database/references/{{element}}.extxyz",
    output:
        f"{RESULTS}/database/references/relaxed/{{element}}.extxyz",
    log:
        f"{LOGS}/relax_reference/{{element}}.log",
    benchmark:
        f"{BENCHMARKS}/relax_reference/{{element}}.tsv"
    params:
        settings=settings.relaxation_settings(config["relaxation"]),
        n_batches=1,
        journal=f"{RESULTS}/database/journal",
        known_journals=EARLIER_JOURNALS,
        code=code_fingerprint("relax_batch", ENGINE),
    message:
        "Relaxing the unary prototypes of {wildcards.element}"


use rule relax_database as relax_candidates with:
    input:
        f"{RESULTS}/candidates/{{scheme}}/selected.extxyz",
    output:
        f"{RESULTS}/candidates/{{scheme}}/relaxed/{{batch}}.extxyz",
    log:
        f"{LOGS}/relax_candidates/{{scheme}}/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/relax_candidates/{{scheme}}/{{batch}}.tsv"
    wildcard_constraints:
        scheme=NOT_CAMPAIGN,
    params:
        settings=settings.relaxation_settings(config["relaxation"]),
        n_batches=config["evaluation"]["jobs"],
        journal=f"{RESULTS}/candidates/journal",
        known_journals=[f"{RESULTS}/database/journal", *EARLIER_JOURNALS],  # of the control database,
        code=code_fingerprint("relax_batch", ENGINE),
    message:
        "Relaxing the candidates of {wildcards.scheme}, batch {wildcards.batch} of {params.n_batches}"


rule symmetrise_candidates:
    input:
        **correction_input(),
        relaxed=f"{RESULTS}/candidates/{{scheme}}/relaxed/{{batch}}.extxyz",
        references=f"{RESULTS}/database/references.csv",
        database=f"{RESULTS}/database/database.extxyz",
        known=f"{RESULTS}/database/known.extxyz",
    output:
        f"{RESULTS}/candidates/{{scheme}}/symmetric/{{batch}}.extxyz",
    log:
        f"{LOGS}/symmetrise_candidates/{{scheme}}/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/symmetrise_candidates/{{scheme}}/{{batch}}.tsv"
    conda:
        "../envs/relaxation.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(720),
    params:
        settings=settings.relaxation_settings(config["relaxation"]),
        journal=f"{RESULTS}/candidates/symmetry_journal",
        meta_stable=config["evaluation"]["meta_stable"],
        engine=settings.energy_model(config),
        scheme=config["relaxation"]["energy_scheme"],
        correction=config["relaxation"]["energy_correction"],
        measured=dft_points_fingerprint(),
        code=code_fingerprint("symmetrise_batch", ENGINE),
    message:
        "Symmetrising the meta-stable candidates of {wildcards.scheme}, batch {wildcards.batch}"
    script:
        "../workflow_scripts/symmetrise_batch.py"


use rule relax_database as relax_round with:
    input:
        f"{RESULTS}/candidates/campaign/{{round}}/selected.extxyz",
    output:
        f"{RESULTS}/candidates/campaign/{{round}}/relaxed/{{batch}}.extxyz",
    log:
        f"{LOGS}/relax_round/{{round}}/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/relax_round/{{round}}/{{batch}}.tsv"
    priority: LONGEST_CHAIN
    params:
        settings=settings.relaxation_settings(config["relaxation"]),
        n_batches=config["campaign"]["jobs"],
        journal=f"{RESULTS}/candidates/journal",
        known_journals=[f"{RESULTS}/database/journal", *EARLIER_JOURNALS],
        code=code_fingerprint("relax_batch", ENGINE),
    message:
        "Relaxing the crystals of the campaign, {wildcards.round}, batch {wildcards.batch} of {params.n_batches}"


rule write_vasp_inputs:
    input:
        f"{RESULTS}/database/substituted.extxyz",
    output:
        directory(f"{RESULTS}/vasp_inputs"),
    log:
        f"{LOGS}/write_vasp_inputs.log",
    benchmark:
        f"{BENCHMARKS}/write_vasp_inputs.tsv"
    conda:
        "../envs/relaxation.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        settings=settings.relaxation_settings(config["relaxation"] | {"engine": "vasp"}),
        code=code_fingerprint("write_vasp_inputs", "vasp"),
    message:
        "Writing VASP's inputs of the substituted crystals, for inspection"
    script:
        "../workflow_scripts/write_vasp_inputs.py"
