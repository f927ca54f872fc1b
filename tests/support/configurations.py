"""Configurations as Snakemake merges them: config.yaml, files given with --configfile, settings given with --config."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from snakemake.cli import parse_config
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from ccdcgan_workflow.configuration import load_configuration
from tests.conftest import ROOT

DEFAULT = load_configfile(ROOT / "config.yaml")


def loaded(files: Sequence[Path] = (), options: Sequence[str] = ()) -> dict[str, Any]:
    """Return the checked configuration that Snakemake would start with."""
    given: dict[str, Any] = {}
    for file in files:
        update_config(given, load_configfile(file))
    update_config(given, parse_config(options))
    config = copy.deepcopy(DEFAULT)
    update_config(config, copy.deepcopy(given))
    return load_configuration(config, ROOT, [ROOT / "config.yaml", *files], options, given)


def value_at(config: Any, key: str) -> Any:
    """Return the value of a key, sections joined by a dot."""
    for part in key.split("."):
        config = config[int(part)] if isinstance(config, list) else config[part]
    return config
