# Configuration, names of folders, resources and fingerprints: what all rule files use.
#
# The other files also use atexit, os, re, sys, time, Path, WorkflowError, InputError, snakemake_logger, ALL_SCHEMES
# (every scheme by name) and the modules settings and fingerprints from here.

import atexit
import os
import re
import sys
import time

import yaml

sys.path.insert(0, str(CHECKOUT / "workflow_scripts"))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger as snakemake_logger
from snakemake.utils import update_config

IS_MODULE = bool(workflow.modifier.skip_configfile)  # of another workflow, which may name only what it changes
if IS_MODULE:
    given, config = config, yaml.safe_load((CHECKOUT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, given)

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
    from ccdcgan_workflow.configuration import (
        default_configuration,
        elements_of,
        energy_alone,
        load_configuration,
        reduced_formulas,
    )
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


def as_written():
    """What the user wrote: the configuration files, the settings of --config, and the values of both."""
    typed = workflow.config_settings
    if workflow.modifier.skip_configfile:
        return ()
    return [CHECKOUT / "config.yaml", *workflow.overwrite_configfiles], typed.config_args or (), typed.overwrite_config


ARGUMENTS = command_line.typed_arguments(sys.argv) if workflow.is_main_process else []

try:
    check_folder(".")
    command_line.check_options(ARGUMENTS)
    config = load_configuration(config, CHECKOUT, *as_written())
    START = autoencoder_start(config, default_configuration(CHECKOUT / "schemas/config.schema.yaml"))
    SYSTEM, RUN = names.name_run(config["system"], config["run"])
    config["system"] = SYSTEM
    RESULTS = f"results/{RUN}"
    record.check_system(RESULTS, SYSTEM)
    if workflow.is_main_process:
        if not record.is_made(RESULTS):
            files = [CHECKOUT / "config.yaml", *workflow.overwrite_configfiles]
            names.check_name(RUN, files, workflow.config_settings.config, SYSTEM)
        code_state.remember(config | {"run": RUN})
    else:
        code_state.check_settings(config | {"run": RUN})
except InputError as error:
    raise WorkflowError(str(error)) from None

STARTED = time.time()
ELEMENTS = elements_of(SYSTEM)
HOLDOUT = reduced_formulas(config["holdout"])
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
NOT_CAMPAIGN = "|".join(re.escape(name) for name in can_be_chosen() if name != "campaign")
PROPOSING = generating(SCHEMES) if "generated" in config["campaign"]["proposals"] else []
ROUNDS = range(1, len(settings.campaign_rounds(config)) + 1)
SHARDS = numbered(len(settings.shard_sizes(config)))
KNOWN_RELAXED = [
    f"{RESULTS}/database/known/relaxed/{batch}.extxyz"
    for batch in (numbered(config["hull"]["batches"]) if config["hull"]["known"] else [])
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
    return lambda wildcards, attempt: min(mb * attempt, config["limits"]["mem_mb"])


def minutes(amount):
    """Run time of a job, minutes. It grows with each attempt; relaxations and trainings resume where they stopped."""
    return lambda wildcards, attempt: min(amount * attempt, config["limits"]["runtime"])


def code_fingerprint(script, engine=None):
    """Fingerprint of the library code behind a script, computed for planned jobs only: each job reads all rules.

    engine: the one relaxation engine that the script uses; the code of the others does not count.
    """
    return lambda wildcards: fingerprints.code_fingerprint(script, engine)


def correction_input():
    """The user's file of DFT points for the correction of formation energies, if there is one."""
    points = config["relaxation"]["correction"]
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
