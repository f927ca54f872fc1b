"""Usual ways of writing a value, read as what the schema asks for: ``1e-4``, ``schemes: flow``, ``minimize``, ``none``.

A value that is not recognised is left as it is, for the validation to refuse.
"""

import datetime
import os
import re
from dataclasses import dataclass, field
from typing import Any

from ccdcgan_workflow.check.errors import KeyProblem, Path, both_ways, dotted, in_file, problem, shown
from ccdcgan_workflow.check.numbers import check_finite, read_number, time_advice
from ccdcgan_workflow.check.schema import Schema, as_yaml, choices_of, kinds_of, named, with_known_keys
from ccdcgan_workflow.check.systems import SYSTEM, read_formula, read_system, unified
from ccdcgan_workflow.check.yaml_files import COMMAND, DEEPEST, Typed, Written

NOTHING = {"", "~", "null", "none", "nil", "n/a", "nothing"}
UNLIMITED = {"all", "any", "unlimited", "no limit", "inf", ".inf", "infinite"}
"""Words for null of keys of which null means no limit."""

TRUE, FALSE = {"true", "yes", "on", "y", "t", "1"}, {"false", "no", "off", "n", "f", "0"}


@dataclass
class _Context:
    written: Written
    defaults: Any = None
    elements: list[str] = field(default_factory=list)

    def default(self, path: Path) -> Any:
        """Return the default of a key, as an example."""
        value = self.defaults
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return "VALUE" if value is None else value

    def typed(self, path: Path, value: Any) -> Typed:
        """Return how a scalar was typed, or as it would be."""
        if path in self.written and not isinstance(value, (dict, list)):
            return self.written[path]
        if isinstance(value, (datetime.date, datetime.datetime)):
            return Typed(value.isoformat(), "")
        if isinstance(value, bool) or value is None:
            return Typed("" if value is None else str(value).lower(), "")
        return Typed(str(value), "", plain=not isinstance(value, str))

    def spelled(self, path: Path, value: Any) -> Any:
        """Return a value with every scalar as it was typed."""
        if isinstance(value, dict):
            return {str(key): self.spelled((*path, key), part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.spelled((*path, number), part) for number, part in enumerate(value)]
        return self.typed(path, value).text


def as_typed(value: Any, schema: Schema, written: Written | None = None, defaults: Any = None) -> Any:
    """Return the configuration with every value as the schema requires it, if the value can be read so.

    Args:
        value: Configuration.
        schema: JSON schema of ``value``.
        written: How the values were typed, where that is known.
        defaults: The default configuration, for examples in sentences.

    Raises:
        KeyProblem: A value can be read, but not safely, such as 010, 1,000 or CO-O; the sentence says what to type.
    """
    check_depth(value)
    context = _Context(written or {}, defaults)
    value = with_known_keys(value, schema)
    if isinstance(value, dict) and "system" in value:
        value = value | {"system": _system(value["system"], context)}
        system = value["system"]
        context.elements = system.split("-") if isinstance(system, str) else []
    return _read(value, schema, (), context)


def check_depth(value: Any, path: Path = ()) -> None:
    """Refuse a configuration that is nested without end, as anchors that contain themselves make it."""
    if len(path) > DEEPEST:
        raise KeyProblem(path, f"config key {dotted(path[:3])} is nested deeper than {DEEPEST} levels; simplify it.")
    if isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            check_depth(part, (*path, key))


def _system(value: Any, context: _Context) -> Any:
    if value is None:
        return read_system("")
    parts = enumerate(value) if isinstance(value, list) else [(None, value)]
    typed = [context.typed(SYSTEM if number is None else (*SYSTEM, number), part) for number, part in parts]
    misread = next((f"{each.misread}" for each in typed if each.misread.startswith("the truth")), "")
    if isinstance(value, bool) and not misread:
        raise problem(SYSTEM, value, 'it must be element symbols joined by "-"; write e.g. system: V-O.')
    return read_system(context.spelled(SYSTEM, value), misread)


def _read(value: Any, schema: Schema, path: Path, context: _Context) -> Any:
    kinds = kinds_of(schema)
    if not kinds or path == SYSTEM:
        return value
    if schema.get("writing") == "formula":
        value = read_formula(context.spelled(path, value), context.elements, path)
    if "object" in kinds:
        return _section(value, schema, path, context)
    if "array" in kinds:
        return _list(value, schema, path, context)
    if isinstance(value, (dict, list)):
        return _single(value, schema, path, context)
    typed = context.typed(path, value)
    if "null" in kinds and _means_nothing(value, typed, schema, path):
        return None
    if "boolean" in kinds:
        word = typed.text.strip().casefold()
        if word in TRUE | FALSE or "string" not in kinds:
            return True if word in TRUE else False if word in FALSE else value
    if "string" in kinds:
        text = _text(value, typed, schema, path)
        if not isinstance(text, str) or "number" not in kinds or text in choices_of(schema):
            return text
    return _number(value, typed, schema, path)


def _means_nothing(value: Any, typed: Typed, schema: Schema, path: Path) -> bool:
    """Whether a value means null: none, or a word for false where that is no value of its own."""
    if value is None or (isinstance(value, str) and value.strip().casefold() in NOTHING):
        return True
    name = path == ("run",)
    if _means_no_limit(value, schema):
        return True
    if value is False and name:
        raise KeyProblem(
            path,
            f"config key run is {typed.text}, which YAML reads as the truth value false; write run: "
            f'"{typed.text}" for a run of this name, or run: null for the name of the system.',
        )
    false = value is False or (isinstance(value, str) and value.strip().casefold() in ("false", "off", "no"))
    return false and not name and "boolean" not in kinds_of(schema) and ("pattern" in schema or not _free(schema))


def _means_no_limit(value: Any, schema: Schema) -> bool:
    """Whether a value is a word for no limit, and null has this meaning."""
    word = str(value).strip().casefold()
    return word in UNLIMITED and bool(re.search("null: (no limit|all )", schema.get("description", "")))


def _free(schema: Schema) -> bool:
    """Whether any text is allowed."""
    return "string" in kinds_of(schema) and not choices_of(schema) and "pattern" not in schema


def _text(value: Any, typed: Typed, schema: Schema, path: Path) -> Any:
    """Return a text: one of the choices of the schema, the path of a file, or as it was typed."""
    if value is None:
        return value
    text = value if isinstance(value, str) else typed.text
    choices = choices_of(schema)
    if choices:
        return named(text.strip(), choices) or (value if "number" in kinds_of(schema) else text)
    if isinstance(value, bool) and not (typed.place and "pattern" in schema):
        return value
    if schema.get("writing") == "path":
        return os.path.expandvars(os.path.expanduser(text.strip()))
    return unified(text) if "pattern" in schema else text.strip()


def _number(value: Any, typed: Typed, schema: Schema, path: Path) -> Any:
    if isinstance(value, str):
        read = read_number(value, schema, path)
        return value if read is None else read
    if typed.misread and not isinstance(value, bool) and value is not None:
        advice = time_advice(typed.text, schema) if ":" in typed.text else f"write {typed.text.lstrip('0') or 0}."
        text = f"config key {dotted(path)} is {typed.text}, which YAML reads as {typed.misread}; {advice}"
        raise KeyProblem(path, text)
    check_finite(value, schema, path)
    if "integer" in kinds_of(schema) and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _single(value: Any, schema: Schema, path: Path, context: _Context) -> Any:
    """Return the value of a list of one where a single value is needed; other lists and sections as they are."""
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], (dict, list)):
        inner = {(*path, *each[len(path) + 1 :]): typed for each, typed in context.written.items() if each[:-1] == path}
        return _read(value[0], schema, path, _Context(inner, context.defaults, context.elements))
    if isinstance(value, dict) and all(part in (None, "") for part in value.values()) and len(value) == 1:
        text = f'write {path[-1]}: "{{{next(iter(value))}}}"'
        raise problem(path, value, f"text in braces needs quotation marks: {text}.")
    allowed = choices_of(schema)
    hint = (
        f"write one of {', '.join(allowed)}" if allowed else f"write one, e.g. {in_file(path, context.default(path))}"
    )
    if isinstance(value, list) and _free(schema):
        hint = f"write {in_file(path, ' '.join(map(str, value)))}"
    raise problem(path, value, f"it takes a single value; {hint}, without brackets.")


def _section(value: Any, schema: Schema, path: Path, context: _Context) -> Any:
    parts = schema.get("properties", {})
    if isinstance(value, str) and value.strip().startswith("{"):
        value = as_yaml(value)
    if not isinstance(value, dict):
        if path:
            _refuse_section(value, parts, path, context)
        return value
    if parts:
        value = {key: part for each in value.items() for key, part in [_entry(*each, parts)]}
        missing = {key: part["default"] for key, part in parts.items() if "default" in part and key not in value}
        value |= missing
    elif schema.get("writing") == "tags":
        value = {key.strip().upper() if isinstance(key, str) else key: part for key, part in value.items()}
    free = schema.get("additionalProperties")
    free = free if isinstance(free, dict) else {}
    return {
        key: _read(part, parts.get(key, free), (*path, key), context)
        if kinds_of(parts.get(key, free))
        else _free_value(part, (*path, key), context)
        for key, part in value.items()
    }


def _entry(key: Any, value: Any, parts: Schema) -> tuple[Any, Any]:
    """Return a key and its value; ``{steps:1000}``, without a blank, is a key alone to YAML."""
    if isinstance(key, str) and value in (None, "") and ":" in key:
        name, _, text = key.partition(":")
        if name.strip() in parts and text:
            return name.strip(), text
    return key, value


def _refuse_section(value: Any, parts: Schema, path: Path, context: _Context) -> None:
    key = dotted(path)
    if value is None or value == "":
        names = ", ".join(list(parts)[:3])
        raise KeyProblem(
            path,
            f"config key {key} is empty; indent its keys ({names}, ...) below it, or delete the line to keep the "
            "defaults.",
        )
    words = [str(part) for part in (value if isinstance(value, list) else [value])]
    for name, part in parts.items():
        items = part.get("items", {})
        meant = [named(word, choices_of(items) or choices_of(part)) for word in words]
        if all(meant) and (items or len(words) == 1):
            raise problem(path, value, f"it is a section; {both_ways((*path, name), meant if items else meant[0])}.")
    off = next((name for name, part in parts.items() if _switch(part) is not False), None)
    if value is False and off:
        raise problem(path, value, f"it is a section; {both_ways((*path, off), _switch(parts[off]))}.")
    if isinstance(value, list):
        raise problem(path, value, "it is a section, not a list; write its keys without dashes and brackets.")
    pair = re.fullmatch(r"\s*(\w+)\s*[=:]\s*(\S+)\s*", str(value))
    if pair and (pair.group(1) in parts or not parts):
        example = (*path, pair.group(1)), as_yaml(pair.group(2))
    else:
        first = next(iter(parts), "KEY")
        choices = choices_of(parts.get(first, {}))
        default = context.default((*path, first))
        example = (*path, first), choices[0] if choices and default == "VALUE" else default
    raise problem(path, value, f"it is a section with keys of its own; {both_ways(*example)}.")


def _switch(schema: Schema) -> Any:
    """Return the value with which a key switches its section off; False if it has none."""
    if "enum" in schema and None in schema["enum"]:
        return None
    return 0 if "0: no " in schema.get("description", "") and "integer" in kinds_of(schema) else False


def _list(value: Any, schema: Schema, path: Path, context: _Context) -> Any:
    items = schema.get("items", {})
    if value is None or (isinstance(value, str) and value.strip().casefold() in NOTHING):
        return None if "null" in kinds_of(schema) else []
    if _means_no_limit(value, schema):
        return None
    objects = "object" in kinds_of(items)
    if isinstance(value, dict) and items.get("writing") == "formula" and any(value.values()):
        value = [value]
    if isinstance(value, dict) and not objects:
        if any(part not in (None, "", True) for part in value.values()):
            words = [word for pair in value.items() for word in pair if isinstance(word, str)]
            meant = [word for word in words if named(word, choices_of(items))] or context.default(path)
            raise problem(path, value, f"it is a list; write e.g. {in_file(path, meant)}.")
        value = list(value)
    elif isinstance(value, str) and not objects:
        value = _split(value, items)
    elif not isinstance(value, list):
        typed = context.typed(path, value)
        false = isinstance(value, bool) and value is False
        value = [] if false and not schema.get("minItems") else [typed.text if not isinstance(value, dict) else value]
    if choices_of(items):
        value = [each for part in value for each in _split_choices(part, items)]
    if objects:
        for number, part in enumerate(value):
            known = isinstance(part, dict) and any(named(str(key), list(items["properties"])) for key in part)
            if not known:
                name = next(iter(part), "density") if isinstance(part, dict) else part
                example = in_file(path, [{"name": name if isinstance(name, str) else "density", "goal": "minimise"}])
                raise problem((*path, number), part, f"it is a section; write e.g. {example}.")
    read = [_read(part, items, (*path, number), context) for number, part in enumerate(value)]
    repeated = next((part for part in read if read.count(part) > 1), None)
    if schema.get("uniqueItems") and isinstance(repeated, str):
        once = list(dict.fromkeys(map(str, read)))
        text = f"config key {dotted(path)} names {shown(repeated)} twice; name it once: {in_file(path, once)}."
        raise KeyProblem(path, text)
    return read


def _split_choices(part: Any, items: Schema) -> list[Any]:
    """Return the values that an item of a list names if it names several, such as "flow; vae"; otherwise the item."""
    words = _split(part, items) if isinstance(part, str) else []
    several = len(words) > 1 and all(named(word, choices_of(items)) for word in words)
    return words if several and not named(part, choices_of(items)) else [part]


def _split(text: str, items: Schema) -> list[str]:
    """Return the items of a list that was typed as one text: ``flow, vae`` or ``-flow -vae`` or ``[flow, vae]``."""
    text = unified(text).strip("[](){}")
    numbers = "integer" in kinds_of(items)
    parts = re.split(r"[\s,;x×*]+" if numbers else r"(?:[\s,;|]|\band\b)+", text.strip())
    parts = [re.sub(r"^-+", "", part.strip("'\"")) for part in parts]
    return [part for part in parts if part]


def _free_value(value: Any, path: Path, context: _Context) -> Any:
    """Return a value of a section with free keys; on the command line all values are texts, so read them as YAML."""
    if isinstance(value, dict):
        return {key: _free_value(part, (*path, key), context) for key, part in value.items()}
    if isinstance(value, list):
        return [_free_value(part, (*path, number), context) for number, part in enumerate(value)]
    typed = context.written.get(path)
    if typed and typed.misread and typed.misread.startswith(("the octal", "the sexagesimal")):
        text = f"config key {dotted(path)} is {typed.text}, which YAML reads as {typed.misread}; write it without"
        raise KeyProblem(path, f"{text} {'colons' if ':' in typed.text else 'leading zeros'}, or in quotation marks.")
    check_finite(value, {}, path)
    if isinstance(value, str) and typed and typed.place == COMMAND:
        if value.casefold() in ("true", "false"):
            return value.casefold() == "true"
        if value.casefold() in NOTHING:
            return None
        try:
            number = float(value)
        except ValueError:
            return value
        return int(value) if re.fullmatch(r"[+-]?\d+", value) else number
    return value
