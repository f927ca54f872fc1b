# Sources of prototypes that come over the network: each fetched once into resources/, shared by all runs.


localrules:
    fetch_oqmd,


rule fetch_oqmd:
    output:
        **FETCHED["oqmd"],
    log:
        f"{RESOURCES}/oqmd/fetch.log",
    benchmark:
        f"{RESOURCES}/oqmd/fetch.tsv"
    conda:
        "../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(30),
    params:
        code=code_fingerprint("fetch_oqmd"),
    message:
        "Fetching the crystals of OQMD"
    script:
        "../workflow_scripts/fetch_oqmd.py"
