"""The JSON schema of the configuration: reading it, and finding keys in it."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import Any

import yaml

from ccdcgan_workflow.check.errors import Path

Schema = dict[str, Any]

SPELLINGS = (("iz", "is"), ("yz", "ys"), ("or", "our"))
"""American and British letters; both sides of a comparison are replaced, so that either spelling is found."""


def load_yaml(text: str) -> Any:
    """Return the content of a YAML text that belongs to the workflow."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # optional implementation in C, fifteen times as fast
    return yaml.load(text, Loader=loader)


def as_yaml(text: str) -> Any:
    """Return the value of a text, such as the number 1000 of "1000"; the text itself if it is no YAML."""
    try:
        return load_yaml(text)
    except Exception:  # the constructors of PyYAML raise many types of errors
        return text


@cache
def read_schema(schema_file: str | FilePath) -> Schema:
    """Return the JSON schema of the configuration from a YAML file."""
    return load_yaml(FilePath(schema_file).read_text(encoding="utf-8"))


def kinds_of(schema: Schema) -> list[str]:
    """Return the types that a schema allows; those of ``enum`` and ``anyOf`` too."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    for choice in schema.get("anyOf", []):
        kinds += kinds_of(choice)
    if not kinds and "enum" in schema:
        names = {type(None): "null", bool: "boolean"}
        kinds = [names.get(type(value), "string") for value in schema["enum"]]
    return kinds


def choices_of(schema: Schema) -> list[str]:
    """Return the texts that a schema lists as its allowed values."""
    choices = [value for value in schema.get("enum", []) if isinstance(value, str)]
    for choice in schema.get("anyOf", []):
        choices += choices_of(choice)
    return choices


def all_keys(schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Yield the path and the schema of every key of the configuration, sections included."""
    for key, part in schema.get("properties", {}).items():
        yield (*path, key), part
        yield from all_keys(part, (*path, key))


@cache
def same_spelling(word: str) -> str:
    """Return a word without case, separators and the difference between American and British spelling."""
    word = unicodedata.normalize("NFKC", word).casefold()
    word = "".join(letter for letter in word if letter.isalnum() or letter == ".")
    for american, british in SPELLINGS:
        word = word.replace(american, british)
    return word


def named(word: str, names: list[str]) -> str | None:
    """Return the one of ``names`` that a word spells; None if there is none or several."""
    if word in names:
        return word
    found = [name for name in names if same_spelling(name) == same_spelling(word)]
    return found[0] if len(found) == 1 and same_spelling(word) else None


def with_known_keys(config: Any, schema: Schema) -> Any:
    """Return the configuration with keys of another spelling (case, hyphens, American) under their own names.

    Such a key overrides the default of its name, as the right spelling would.
    """
    if not isinstance(config, dict) or "properties" not in schema:
        return config
    parts = schema["properties"]
    result = {key: value for key, value in config.items() if key in parts}
    for key, value in config.items():
        name = key if key in parts else named(key, list(parts)) if isinstance(key, str) else None
        if name is None or (key in parts and key != name):
            result[key] = value
        elif key != name:
            result[name] = _merged(result.get(name), value)
    return {key: with_known_keys(value, parts.get(key, {})) for key, value in result.items()}


def known_path(path: Path, schema: Schema) -> Path:
    """Return a path with keys of another spelling replaced by their own names."""
    result: Path = ()
    for key in path:
        parts = schema.get("properties", {})
        name = named(key, list(parts)) if isinstance(key, str) else None
        result += (name or key,)
        schema = schema.get("items", {}) if isinstance(key, int) else parts.get(name, {})
    return result


def _merged(below: Any, above: Any) -> Any:
    """Return a section with the keys of another one set; a value that is not a section replaces it."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {key: _merged(below.get(key), value) for key, value in above.items()}
