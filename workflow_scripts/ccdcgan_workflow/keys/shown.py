"""The configuration in force as YAML, one line for each key, with the place where its value comes from."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from ccdcgan_workflow.check.errors import Path, in_yaml
from ccdcgan_workflow.keys.layers import Layer, origin
from ccdcgan_workflow.keys.sections import merged

CHECKOUT = FilePath(__file__).resolve().parents[3]

COLUMN = 44
"""Column of the comments."""


def shown_configuration(config: Mapping[str, Any], layers: Sequence[Layer], defaults: Mapping[str, Any]) -> str:
    """Return a complete configuration as a configuration file, with the origin of each value as a comment.

    Args:
        config: Complete configuration.
        layers: Settings above the default values.
        defaults: Default values of all keys, whose order is kept.
    """
    return "\n".join(_lines(merged(dict(defaults), config), (), layers))


def _lines(section: Mapping[str, Any], path: Path, layers: Sequence[Layer]) -> Iterator[str]:
    for key, value in section.items():
        inner, start = (*path, key), f"{'  ' * len(path)}{in_yaml(key)}:"
        if isinstance(value, Mapping) and value:
            yield start
            yield from _lines(value, inner, layers)
        else:
            yield f"{f'{start} {in_yaml(value)}':<{COLUMN}}  # {_short(origin(inner, layers))}"


def _short(place: str) -> str:
    """Return a place with the path of its file relative to the working folder or the checkout, if it is in there."""
    file = FilePath(place)
    folder = next((folder for folder in (FilePath.cwd(), CHECKOUT) if file.is_relative_to(folder)), None)
    return str(file.relative_to(folder)) if folder else place
