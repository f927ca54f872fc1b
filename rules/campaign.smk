# The campaign: rounds that choose crystals by a model trained on all earlier relaxations, and relax them.
# Their relaxations are in relaxation.smk. A round is a fixed number of crystals, so that a dry run shows all jobs.


rule propose_round:
    input:
        unpack(earlier_rounds),
        **correction_input(),
        **generated_proposals(),
        substituted=rules.substitute_elements.output.crystals,
        database=rules.collect_database.output.crystals,
        known=rules.collect_database.output.known,
        references=rules.collect_references.output.table,
        distances=rules.measure_distances.output[0],
    output:
        crystals=f"{RESULTS}/candidates/campaign/{{round}}/selected.extxyz",
        table=f"{RESULTS}/candidates/campaign/{{round}}/proposals.csv",
        counts=f"{RESULTS}/candidates/campaign/{{round}}/losses.csv",
    log:
        f"{LOGS}/propose_round/{{round}}.log",
    benchmark:
        f"{BENCHMARKS}/propose_round/{{round}}.tsv"
    priority: LONGEST_CHAIN
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(120),
    params:
        plan=lambda wildcards: settings.campaign_plan(config, round_number(wildcards), COMPOSITIONS),
        candidate=settings.candidate_rules(config, "min_distance", "max_atoms", "expansion"),
        representation=settings.voxel_settings(config),
        generating=PROPOSING,
        n_batches=config["campaign"]["jobs"],
        engine=settings.energy_model(config),
        scheme=config["relaxation"]["energy_scheme"],
        correction=config["relaxation"]["energy_correction"],
        measured=dft_points_fingerprint(),
        matcher=config["matcher"],
        variants=settings.variant_limits(config),
        holdout=HOLDOUT,
        code=code_fingerprint("propose_round"),
    message:
        "Choosing the crystals of the campaign, {wildcards.round}: {params.plan[relaxations]} of {params.plan[pool]} proposals"
    script:
        "../workflow_scripts/propose_round.py"


rule collect_rounds:
    input:
        selected=[round_files(number)["selected"] for number in ROUNDS],
        relaxed=[batch for number in ROUNDS for batch in round_files(number)["relaxed"]],
        losses=[f"{RESULTS}/candidates/campaign/round-{number}/losses.csv" for number in ROUNDS],
        graphs=rules.encode_crystals.output[0],
        lattice=f"{RESULTS}/representation/lattice_autoencoder.keras",
        sites=f"{RESULTS}/representation/sites_autoencoder.keras",
    output:
        crystals=f"{RESULTS}/candidates/campaign/selected.extxyz",
        relaxed=[
            f"{RESULTS}/candidates/campaign/relaxed/{batch}.extxyz" for batch in numbered(config["evaluation"]["jobs"])
        ],
        counts=f"{RESULTS}/candidates/campaign/losses.csv",
        generated=f"{RESULTS}/candidates/campaign/generated/000.extxyz",
        encoded=f"{RESULTS}/candidates/campaign/generated/000.npz",
    log:
        f"{LOGS}/collect_rounds.log",
    benchmark:
        f"{BENCHMARKS}/collect_rounds.tsv"
    conda:
        "../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        n_batches=config["campaign"]["jobs"],
        code=code_fingerprint("collect_rounds"),
    message:
        "Collecting the rounds of the campaign"
    script:
        "../workflow_scripts/collect_rounds.py"
