"""Sections of the configuration as nested dictionaries: looking up, setting, merging and ordering."""

import copy
from collections.abc import Mapping
from typing import Any

from ccdcgan_workflow.check.errors import Path

MISSING = object()
"""What :func:`value_at` returns if there is no value; None is a value."""


def value_at(config: Any, path: Path) -> Any:
    """Return the value at a path of keys; MISSING if a section or the key is missing."""
    for key in path:
        if not isinstance(config, Mapping) or key not in config:
            return MISSING
        config = config[key]
    return config


def move(config: dict[str, Any], path: Path, other: Path) -> None:
    """Move a value to another path, making the sections that lead to it; nothing if one of them is not a section."""
    section = config
    for key in other[:-1]:
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            return
    section[other[-1]] = value_at(config, path[:-1]).pop(path[-1])


def merged(below: Any, above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a configuration with the keys of another set, section by section, as Snakemake does."""
    result = copy.copy(below) if isinstance(below, dict) else {}
    for key, value in above.items():
        result[key] = merged(result.get(key), value) if isinstance(value, Mapping) else value
    return result


def in_one_order(value: Any) -> Any:
    """Return the configuration with the keys of every section sorted."""
    if isinstance(value, dict):
        return {key: in_one_order(value[key]) for key in sorted(value)}
    return value


def flat(section: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of a configuration by their keys, sections joined by "."."""
    if not isinstance(section, dict) or (prefix and not section):
        return {prefix: section}
    return {
        key: value
        for name, part in section.items()
        for key, value in flat(part, f"{prefix}.{name}" if prefix else str(name)).items()
    }
