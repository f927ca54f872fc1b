# Pre-training of the autoencoders on the prototypes of all sources shipped with the workflow. The weights that are
# shipped were made by the target pretrained_autoencoders; no run needs these rules.

PRETRAINING = "resources/pretraining"
PRETRAINING_SEED = 0  # of the shipped weights, whatever the seed of a run
PRETRAINING_PROTOTYPES = {
    "sources": ["aflow", "oqmd"],
    "max_atoms": 20,
    "limit": None,
    "oqmd": {"max_formation_energy": 2.0},
}
PRETRAINING_CHOICE = {"most_of_a_kind": 4, "held_out": 0.1}
PRETRAINED = ("lattice", "sites")
PRETRAINING_SETTINGS = {  # box and networks are those of the configuration
    "box": config["representation"]["box"],
    "lattice": REPRESENTATION["lattice"] | {"steps": 8000, "learning_rate": 0.001},
    "sites": REPRESENTATION["sites"] | {"steps": 7000},
}
PRETRAINING_PRECISION = "float32"


rule collect_pretraining_crystals:
    output:
        crystals=f"{PRETRAINING}/crystals.extxyz",
    log:
        f"{PRETRAINING}/logs/collect_pretraining_crystals.log",
    benchmark:
        f"{PRETRAINING}/benchmarks/collect_pretraining_crystals.tsv"
    conda:
        "../envs/structures.yaml"
    threads: PARALLEL
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        **PRETRAINING_CHOICE,
        prototypes=PRETRAINING_PROTOTYPES,
        n_elements=100,  # prototypes of any number of elements
        seed=PRETRAINING_SEED,
        code=code_fingerprint("collect_pretraining_crystals"),
    message:
        "Collecting the prototypes of AFLOW and OQMD for the pre-training"
    script:
        "../workflow_scripts/collect_pretraining_crystals.py"


rule pretrain_autoencoder:
    input:
        crystals=rules.collect_pretraining_crystals.output.crystals,
    output:
        model=f"{PRETRAINING}/{{network}}_autoencoder.keras",
        history=f"{PRETRAINING}/{{network}}_history.csv",
    log:
        f"{PRETRAINING}/logs/pretrain_autoencoder/{{network}}.log",
    benchmark:
        f"{PRETRAINING}/benchmarks/pretrain_autoencoder/{{network}}.tsv"
    conda:
        "../envs/learning.yaml"
    threads: TRAINING_THREADS
    resources:
        mem_mb=memory(4000),
        runtime=minutes(1440),
        gpu=0,
    params:
        settings=lambda wildcards: PRETRAINING_SETTINGS[wildcards.network],
        box=PRETRAINING_SETTINGS["box"],
        precision=PRETRAINING_PRECISION,
        seed=PRETRAINING_SEED,
        checkpoint=f"{PRETRAINING}/checkpoints/{{network}}.npz",
        code=code_fingerprint("pretrain_autoencoder"),
    message:
        "Pre-training the {wildcards.network} autoencoder"
    script:
        "../workflow_scripts/pretrain_autoencoder.py"


rule pack_pretrained_autoencoders:
    input:
        crystals=rules.collect_pretraining_crystals.output.crystals,
        models=expand(f"{PRETRAINING}/{{network}}_autoencoder.keras", network=PRETRAINED),
        histories=expand(f"{PRETRAINING}/{{network}}_history.csv", network=PRETRAINED),
    output:
        weights=expand(f"{PRETRAINING}/shipped/{{network}}.npz", network=PRETRAINED),
        histories=expand(f"{PRETRAINING}/shipped/{{network}}_history.csv", network=PRETRAINED),
        held_out=f"{PRETRAINING}/shipped/held_out.csv",
        kinds=f"{PRETRAINING}/shipped/kinds.csv",
        record=f"{PRETRAINING}/shipped/record.json",
    log:
        f"{PRETRAINING}/logs/pack_pretrained_autoencoders.log",
    benchmark:
        f"{PRETRAINING}/benchmarks/pack_pretrained_autoencoders.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        representation=PRETRAINING_SETTINGS,
        crystals={"prototypes": PRETRAINING_PROTOTYPES, **PRETRAINING_CHOICE},
        networks=PRETRAINED,
        seed=PRETRAINING_SEED,
        checkout=str(CHECKOUT),
        precision=PRETRAINING_PRECISION,
        code=code_fingerprint("pack_pretrained_autoencoders"),
    message:
        "Packing the weights of the pre-trained autoencoders, with the record of how they were made"
    script:
        "../workflow_scripts/pack_pretrained_autoencoders.py"
