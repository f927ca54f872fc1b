"""Reference of all configuration keys, docs/configuration.md, generated from the files in schemas/ and config.yaml.

``PYTHONPATH=workflow_scripts python docs/site/configuration_page.py`` writes the page, as does ``make docs``.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ccdcgan_workflow.keys.sections import flat

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/configuration.md"

INTRODUCTION = """# Configuration

Write the keys that you change into a file of your own, for example `my.yaml`:

```yaml
system: V-O
evaluation:
  relax_at_most: 24
```

`make run CONFIG=my.yaml` and `snakemake --configfile my.yaml` start the run with it; `snakemake show_config` with the
same options prints all values in force and where each comes from. The values are taken from `schemas/defaults.yaml`,
`config.yaml`, the files of `--configfile` (presets are such files) and `--config KEY=VALUE`; the later one overrides.
On the command line, nested keys are written as YAML: `--config gan="{steps: 1000}"`. A wrong key, type or value is
reported in one sentence before the run starts. After the change of a key, only results that depend on it are computed
again. Every run records its complete configuration in `results/{run}/run.yaml`, which can be given to `--configfile`
to repeat it.

This page is generated from the files in `schemas/` and `config.yaml` by `make docs`.
"""

COMMON = "## The keys that most users change\n\nThese are the keys of `config.yaml`.\n"
OTHERS = "## All other keys\n\nTheir default values, with comments, are in `schemas/defaults.yaml`.\n"
RENAMED = """## Earlier names

This version accepts the names of the previous version, with a warning.
"""
HEAD = "| key | default | allowed | meaning |\n|---|---|---|---|"


def configuration_page(
    schema: Mapping[str, Any],
    defaults: Mapping[str, Any],
    common: Mapping[str, Any] | None = None,
    renamed: Mapping[str, Any] | None = None,
) -> str:
    """Return the page in Markdown: the keys of config.yaml, then the others in one table for each section.

    Args:
        schema: JSON schema of the configuration.
        defaults: Default values of all keys.
        common: Contents of config.yaml; None: no keys.
        renamed: Earlier names of keys and values, as in ``schemas/renamed_keys.yaml``; None: no names.
    """
    chosen = list(flat(dict(common))) if common else []
    rows = {path: row for _, path, row in _rows(schema, defaults) if path in chosen}
    lines = [INTRODUCTION, COMMON, HEAD, *(rows[path] for path in chosen), "", OTHERS]
    titled = None
    for section, path, row in _rows(schema, defaults):
        if path in chosen:
            continue
        if section != titled:
            lines += ["", _title(schema, section), HEAD] if section else [HEAD]
            titled = section
        lines.append(row)
    return "\n".join([*lines, "", *(_renamed(renamed) if renamed else [])]) + "\n"


def _title(schema: Mapping[str, Any], section: str) -> str:
    """Return the heading of a section with its description."""
    for key in section.split("."):
        schema = schema["properties"][key]
    return f"{'#' * min(3 + section.count('.'), 4)} {section}\n\n{_sentence(schema['description'])}\n"


def _rows(schema: Mapping[str, Any], defaults: Any, section: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the section, the path and the row of every key; those of a section before those of its sections."""
    keys = schema["properties"]
    for name, part in keys.items():
        if "properties" not in part:
            path = f"{section}.{name}" if section else name
            default = _code(defaults.get(name)) if isinstance(defaults, Mapping) and name in defaults else "none"
            yield section, path, f"| `{path}` | {default} | {_allowed(part)} | {_cell(part['description'])} |"
    for name, part in keys.items():
        if "properties" in part:
            inner = defaults.get(name) if isinstance(defaults, Mapping) else None
            yield from _rows(part, inner, f"{section}.{name}" if section else name)


def _renamed(renamed: Mapping[str, Any]) -> Iterator[str]:
    yield RENAMED
    yield "| earlier name | name |\n|---|---|"
    for earlier, present in renamed["keys"].items():
        yield f"| `{earlier}` | `{present}` |"
    for key, values in renamed["values"].items():
        for earlier, present in values.items():
            yield f"| `{key}: {earlier}` | `{key}: {present}` |"


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
    """Return the page for the files of this checkout."""
    files = ("schemas/config.schema.yaml", "schemas/defaults.yaml", "config.yaml", "schemas/renamed_keys.yaml")
    return configuration_page(*(yaml.safe_load((ROOT / file).read_text(encoding="utf-8")) for file in files))


if __name__ == "__main__":
    PAGE.write_text(current_page(), encoding="utf-8")
