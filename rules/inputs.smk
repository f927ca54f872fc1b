# Input functions and other functions for the rules, in the order of the rule files that use them. They are not beside
# their rules, since snakemake --lint refuses files with both. FETCHED, RESOURCES and RANKED are set by those rule files.


def kept_query(source):
    """The files that hold a service's answer to the query of this configuration."""
    folder = f"{RESOURCES}/{source}/{fingerprint(settings.source_query(config, source))}"
    return {source: f"{folder}/crystals.jsonl.gz", f"{source}_provenance": f"{folder}/provenance.json"}


def fetched_sources(wildcards):
    """The fetched files of the configured sources, and their provenance."""
    return {name: path for source in config["prototypes"]["sources"] for name, path in FETCHED.get(source, {}).items()}


def known_sources(wildcards):
    """The fetched files of the sources of known phases, and their provenance."""
    return {name: path for source in config["hull"]["known"] for name, path in FETCHED.get(source, {}).items()}


def autoencoder_data(wildcards):
    """What an autoencoder is trained on; nothing if it is pre-trained."""
    if START.pretrained:
        return {}
    return {
        "database": rules.collect_database.output.crystals,
        "prototypes": rules.build_prototypes.output.crystals,
        "split": rules.split_crystals.output[0],
    }


def pretrained_weights(*networks):
    """Fingerprint of the shipped weights of networks, or of the kinds that these saw; "" if the run trains its own."""
    files = [shipped.weights_file(network) for network in networks] or [shipped.FOLDER / "kinds.csv"]
    return lambda wildcards: "".join(map(fingerprints.file_fingerprint, files)) if START.pretrained else ""


def own_files(section="prototypes", key="sources"):
    """Fingerprint of the user's own crystals, if this key names them, so that a change is noticed; else None.

    The files are not inputs, since Snakemake cannot handle every name: braces, line breaks, names that are not UTF-8.
    """

    def checksum(wildcards):
        if "files" not in config[section][key]:
            return None
        from ccdcgan.database.prototypes.provenance import own_checksums  # here, since the import takes seconds

        return fingerprint(own_checksums(config["prototypes"]["files"]["folder"]))

    return checksum


def earlier_candidates():
    """The generated candidates of the earlier runs, which join the database of this run; refuse runs without any."""
    paths = []
    for run in EARLIER:
        if run == RUN or not Path(f"results/{run}/candidates/candidates.csv").is_file():
            raise WorkflowError(
                f"config key earlier_runs names {run!r}, but there are no evaluated candidates in results/{run}; finish "
                "that run first, and give this one another name with the key run."
            )
        paths += sorted(map(str, Path(f"results/{run}/candidates").glob("*/selected.extxyz")))
    return paths


def own_values(wildcards):
    """The user's own file of a property's values, if there is one."""
    file = next(target.get("file") for target in config["properties"] if target["name"] == wildcards.property)
    return {"file": file} if file else {}


def descriptor_network_inputs(wildcards):
    """The crystals and autoencoders that the descriptor network is trained with, if it is the constraint."""
    if config["constraint"]["network"] != "descriptors":
        return {}
    return {"crystals": f"{RESULTS}/database/database.extxyz", **AUTOENCODERS}


def generator_constraint(wildcards):
    """The constraint, or the objective of several properties, for constrained schemes."""
    return OBJECTIVE if ALL_SCHEMES[wildcards.scheme].constrained else []


def shards_of(scheme):
    """The shards of a scheme's candidates; the campaign has one."""
    return numbered(1) if scheme == "campaign" else SHARDS


def generated_files(ending):
    """Input function of the candidates of a scheme, all shards: extxyz, csv or npz."""
    return lambda wildcards: [
        f"{RESULTS}/candidates/{wildcards.scheme}/generated/{shard}.{ending}" for shard in shards_of(wildcards.scheme)
    ]


def generated_proposals():
    """The candidates of the schemes that propose crystals to the campaign, those of each under a name of its own."""
    return {
        f"generated_{scheme}": [f"{RESULTS}/candidates/{scheme}/generated/{shard}.extxyz" for shard in SHARDS]
        for scheme in PROPOSING
    }


def round_files(number):
    """Selected crystals of a round of the campaign, and its relaxed batches."""
    folder = f"{RESULTS}/candidates/campaign/round-{number}"
    batches = numbered(config["campaign"]["jobs"])
    return {
        "selected": f"{folder}/selected.extxyz",
        "relaxed": [f"{folder}/relaxed/{batch}.extxyz" for batch in batches],
    }


def earlier_rounds(wildcards):
    """Crystals of all rounds before this one, before and after relaxation."""
    files = [round_files(number) for number in ROUNDS if number < round_number(wildcards)]
    return {
        "selected": [own["selected"] for own in files],
        "relaxed": [batch for own in files for batch in own["relaxed"]],
    }


def round_number(wildcards):
    """The number of a round of the campaign."""
    return int(wildcards.round.removeprefix("round-"))


def skips_repeats(wildcards):
    """Whether candidates that repeat a relaxed crystal of the database, or one another, are not relaxed."""
    return config["evaluation"]["skip_repeats"] and can_be_new(wildcards.scheme)


def database_to_compare(wildcards):
    """The relaxed crystals and known phases that candidates must not repeat, and whose hull ranks them."""
    crystals = [rules.collect_database.output.crystals, rules.collect_database.output.known]
    return crystals if RANKED or skips_repeats(wildcards) else []


def other_summaries(wildcards):
    """The summaries of the runs with other seeds; refuse runs without one."""
    tables = [f"results/{run}/summary.csv" for run in OTHER_SEEDS]
    for run, table in zip(OTHER_SEEDS, tables):
        if run == RUN:
            raise WorkflowError(
                f"config key other_seeds names {run!r}, which is this run itself; name finished runs that differ from it in "
                "their seed only, each with a name of its own."
            )
        if Path(table).is_file():
            continue
        if record.is_made(f"results/{run}"):
            remedy = "that run is not finished: start it again with the command with which it was started."
        else:
            changes = {"seed": config["seed"] + 1, "run": run, "other_seeds": "[]"}
            remedy = f"make that run first, with another seed: {command_line.with_settings(ARGUMENTS, changes)}"
        raise WorkflowError(f"config key other_seeds names {run!r}, but there is no other run with {table}; {remedy}")
    return tables


def verified_files(wildcards):
    """The table of both engines, if a second engine is configured."""
    if config["verify"]["engine"] is None:
        raise WorkflowError("config key verify.engine is null, so nothing is verified; set it to gpaw or vasp.")
    return rules.compare_engines.output
