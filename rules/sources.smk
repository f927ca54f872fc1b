# Sources of prototypes in the network: each is fetched once into resources/, which all runs share.

RESOURCES = "resources"

FETCHED = {
    "materials_project": kept_query("materials_project"),
    "optimade": kept_query("optimade"),
}


localrules:
    fetch_materials_project,
    fetch_optimade,


rule fetch_materials_project:
    output:
        **FETCHED["materials_project"],
    log:
        FETCHED["materials_project"]["materials_project"].replace("crystals.jsonl.gz", "fetch.log"),
    benchmark:
        FETCHED["materials_project"]["materials_project"].replace("crystals.jsonl.gz", "fetch.tsv")
    conda:
        "../envs/sources.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(240),
    params:
        query=settings.source_query(config, "materials_project"),
        code=code_fingerprint("fetch_materials_project"),
    message:
        "Fetching crystals from the Materials Project"
    script:
        "../workflow_scripts/fetch_materials_project.py"


rule fetch_optimade:
    output:
        **FETCHED["optimade"],
    log:
        FETCHED["optimade"]["optimade"].replace("crystals.jsonl.gz", "fetch.log"),
    benchmark:
        FETCHED["optimade"]["optimade"].replace("crystals.jsonl.gz", "fetch.tsv")
    conda:
        "../envs/sources.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(240),
    params:
        query=settings.source_query(config, "optimade"),
        code=code_fingerprint("fetch_optimade"),
    message:
        "Fetching crystals from OPTIMADE providers"
    script:
        "../workflow_scripts/fetch_optimade.py"
