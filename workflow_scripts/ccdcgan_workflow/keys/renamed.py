"""Earlier names of keys and values: read as the present ones, and kept where results of earlier runs depend on them.

``schemas/renamed_keys.yaml`` has the names. The library and the journals of relaxations use the earlier ones, so that
no result of an earlier run is made again because of a name: :func:`earlier_names` is the only place that returns them.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.errors import Path, dotted
from ccdcgan_workflow.check.schema import Schema, load_yaml, read_schema, same_spelling
from ccdcgan_workflow.check.yaml_files import Written
from ccdcgan_workflow.keys.sections import MISSING, in_one_order, move, value_at

TABLE = FilePath(__file__).resolve().parents[3] / "schemas/renamed_keys.yaml"


@dataclass(frozen=True)
class Renaming:
    """A key, or a value of a key, that was written under its earlier name.

    Attributes:
        earlier: Path of the key as it was written.
        present: Path of the key.
        values: Earlier and present value, for a renamed value; () for a renamed key.
        place: File and line, or the option.
    """

    earlier: Path
    present: Path
    values: tuple[str, ...] = ()
    place: str = ""

    def sentence(self) -> str:
        """Return the warning, one sentence."""
        what, now = f"key {dotted(self.earlier)}", dotted(self.present)
        if self.values:
            what, now = f"value {dotted(self.present)}: {self.values[0]}", self.values[1]
        return (
            f"{self.place}: the {what} is called {now} now; please rename it, since only this version accepts the "
            "earlier name."
        )


@cache
def renamed_keys() -> dict[Path, Path]:
    """Return the earlier path of every renamed key -> its present path."""
    return {tuple(earlier.split(".")): tuple(now.split(".")) for earlier, now in _table()["keys"].items()}


@cache
def renamed_values() -> dict[Path, dict[str, str]]:
    """Return the present path of every key with renamed values -> its earlier values and the present ones."""
    return {tuple(key.split(".")): values for key, values in _table()["values"].items()}


@cache
def _table() -> dict[str, Any]:
    return load_yaml(TABLE.read_text(encoding="utf-8"))


@cache
def with_earlier_keys(schema_file: str | FilePath) -> Schema:
    """Return the schema of a file with the earlier keys as well, to recognise their spelling."""
    schema = copy.deepcopy(read_schema(schema_file))
    for path in renamed_keys():
        section = schema
        for key in path[:-1]:
            section = section["properties"][key]
        section["properties"].setdefault(path[-1], {})
    for earlier, present in renamed_keys().items():
        inner = _part(schema, present)
        if "properties" in inner:
            _part(schema, earlier).update(inner)
    return schema


def _part(schema: Schema, path: Path) -> Schema:
    for key in path:
        schema = schema["properties"][key]
    return schema


def with_present_names(content: dict[str, Any], written: Written, name: str) -> tuple[dict[str, Any], list[Renaming]]:
    """Return settings of one file or command under the present names, and what was renamed.

    Args:
        content: The settings; the spelling of their keys is that of the schema.
        written: How they were typed, by the paths of ``content``.
        name: The file or the option, for sentences.

    Raises:
        InputError: A key is given under both names.
    """
    content, found = copy.deepcopy(content), []
    for earlier, present in renamed_keys().items():
        if value_at(content, earlier) is MISSING:
            continue
        if value_at(content, present) is not MISSING:
            raise InputError(
                f"{place_of(earlier, written, name)}: config key {dotted(earlier)} is the earlier name of "
                f"{dotted(present)}, which is given, too; delete {dotted(earlier)}."
            )
        move(content, earlier, present)
        found.append(Renaming(earlier, present, (), place_of(earlier, written, name)))
    for path, values in renamed_values().items():
        value = value_at(content, path)
        if isinstance(value, str) and same_spelling(value) in values:
            value_at(content, path[:-1])[path[-1]] = values[same_spelling(value)]
            found.append(Renaming(path, path, (value, values[same_spelling(value)]), place_of(path, written, name)))
    return content, found


def present_path(path: Path) -> Path:
    """Return the present path of a value whose path has an earlier name."""
    for earlier, present in renamed_keys().items():
        if path[: len(earlier)] == earlier:
            return (*present, *path[len(earlier) :])
    return path


def earlier_path(path: Path) -> Path:
    """Return the earlier path of a key; the path itself if it was not renamed."""
    return next((earlier for earlier, present in renamed_keys().items() if present == path), path)


def earlier_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return sections of a configuration with the names that the library and the results of earlier runs have.

    Args:
        config: Sections of the configuration under their present names, complete or not.

    Returns:
        A copy, with the keys of every section sorted.
    """
    result = copy.deepcopy(dict(config))
    for path, values in renamed_values().items():
        for earlier, present in values.items():
            if value_at(result, path) == present:
                value_at(result, path[:-1])[path[-1]] = earlier
    for earlier, present in renamed_keys().items():
        if value_at(result, present) is not MISSING:
            move(result, present, earlier)
            if not value_at(result, present[:-1]):
                del value_at(result, present[:-2])[present[-2]]
    return in_one_order(result)


def place_of(path: Path, written: Written, name: str) -> str:
    """Return the file and line where a value was typed; the file alone if the line is not known."""
    places = [typed.place for each, typed in written.items() if each[: len(path)] == path]
    lines = [(int(place.rpartition(" ")[2]), place) for place in places if ", line " in place]
    return min(lines)[1] if lines else name
