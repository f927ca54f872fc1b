# Autoencoders, crystal graphs, and the reconstruction of crystals from them.

TRAINING_THREADS = workflow.cores or 1
REPRESENTATION = settings.representation_settings(config)
HELD_OUT_BY = "prototype" if START.pretrained else config["representation"]["split"]


rule split_crystals:
    input:
        database=rules.collect_database.output.crystals,
        prototypes=rules.build_prototypes.output.crystals,
        substituted=rules.substitute_elements.output.table,
    output:
        f"{RESULTS}/representation/split.csv",
    log:
        f"{LOGS}/split_crystals.log",
    benchmark:
        f"{BENCHMARKS}/split_crystals.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        fraction=None if START.pretrained else config["representation"]["validation_fraction"],
        mode=HELD_OUT_BY,
        seed=None if START.pretrained else config["seed"],
        holdout=HOLDOUT,
        pretrained=pretrained_weights(),
        code=code_fingerprint("split_crystals"),
    message:
        "Holding out crystals by {params.mode}"
    script:
        "../workflow_scripts/split_crystals.py"


rule train_autoencoder:
    input:
        unpack(autoencoder_data),
    output:
        model=f"{RESULTS}/representation/{{network}}_autoencoder.keras",
        history=f"{RESULTS}/representation/{{network}}_history.csv",
    log:
        f"{LOGS}/train_autoencoder/{{network}}.log",
    benchmark:
        f"{BENCHMARKS}/train_autoencoder/{{network}}.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1 if START.pretrained else TRAINING_THREADS
    resources:
        mem_mb=memory(4000),
        runtime=minutes(20 if START.pretrained else 1440),
        gpu=0,
    params:
        settings=lambda wildcards: None if START.pretrained else REPRESENTATION[wildcards.network],
        box=config["representation"]["box"],
        precision=None if START.pretrained else config["precision"],
        seed=None if START.pretrained else config["seed"],
        pretrained=lambda wildcards: pretrained_weights(wildcards.network)(wildcards),
        checkpoint=f"{RESULTS}/representation/checkpoints/{{network}}.npz",
        code=code_fingerprint("train_autoencoder"),
    message:
        f"Preparing the {{wildcards.network}} autoencoder ({START.in_words()})"
    script:
        "../workflow_scripts/train_autoencoder.py"


rule encode_crystals:
    input:
        database=rules.collect_database.output.crystals,
        lattice=f"{RESULTS}/representation/lattice_autoencoder.keras",
        sites=f"{RESULTS}/representation/sites_autoencoder.keras",
    output:
        f"{RESULTS}/representation/crystal_graphs.npz",
    log:
        f"{LOGS}/encode_crystals.log",
    benchmark:
        f"{BENCHMARKS}/encode_crystals.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
    params:
        representation={key: REPRESENTATION[key] for key in ("box", "corrections", "sites", "lattice")},
        elements=ELEMENTS,
        holdout=HOLDOUT,
        code=code_fingerprint("encode_crystals"),
    message:
        "Encoding every crystal of the database as a crystal graph"
    script:
        "../workflow_scripts/encode_crystals.py"


rule reconstruct_crystals:
    input:
        database=rules.collect_database.output.crystals,
        split=rules.split_crystals.output[0],
        graphs=rules.encode_crystals.output[0],
        lattice=f"{RESULTS}/representation/lattice_autoencoder.keras",
        sites=f"{RESULTS}/representation/sites_autoencoder.keras",
    output:
        table=f"{RESULTS}/representation/reconstruction.csv",
        summary=report(
            f"{RESULTS}/representation/reconstruction_summary.csv",
            caption="../report/reconstruction.rst",
            category="Tables",
        ),
        examples=f"{RESULTS}/representation/reconstruction_examples.npz",
        crystals=f"{RESULTS}/representation/reconstruction_examples.extxyz",
    log:
        f"{LOGS}/reconstruct_crystals.log",
    benchmark:
        f"{BENCHMARKS}/reconstruct_crystals.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(120),
    params:
        max_atoms=config["prototypes"]["max_atoms"],
        holdout=HOLDOUT,
        held_out_by=HELD_OUT_BY,
        code=code_fingerprint("reconstruct_crystals"),
    message:
        "Reconstructing every crystal from its crystal graph"
    script:
        "../workflow_scripts/reconstruct_crystals.py"


rule measure_latents:
    input:
        database=rules.collect_database.output.crystals,
        graphs=rules.encode_crystals.output[0],
        lattice=f"{RESULTS}/representation/lattice_autoencoder.keras",
        sites=f"{RESULTS}/representation/sites_autoencoder.keras",
        distances=rules.measure_distances.output[0],
    output:
        ranges=f"{RESULTS}/representation/latents.csv",
        tests=f"{RESULTS}/representation/latent_tests.csv",
    log:
        f"{LOGS}/measure_latents.log",
    benchmark:
        f"{BENCHMARKS}/measure_latents.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
    params:
        settings={
            "n": 100,
            "seed": config["seed"],
            "max_atoms": config["prototypes"]["max_atoms"],
            "min_distance": config["generation"]["min_distance"],
        },
        code=code_fingerprint("measure_latents"),
    message:
        "Measuring the latent space: ranges, noise, interpolation"
    script:
        "../workflow_scripts/measure_latents.py"
