"""Configurations of a run: default values, config.yaml, files of --configfile, settings of --config."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from snakemake.common.configfile import load_configfile

from ccdcgan_workflow.configuration import load_configuration
from tests.conftest import ROOT

DEFAULT = load_configfile(ROOT / "schemas/defaults.yaml")


def loaded(files: Sequence[Path] = (), options: Sequence[str] = ()) -> dict[str, Any]:
    """Return the checked configuration that Snakemake would start with."""
    return load_configuration(ROOT, [ROOT / "config.yaml", *files], options)


def value_at(config: Any, key: str) -> Any:
    """Return the value of a key, sections joined by a dot."""
    for part in key.split("."):
        config = config[int(part)] if isinstance(config, list) else config[part]
    return config
