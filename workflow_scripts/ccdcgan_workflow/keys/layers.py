"""The configuration in layers: default values, config.yaml, the files of --configfile, the settings of --config."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from pathlib import Path as FilePath
from typing import Any

import yte

from ccdcgan_workflow.check.errors import Path
from ccdcgan_workflow.check.schema import Schema, as_yaml, known_path, load_yaml, with_known_keys
from ccdcgan_workflow.check.writings import check_depth
from ccdcgan_workflow.check.yaml_files import (
    COMMAND,
    Typed,
    Written,
    overridden,
    read_text,
    read_written,
    written_in_command,
)
from ccdcgan_workflow.keys.renamed import Renaming, place_of, present_path, with_earlier_keys, with_present_names
from ccdcgan_workflow.keys.sections import MISSING, merged, value_at

SCHEMA, DEFAULTS, CONFIG, PRESETS = "schemas/config.schema.yaml", "schemas/defaults.yaml", "config.yaml", "presets"
"""Files and folders of the checkout."""

CALLER = "the workflow that uses this one as a module"
"""Name of the layer of settings that another workflow gives."""

RECORD_KEYS = {"system", "versions", "configuration"}
"""Keys by which the record of a run, run.yaml, is recognised; it can be given as a configuration file."""


@dataclass(frozen=True)
class Layer:
    """Settings of one file or of the command line, under the present names of the keys.

    Attributes:
        name: Path of the file, or the option.
        content: The settings.
        written: How they were typed.
        renamed: Keys and values that were written under earlier names.
        is_own: Whether the user wrote them; presets are part of the workflow.
    """

    name: str
    content: dict[str, Any]
    written: Written = field(default_factory=dict)
    renamed: tuple[Renaming, ...] = ()
    is_own: bool = True


def default_configuration(checkout: str | FilePath) -> dict[str, Any]:
    """Return the default values of all keys."""
    return copy.deepcopy(_read_yaml(FilePath(checkout) / DEFAULTS))


@cache
def _read_yaml(file: FilePath) -> dict[str, Any]:
    return load_yaml(file.read_text(encoding="utf-8"))


def read_layers(
    checkout: str | FilePath,
    files: Iterable[str | FilePath] = (),
    options: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
) -> list[Layer]:
    """Return the settings above the default values, lowest layer first.

    Args:
        checkout: Folder of the workflow.
        files: Configuration files, config.yaml first.
        options: Settings of the command line, KEY=VALUE.
        given: Settings of another workflow, of which this one is a module.

    Raises:
        InputError: A file cannot be read, or a key is given under an earlier name and its present one.
    """
    schema = with_earlier_keys(FilePath(checkout) / SCHEMA)
    layers = [_file_layer(file, schema, FilePath(checkout)) for file in files]
    if given is not None:
        layers.append(_layer(CALLER, given, {}, schema))
    if options:
        from snakemake.cli import parse_config  # here, since a check of files does without it

        layers.append(_layer(COMMAND, parse_config(options), written_in_command(options, schema), schema))
    return layers


def combined(layers: Iterable[Layer], below: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the settings of several layers over those of ``below``."""
    config = dict(below or {})
    for layer in layers:
        config = merged(config, layer.content)
    return config


def how_written(layers: Iterable[Layer], defaults: Mapping[str, Any]) -> Written:
    """Return how the values in force were typed, without those that the user left alone.

    Args:
        layers: Settings above the default values.
        defaults: Default values of all keys.
    """
    written: Written = {}
    for layer in layers:
        own = layer.written
        if FilePath(layer.name).name == CONFIG:  # it repeats default values
            own = {path: typed for path, typed in own.items() if not _is_default(path, layer.content, defaults)}
        written = overridden(written, own)
    return written


def origin(path: Path, layers: Sequence[Layer]) -> str:
    """Return where the value of a key comes from: "default", FILE:LINE, or the option."""
    layer = next((layer for layer in reversed(layers) if value_at(layer.content, path) is not MISSING), None)
    if layer is None:
        return "default"
    return place_of(path, layer.written, layer.name).replace(", line ", ":")


def _is_default(path: Path, content: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Tell whether a value, or the list that it is in, is the default one."""
    key = tuple(takewhile(lambda part: isinstance(part, str), path))
    return value_at(content, key) == value_at(defaults, key)


def _file_layer(file: str | FilePath, schema: Schema, checkout: FilePath) -> Layer:
    written = read_written(file, schema)
    content = load_yaml(read_text(file))
    if "__use_yte__" in content:
        content = yte.process_yaml(read_text(file), require_use_yte=True)
    if content.keys() >= RECORD_KEYS and isinstance(content["configuration"], dict):
        content = content["configuration"]
        written = {known_path(path[1:], schema): typed for path, typed in written.items() if path[0] == "configuration"}
    is_preset = FilePath(file).resolve().parent == checkout.resolve() / PRESETS
    return _layer(str(file), content, written, schema, not is_preset)


def _layer(name: str, content: Mapping[str, Any], written: Written, schema: Schema, is_own: bool = True) -> Layer:
    check_depth(content)
    quoted = {key for key, value in content.items() if isinstance(value, str) and value.strip().startswith("{")}
    content = {key: as_yaml(value) if key in quoted else value for key, value in content.items()}
    content, renamed = with_present_names(with_known_keys(content, schema), written, name)
    moved: dict[Path, Typed] = {present_path(path): typed for path, typed in written.items()}
    return Layer(name, content, moved, tuple(renamed), is_own)
