# Generation of samples in seeded shards, predicted energies, and the selection of the candidates to relax.

CANDIDATE = settings.candidate_rules(config, "min_distance", "max_atoms", "expansion", "fallback_threshold")
RANKED = settings.ranks_candidates(config)


rule generate_candidates:
    input:
        generator=f"{RESULTS}/models/{{scheme}}/generator.keras",
        graphs=rules.encode_crystals.output[0],
        lattice=f"{RESULTS}/representation/lattice_autoencoder.keras",
        sites=f"{RESULTS}/representation/sites_autoencoder.keras",
        distances=rules.measure_distances.output[0],
    output:
        crystals=f"{RESULTS}/candidates/{{scheme}}/generated/{{shard}}.extxyz",
        samples=f"{RESULTS}/candidates/{{scheme}}/generated/{{shard}}.csv",
        graphs=f"{RESULTS}/candidates/{{scheme}}/generated/{{shard}}.npz",
    log:
        f"{LOGS}/generate_candidates/{{scheme}}/{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/generate_candidates/{{scheme}}/{{shard}}.tsv"
    wildcard_constraints:
        scheme="|".join(map(re.escape, generating(ALL_SCHEMES))),
    priority: LONGEST_CHAIN
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(240),
        gpu=0,
    params:
        samples=lambda wildcards: settings.shard_sizes(config)[int(wildcards.shard)],
        candidate=CANDIDATE,
        seed=config["seed"],
        code=code_fingerprint("generate_candidates"),
    message:
        "Generating candidates with {wildcards.scheme}, shard {wildcards.shard}: {params.samples} samples"
    script:
        "../workflow_scripts/generate_candidates.py"


rule draw_controls:
    input:
        substituted=rules.substitute_elements.output.crystals,
        database=rules.collect_database.output.crystals,
        known=rules.collect_database.output.known,
        graphs=rules.encode_crystals.output[0],
        lattice=f"{RESULTS}/representation/lattice_autoencoder.keras",
        sites=f"{RESULTS}/representation/sites_autoencoder.keras",
        distances=rules.measure_distances.output[0],
    output:
        **rules.generate_candidates.output,
    log:
        f"{LOGS}/draw_controls/{{scheme}}/{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/draw_controls/{{scheme}}/{{shard}}.tsv"
    wildcard_constraints:
        scheme="|".join(controls(ALL_SCHEMES)),
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(240),
        gpu=0,
    params:
        samples=lambda wildcards: settings.shard_sizes(config)[int(wildcards.shard)],
        candidate=CANDIDATE,
        holdout=HOLDOUT,
        matcher=config["matcher"],
        seed=config["seed"],
        code=code_fingerprint("draw_controls"),
    message:
        "Making the control {wildcards.scheme}, shard {wildcards.shard}: {params.samples} samples"
    script:
        "../workflow_scripts/draw_controls.py"


rule predict_candidates:
    input:
        constraint=rules.train_constraint.output.model,
        substituted=rules.substitute_elements.output.crystals,
        database=rules.collect_database.output.crystals,
        graphs=generated_files("npz"),
        crystals=generated_files("extxyz"),
    output:
        f"{RESULTS}/candidates/{{scheme}}/predicted.csv",
    log:
        f"{LOGS}/predict_candidates/{{scheme}}.log",
    benchmark:
        f"{BENCHMARKS}/predict_candidates/{{scheme}}.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
        gpu=0,
    params:
        elements=ELEMENTS,
        holdout=HOLDOUT,
        seed=config["seed"],
        code=code_fingerprint("predict_candidates"),
    message:
        "Predicting the formation energies of the candidates of {wildcards.scheme}"
    script:
        "../workflow_scripts/predict_candidates.py"


rule select_candidates:
    input:
        crystals=generated_files("extxyz"),
        samples=generated_files("csv"),
        database=database_to_compare,
        predicted=rules.predict_candidates.output[0] if RANKED else [],
    output:
        crystals=f"{RESULTS}/candidates/{{scheme}}/selected.extxyz",
        counts=f"{RESULTS}/candidates/{{scheme}}/losses.csv",
    log:
        f"{LOGS}/select_candidates/{{scheme}}.log",
    benchmark:
        f"{BENCHMARKS}/select_candidates/{{scheme}}.tsv"
    wildcard_constraints:
        scheme=NOT_CAMPAIGN,
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        elements=ELEMENTS if RANKED else [],
        ranking=settings.RANKINGS.get(config["evaluation"]["choose"], ""),
        limit=config["evaluation"]["relax_at_most"],
        matcher=config["matcher"],
        compositions=COMPOSITIONS,
        skip_repeats=skips_repeats,
        code=code_fingerprint("select_candidates"),
    message:
        "Selecting the candidates of {wildcards.scheme} to relax"
    script:
        "../workflow_scripts/select_candidates.py"
