# The candidates selected for relaxation, in the formats of other programs.


rule export_candidates:
    input:
        candidates=rules.summarise_candidates.output.candidates,
        placed=expand(f"{RESULTS}/candidates/{{scheme}}/placed.extxyz", scheme=SCHEMES),
    output:
        csv=report(f"{RESULTS}/exports/candidates.csv", caption="../report/candidates.rst", category="Tables"),
        parquet=f"{RESULTS}/exports/candidates.parquet",
        extxyz=f"{RESULTS}/exports/candidates.extxyz",
        cif=f"{RESULTS}/exports/candidates.cif.zip",
        ase=f"{RESULTS}/exports/candidates.db",
        optimade=f"{RESULTS}/exports/candidates.optimade.jsonl",
    log:
        f"{LOGS}/export_candidates.log",
    benchmark:
        f"{BENCHMARKS}/export_candidates.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        system=config["system"],
        code=code_fingerprint("export_candidates"),
    message:
        "Writing the candidates for other programs"
    script:
        "../workflow_scripts/export_candidates.py"
