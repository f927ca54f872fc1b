# The constraint and the generator of each scheme.


rule train_constraint:
    input:
        unpack(descriptor_network_inputs),
        graphs=rules.encode_crystals.output[0],
        table=rules.collect_database.output.table,
    output:
        model=f"{RESULTS}/models/constraint.keras",
        table=f"{RESULTS}/models/constraint.csv",
        history=f"{RESULTS}/models/constraint_history.csv",
    log:
        f"{LOGS}/train_constraint.log",
    benchmark:
        f"{BENCHMARKS}/train_constraint.tsv"
    priority: LONGEST_CHAIN
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(720),
        gpu=0,
    params:
        settings=settings.constraint_settings(config),
        held_out_by="random",
        precision=config["precision"],
        seed=config["seed"],
        checkpoint=f"{RESULTS}/models/checkpoints/constraint.npz",
        code=code_fingerprint("train_constraint"),
    message:
        "Training the constraint for the formation energy"
    script:
        "../workflow_scripts/train_constraint.py"


use rule train_constraint as train_constraint_by_prototype with:
    output:
        model=f"{RESULTS}/models/constraint_by_prototype/constraint.keras",
        table=f"{RESULTS}/models/constraint_by_prototype/constraint.csv",
        history=f"{RESULTS}/models/constraint_by_prototype/constraint_history.csv",
    log:
        f"{LOGS}/train_constraint_by_prototype.log",
    benchmark:
        f"{BENCHMARKS}/train_constraint_by_prototype.tsv"
    params:
        settings=settings.constraint_settings(config),
        held_out_by="prototype",
        precision=config["precision"],
        seed=config["seed"],
        checkpoint=f"{RESULTS}/models/checkpoints/constraint_by_prototype.npz",
        code=code_fingerprint("train_constraint"),
    message:
        "Training the constraint with prototypes held out, to measure its accuracy"


rule train_property:
    input:
        unpack(own_values),
        unpack(descriptor_network_inputs),
        graphs=rules.encode_crystals.output[0],
        table=rules.collect_database.output.table,
    output:
        model=f"{RESULTS}/models/properties/{{property}}.keras",
        table=f"{RESULTS}/models/properties/{{property}}.csv",
        history=f"{RESULTS}/models/properties/{{property}}_history.csv",
    log:
        f"{LOGS}/train_property/{{property}}.log",
    benchmark:
        f"{BENCHMARKS}/train_property/{{property}}.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(720),
        gpu=0,
    params:
        settings=settings.constraint_settings(config),
        precision=config["precision"],
        seed=config["seed"],
        checkpoint=f"{RESULTS}/models/checkpoints/property_{{property}}.npz",
        code=code_fingerprint("train_property"),
    message:
        "Training the constraint for {wildcards.property}"
    script:
        "../workflow_scripts/train_property.py"


rule build_objective:
    input:
        models=expand(f"{RESULTS}/models/properties/{{property}}.keras", property=PROPERTIES),
        tables=expand(f"{RESULTS}/models/properties/{{property}}.csv", property=PROPERTIES),
    output:
        f"{RESULTS}/models/objective.keras",
    log:
        f"{LOGS}/build_objective.log",
    benchmark:
        f"{BENCHMARKS}/build_objective.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
        gpu=0,
    params:
        properties=config["properties"],
        code=code_fingerprint("build_objective"),
    message:
        "Combining the constraints of all properties into one objective"
    script:
        "../workflow_scripts/build_objective.py"


rule compare_constraint:
    input:
        parities=[rules.train_constraint.output.table, rules.train_constraint_by_prototype.output.table],
        database=rules.collect_database.output.table,
    output:
        f"{RESULTS}/models/constraint_metrics.csv",
    log:
        f"{LOGS}/compare_constraint.log",
    benchmark:
        f"{BENCHMARKS}/compare_constraint.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        held_out_by=["random", "prototype"],
        elements=ELEMENTS,
        seed=config["seed"],
        code=code_fingerprint("compare_constraint"),
    message:
        "Comparing the constraint with baselines that do not use the structure"
    script:
        "../workflow_scripts/compare_constraint.py"


rule train_generator:
    input:
        graphs=rules.encode_crystals.output[0],
        crystals=rules.collect_database.output.crystals,
        lattice=f"{RESULTS}/representation/lattice_autoencoder.keras",
        sites=f"{RESULTS}/representation/sites_autoencoder.keras",
        constraint=generator_constraint,
        distances=rules.measure_distances.output[0],
    output:
        generator=f"{RESULTS}/models/{{scheme}}/generator.keras",
        history=f"{RESULTS}/models/{{scheme}}/history.csv",
    log:
        f"{LOGS}/train_generator/{{scheme}}.log",
    benchmark:
        f"{BENCHMARKS}/train_generator/{{scheme}}.tsv"
    wildcard_constraints:
        scheme="|".join(re.escape(name) for name in trained(ALL_SCHEMES)),
    priority: LONGEST_CHAIN
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(2880),
        gpu=0,
    params:
        settings=lambda wildcards: settings.generator_settings(config, wildcards.scheme),
        candidate=settings.candidate_rules(config, "min_distance", "max_atoms", "fallback_threshold"),
        precision=config["precision"],
        seed=config["seed"],
        checkpoint=f"{RESULTS}/models/checkpoints/{{scheme}}.npz",
        code=code_fingerprint("train_generator"),
    message:
        "Training the generator of {wildcards.scheme}"
    script:
        "../workflow_scripts/train_generator.py"


rule optimise_generator:
    input:
        generator=f"{RESULTS}/models/flow/generator.keras",
        constraint=OBJECTIVE,
    output:
        f"{RESULTS}/models/{{scheme}}/generator.keras",
    log:
        f"{LOGS}/optimise_generator/{{scheme}}.log",
    benchmark:
        f"{BENCHMARKS}/optimise_generator/{{scheme}}.tsv"
    wildcard_constraints:
        scheme="|".join(guided(ALL_SCHEMES)),
    priority: LONGEST_CHAIN
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
        gpu=0,
    params:
        settings=settings.optimisation_settings(config),
        code=code_fingerprint("optimise_generator"),
    message:
        "Optimising the noise of the flow with the constraint"
    script:
        "../workflow_scripts/optimise_generator.py"
