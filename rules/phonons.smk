# Phonons of the best candidates: are they minima of the energy?

PHONON_RANKS = numbered(config["phonons"]["top"])


rule compute_phonons:
    input:
        tables=expand(f"{RESULTS}/candidates/{{scheme}}/placed.csv", scheme=SCHEMES),
        placed=expand(f"{RESULTS}/candidates/{{scheme}}/placed.extxyz", scheme=SCHEMES),
        database=rules.collect_database.output.crystals,
        known=rules.collect_database.output.known,
    output:
        table=f"{RESULTS}/phonons/ranks/{{rank}}.csv",
        bands=f"{RESULTS}/phonons/bands/{{rank}}.csv",
        end=f"{RESULTS}/phonons/ends/{{rank}}.extxyz",
    log:
        f"{LOGS}/compute_phonons/{{rank}}.log",
    benchmark:
        f"{BENCHMARKS}/compute_phonons/{{rank}}.tsv"
    conda:
        "../envs/relaxation.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(120),
    params:
        schemes=SCHEMES,
        rank=lambda wildcards: int(wildcards.rank),
        settings={key: value for key, value in config["phonons"].items() if key != "top"},
        engine=settings.phonon_engine_settings(config),
        matcher=config["matcher"],
        variants=settings.variant_limits(config),
        code=code_fingerprint("compute_phonons", settings.phonon_engine_settings(config)["engine"]),
    message:
        "Computing the phonons of the candidate of rank {params.rank}"
    script:
        "../workflow_scripts/compute_phonons.py"


rule collect_phonons:
    input:
        tables=expand(f"{RESULTS}/phonons/ranks/{{rank}}.csv", rank=PHONON_RANKS),
        bands=expand(f"{RESULTS}/phonons/bands/{{rank}}.csv", rank=PHONON_RANKS),
        ends=expand(f"{RESULTS}/phonons/ends/{{rank}}.extxyz", rank=PHONON_RANKS),
    output:
        table=report(f"{RESULTS}/phonons/phonons.csv", caption="../report/phonons.rst", category="Tables"),
        figure=figure_in_report(f"{RESULTS}/phonons/phonon_bands.png"),
        print=f"{RESULTS}/phonons/phonon_bands.pdf",
        ends=f"{RESULTS}/phonons/lower_crystals.extxyz",
    log:
        f"{LOGS}/collect_phonons.log",
    benchmark:
        f"{BENCHMARKS}/collect_phonons.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_fingerprint("collect_phonons"),
    message:
        "Collecting the phonons"
    script:
        "../workflow_scripts/collect_phonons.py"
