# Prototypes, substitution, and the database collected from its relaxed batches.

PARALLEL = 8  # maximum number of processes of a job that can divide its work


rule build_prototypes:
    input:
        unpack(fetched_sources),
    output:
        crystals=f"{RESULTS}/database/prototypes.extxyz",
        table=f"{RESULTS}/database/prototypes.csv",
        sources=f"{RESULTS}/database/sources.json",
    log:
        f"{LOGS}/build_prototypes.log",
    benchmark:
        f"{BENCHMARKS}/build_prototypes.tsv"
    conda:
        "../envs/structures.yaml"
    threads: PARALLEL
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        settings=settings.prototype_settings(config),
        n_elements=len(ELEMENTS),
        files=own_files(),
        code=code_fingerprint("build_prototypes"),
    message:
        "Reading prototypes from {params.settings[sources]}"
    script:
        "../workflow_scripts/build_prototypes.py"


rule substitute_elements:
    input:
        prototypes=rules.build_prototypes.output.crystals,
        evaluated=[f"results/{run}/candidates/candidates.csv" for run in EARLIER],
        generated=earlier_candidates(),
    output:
        crystals=f"{RESULTS}/database/substituted.extxyz",
        table=f"{RESULTS}/database/substituted.csv",
    log:
        f"{LOGS}/substitute_elements.log",
    benchmark:
        f"{BENCHMARKS}/substitute_elements.tsv"
    conda:
        "../envs/structures.yaml"
    threads: PARALLEL
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        elements=ELEMENTS,
        n_elements=[2, len(ELEMENTS)],
        max_length=config["prototypes"]["max_length"],
        matcher=config["matcher"],
        rules=config["substitution"],
        earlier_runs=EARLIER,
        code=code_fingerprint("substitute_elements"),
    message:
        "Substituting {params.elements} into the prototypes"
    script:
        "../workflow_scripts/substitute_elements.py"


use rule substitute_elements as substitute_reference with:
    input:
        prototypes=rules.build_prototypes.output.crystals,
    output:
        crystals=f"{RESULTS}/database/references/{{element}}.extxyz",
        table=f"{RESULTS}/database/references/{{element}}.csv",
    log:
        f"{LOGS}/substitute_reference/{{element}}.log",
    benchmark:
        f"{BENCHMARKS}/substitute_reference/{{element}}.tsv"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(60),
    params:
        elements=lambda wildcards: [wildcards.element],
        n_elements=[1, 1],
        max_length=config["prototypes"]["max_length"],
        matcher=config["matcher"],
        rules=config["substitution"],
        earlier_runs=[],  # candidates are compounds
        code=code_fingerprint("substitute_elements"),
    message:
        "Substituting {wildcards.element} into the unary prototypes"


rule collect_references:
    input:
        expand(f"{RESULTS}/database/references/relaxed/{{element}}.extxyz", element=ELEMENTS),
        KNOWN_RELAXED,
    output:
        table=f"{RESULTS}/database/references.csv",
        crystals=f"{RESULTS}/database/references.extxyz",
    log:
        f"{LOGS}/collect_references.log",
    benchmark:
        f"{BENCHMARKS}/collect_references.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        elements=ELEMENTS,
        code=code_fingerprint("collect_references"),
    message:
        "Selecting the most stable crystal of each element"
    script:
        "../workflow_scripts/collect_references.py"


rule collect_database:
    input:
        **correction_input(),
        # file names: with rules.… the time that Snakemake takes grows with the square of the number of batches
        batches=expand(f"{RESULTS}/database/relaxed/{{batch}}.extxyz", batch=numbered(config["relaxation"]["jobs"])),
        references=f"{RESULTS}/database/references.csv",
        known=KNOWN_RELAXED,
    output:
        crystals=f"{RESULTS}/database/database.extxyz",
        table=f"{RESULTS}/database/database.csv",
        known=f"{RESULTS}/database/known.extxyz",
        known_table=f"{RESULTS}/database/known.csv",
    log:
        f"{LOGS}/collect_database.log",
    benchmark:
        f"{BENCHMARKS}/collect_database.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(30),
    params:
        engine=settings.energy_model(config),
        scheme=config["relaxation"]["energy_scheme"],
        correction=config["relaxation"]["energy_correction"],
        measured=dft_points_fingerprint(),
        elements=ELEMENTS,
        matcher=config["matcher"],
        code=code_fingerprint("collect_database"),
    message:
        "Collecting the database: formation energies and hull distances"
    script:
        "../workflow_scripts/collect_database.py"


rule measure_distances:
    input:
        database=rules.collect_database.output.crystals,
        known=rules.collect_database.output.known,
    output:
        f"{RESULTS}/database/distances.csv",
    log:
        f"{LOGS}/measure_distances.log",
    benchmark:
        f"{BENCHMARKS}/measure_distances.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(30),
    params:
        elements=ELEMENTS,
        holdout=HOLDOUT,
        min_distance=config["generation"]["min_distance"],
        near_hull=0.2,  # eV/atom; bonds of crystals far above the hull can be too short
        guard=config["relaxation"]["guards"]["min_distance"],
        displacement=config["relaxation"]["displacement"],
        code=code_fingerprint("measure_distances"),
    message:
        "Measuring the shortest bonds of the database"
    script:
        "../workflow_scripts/measure_distances.py"
