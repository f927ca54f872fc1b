# The best candidates, their competing phases and the elements, computed again with a second engine: `verified`.


rule select_for_verification:
    input:
        tables=expand(f"{RESULTS}/candidates/{{scheme}}/placed.csv", scheme=SCHEMES),
        placed=expand(f"{RESULTS}/candidates/{{scheme}}/placed.extxyz", scheme=SCHEMES),
        database=rules.collect_database.output.crystals,
        known=rules.collect_database.output.known,
        references=rules.collect_references.output.table,
        reference_crystals=rules.collect_references.output.crystals,
    output:
        f"{RESULTS}/verification/selected.extxyz",
    log:
        f"{LOGS}/select_for_verification.log",
    benchmark:
        f"{BENCHMARKS}/select_for_verification.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        schemes=SCHEMES,
        top=config["verify"]["top"],
        max_atoms=config["verify"]["max_atoms"],
        elements=ELEMENTS,
        matcher=config["matcher"],
        variants=settings.variant_limits(config),
        code=code_fingerprint("select_for_verification"),
    message:
        "Selecting the crystals to verify with {config[verify][engine]}"
    script:
        "../workflow_scripts/select_for_verification.py"


use rule relax_database as relax_verified with:
    input:
        rules.select_for_verification.output[0],
    output:
        f"{RESULTS}/verification/relaxed/{{batch}}.extxyz",
    log:
        f"{LOGS}/relax_verified/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/relax_verified/{{batch}}.tsv"
    params:
        settings=settings.verification_settings(config),
        n_batches=config["verify"]["jobs"],
        journal=f"{RESULTS}/verification/journal",
        code=code_fingerprint("relax_batch", settings.verification_settings(config)["engine"]),
    message:
        "Verifying with {params.settings[engine]}, batch {wildcards.batch} of {params.n_batches}"


rule compare_engines:
    input:
        selected=rules.select_for_verification.output[0],
        batches=expand(f"{RESULTS}/verification/relaxed/{{batch}}.extxyz", batch=numbered(config["verify"]["jobs"])),
    output:
        table=report(f"{RESULTS}/verification/verified.csv", caption="../report/verified.rst", category="Tables"),
        crystals=f"{RESULTS}/verification/verified.extxyz",
        points=f"{RESULTS}/verification/points.extxyz",
    log:
        f"{LOGS}/compare_engines.log",
    benchmark:
        f"{BENCHMARKS}/compare_engines.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        elements=ELEMENTS,
        matcher=config["matcher"],
        code=code_fingerprint("compare_engines"),
    message:
        "Comparing the results of both engines"
    script:
        "../workflow_scripts/compare_engines.py"
