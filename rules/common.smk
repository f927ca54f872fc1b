# Configuration, names of folders, resources and fingerprints: what all rule files use.
#
# The other files also use atexit, os, re, sys, time, Path, WorkflowError, InputError, snakemake_logger, ALL_SCHEMES
# (every scheme by name) and the modules settings and fingerprints from here.

import atexit
import os
import re
import sys
import time

sys.path.insert(0, str(CHECKOUT / "workflow_scripts"))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger as snakemake_logger

IS_MODULE = bool(workflow.modifier.skip_configfile)  # of another workflow, which may name only what it changes

try:
    from ccdcgan.database.dft_points import MEASURED, measured_points
    from ccdcgan.representation.pretraining import shipped
    from ccdcgan.schemes import SCHEMES as ALL_SCHEMES
    from ccdcgan.schemes import can_be_chosen, can_be_new, controls, generating, guided, trained
    from ccdcgan.utils.errors import InputError
    from ccdcgan.utils.hashing import fingerprint
    from ccdcgan_workflow import fingerprints, settings
    from ccdcgan_workflow.runs.autoencoder_start import autoencoder_start
    from ccdcgan_workflow.check import commands, surroundings
    from ccdcgan_workflow.configuration import checked_configuration, elements_of, energy_alone, reduced_formulas
    from ccdcgan_workflow.keys import layers, shown, unused
    from ccdcgan_workflow.locks import lock_run
    from ccdcgan_workflow.provenance import describe_checkout, describe_versions
    from ccdcgan_workflow.runs import announcement, code_state, command_line, names, record
    from ccdcgan_workflow.settings import numbered
    from ccdcgan_workflow.system_errors import check_folder
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"the package {error.name} is missing from the Python that runs Snakemake ({sys.executable}); "
        "run make environment once, then .venv/bin/snakemake."
    ) from None


CONFIG_FILES = [CHECKOUT / layers.CONFIG, *([] if IS_MODULE else workflow.overwrite_configfiles)]
ARGUMENTS = command_line.typed_arguments(sys.argv) if workflow.is_main_process else []

try:
    check_folder(".")
    command_line.check_options(ARGUMENTS)
    DEFAULTS = layers.default_configuration(CHECKOUT)
    if IS_MODULE:
        LAYERS = layers.read_layers(CHECKOUT, CONFIG_FILES, given=config)
    else:
        LAYERS = layers.read_layers(CHECKOUT, CONFIG_FILES, workflow.config_settings.config_args or ())
    config = checked_configuration(LAYERS, CHECKOUT)
    START = autoencoder_start(config, DEFAULTS)
    SYSTEM, RUN = names.name_run(config["system"], config["run"])
    config["system"] = SYSTEM
    RESULTS = f"results/{RUN}"
    record.check_system(RESULTS, SYSTEM)
    if workflow.is_main_process:
        if not record.is_made(RESULTS):
            names.check_name(RUN, CONFIG_FILES, workflow.config_settings.config, SYSTEM)
        code_state.remember(config | {"run": RUN})
    else:
        code_state.check_settings(config | {"run": RUN})
except InputError as error:
    raise WorkflowError(str(error)) from None

STARTED = time.time()
ELEMENTS = elements_of(SYSTEM)
HOLDOUT = reduced_formulas(config["held_out_compositions"])
COMPOSITIONS = reduced_formulas(config["evaluation"]["compositions"] or []) or None
EARLIER = config["earlier_runs"]
EARLIER_JOURNALS = [f"results/{run}/{stage}/journal" for run in EARLIER for stage in ("database", "candidates")]
OTHER_SEEDS = config["other_seeds"]
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
SCHEMES = config["schemes"]
TRAINED = trained(SCHEMES)
PROPERTIES = [target["name"] for target in config["properties"]]
OBJECTIVE = f"{RESULTS}/models/{'constraint' if energy_alone(config['properties']) else 'objective'}.keras"
AUTOENCODERS = {name: f"{RESULTS}/representation/{name}_autoencoder.keras" for name in ("lattice", "sites")}
# Priority of the jobs of the longest chain: trainings, samples, and the rounds of the campaign, which need the samples.
# The relaxations of all other candidates fill the cores that these leave.
LONGEST_CHAIN = 10
NOT_CAMPAIGN = "|".join(re.escape(name) for name in can_be_chosen() if name != "campaign")
PROPOSING = generating(SCHEMES) if "generated" in config["campaign"]["proposals"] else []
ROUNDS = range(1, len(settings.campaign_rounds(config)) + 1)
ENGINE = settings.relaxation_settings(config["relaxation"])["engine"]  # as fingerprints and journals call it
SHARDS = numbered(len(settings.shard_sizes(config)))
KNOWN_RELAXED = [
    f"{RESULTS}/database/known/relaxed/{batch}.extxyz"
    for batch in (numbered(config["hull"]["jobs"]) if config["hull"]["known"] else [])
]


wildcard_constraints:
    element="[A-Z][a-z]?",
    batch=r"\d+",
    shard=r"\d+",
    rank=r"\d+",
    round=r"round-\d+",
    scheme="|".join(re.escape(name) for name in can_be_chosen()),
    network="sites|lattice",
    property="|".join(PROPERTIES),


def memory(mb):
    """Memory of a job, MB. It grows with each attempt, up to the limit of the configuration."""
    return lambda wildcards, attempt: min(mb * attempt, config["job_limits"]["mem_mb"])


def minutes(amount):
    """Run time of a job, minutes. It grows with each attempt; relaxations and trainings resume where they stopped."""
    return lambda wildcards, attempt: min(amount * attempt, config["job_limits"]["runtime"])


def code_fingerprint(script, engine=None):
    """Fingerprint of the library code behind a script, computed for planned jobs only: each job reads all rules.

    engine: the one relaxation engine that the script uses; the code of the others does not count.
    """
    return lambda wildcards: fingerprints.code_fingerprint(script, engine)


def correction_input():
    """The user's file of DFT points for the correction of formation energies, if there is one."""
    points = config["relaxation"]["energy_correction"]
    return {"correction": points} if points not in (None, MEASURED) else {}


def dft_points_fingerprint():
    """Fingerprint of the DFT points of this system that are shipped with the workflow."""
    table = measured_points(ELEMENTS)
    return fingerprints.file_fingerprint(table) if table else ""


def if_made(path):
    """Input function of a file that is used if it exists already, but not made for this rule."""
    return lambda wildcards: path if Path(path).exists() else []


def figure_in_report(path):
    """A figure as PNG for Snakemake's report, with the caption that the page uses, too."""
    name = Path(path).stem
    caption = f"../workflow_scripts/ccdcgan/report/templates/captions/{name}.rst"
    return report(path, caption=caption, category="Figures", labels={"figure": name.replace("_", " ")})
