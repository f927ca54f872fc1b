# The constraint network and the GAN of each scheme.


rule train_constraint:
    input:
        graphs=rules.encode_crystals.output[0],
        table=rules.collect_database.output.table,
    output:
        model=f"{RESULTS}/models/constraint.keras",
        table=f"{RESULTS}/models/constraint.csv",
        metrics=f"{RESULTS}/models/constraint_metrics.csv",
        history=f"{RESULTS}/models/constraint_history.csv",
    log:
        f"{LOGS}/train_constraint.log",
    benchmark:
        f"{BENCHMARKS}/train_constraint.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=720,
        gpu=0,
    params:
        settings=config["constraint"],
        precision=config["precision"],
        seed=config["seed"],
        checkpoint=f"{RESULTS}/models/checkpoints/constraint.npz",
        code=code_fingerprint("train_constraint"),
    message:
        "Training the constraint: crystal graph to formation energy"
    script:
        "../workflow_scripts/train_constraint.py"


rule train_gan:
    input:
        graphs=rules.encode_crystals.output[0],
        constraint=gan_constraint,
    output:
        generator=f"{RESULTS}/models/gan/{{scheme}}/generator.keras",
        history=f"{RESULTS}/models/gan/{{scheme}}/history.csv",
    log:
        f"{LOGS}/train_gan/{{scheme}}.log",
    benchmark:
        f"{BENCHMARKS}/train_gan/{{scheme}}.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=2880,
        gpu=0,
    params:
        settings=gan_settings,
        precision=config["precision"],
        seed=config["seed"],
        checkpoint=f"{RESULTS}/models/checkpoints/{{scheme}}.npz",
        code=code_fingerprint("train_gan"),
    message:
        "Training the GAN of scheme {wildcards.scheme}"
    script:
        "../workflow_scripts/train_gan.py"
