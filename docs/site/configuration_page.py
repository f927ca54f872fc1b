"""Reference of all configuration keys, docs/configuration.md, generated from the schema and the default values.

``PYTHONPATH=workflow_scripts python docs/site/configuration_page.py`` writes the page, as does ``make docs``.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/configuration.md"

INTRODUCTION = """# Configuration

All keys of `config.yaml`. A preset (`--configfile FILE`) or `--config KEY=VALUE` overrides them; nested keys are
written as YAML: `--config gan="{steps: 1000}"`. A wrong key, type or value is reported in one sentence before the
run starts. After the change of a key, only results that depend on it are computed again.

This page is generated from `schemas/config.schema.yaml` and `config.yaml` by `make docs`.
"""


def configuration_page(schema: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return the page in Markdown, with one table for each section.

    Args:
        schema: JSON schema of the configuration.
        defaults: Contents of config.yaml.
    """
    return "\n".join([INTRODUCTION, *_sections(schema, defaults, "")]) + "\n"


def _sections(schema: Mapping[str, Any], defaults: Any, path: str) -> Iterator[str]:
    keys = schema["properties"]
    plain = {name: part for name, part in keys.items() if "properties" not in part}
    if path:
        yield f"{'#' * min(2 + path.count('.'), 4)} {path}\n\n{_sentence(schema['description'])}\n"
    if plain:
        yield "| key | default | allowed | meaning |\n|---|---|---|---|"
        for name, part in plain.items():
            full = f"{path}.{name}" if path else name
            default = _code(defaults.get(name)) if isinstance(defaults, Mapping) and name in defaults else "none"
            yield f"| `{full}` | {default} | {_allowed(part)} | {_cell(part['description'])} |"
        yield ""
    for name, part in keys.items():
        if "properties" in part:
            inner = defaults.get(name) if isinstance(defaults, Mapping) else None
            yield from _sections(part, inner, f"{path}.{name}" if path else name)


def _allowed(schema: Mapping[str, Any]) -> str:
    """Return the allowed types and values of a key as text."""
    if "enum" in schema:
        return ", ".join(map(_code, schema["enum"]))
    kinds = [_allowed(choice) for choice in schema["anyOf"]] if "anyOf" in schema else schema.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if "array" in kinds and "items" in schema:
        return f"list of {_allowed(schema['items'])}" + (", or null" if "null" in kinds else "")
    limits = [
        f"{words} {schema[key]}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    return _cell(", ".join([" or ".join(kinds), *limits]))


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def current_page() -> str:
    """Return the page for the schema and the default values of this checkout."""
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text(encoding="utf-8"))
    return configuration_page(schema, yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


if __name__ == "__main__":
    PAGE.write_text(current_page(), encoding="utf-8")
