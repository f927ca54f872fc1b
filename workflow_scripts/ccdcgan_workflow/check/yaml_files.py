"""Configuration files as they were typed: syntax errors, repeated keys, and the text of every value.

Snakemake reads the files itself and keeps only the values: of a key that is given twice the last one, and of ``NO``,
``010`` and ``24:00:00`` the truth value, octal number and seconds that YAML 1.1 takes them for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.errors import Path, dotted, in_yaml
from ccdcgan_workflow.check.schema import Schema, known_path, same_spelling

SYNTAX = (
    (r"'\\t' that cannot start", "a tab; indent with spaces only"),
    (r"cannot start any token", "a character that begins no value; put the text in quotation marks"),
    (r"mapping values are not allowed", "a second colon, or a line indented too far; put text with a colon in quotes"),
    (
        r"could not find expected ':'",
        "a key without a colon; write KEY: VALUE, with a space after the colon",
    ),
    (r"expected <block end>", "an indentation that differs from the lines above; use the same number of spaces"),
    (r"expected ',' or '[]}]'", "a bracket that is not closed, or a comma missing between two entries"),
    (r"found unexpected end of stream", "a quotation mark that is not closed"),
    (r"expected a single document", "a second document, begun by ---; keep one document in a file"),
    (r"undefined alias", "an alias (*) without an anchor (&) before it; write the value out"),
    (r"expected the node content|did not find expected node content", "an unexpected character; close the bracket"),
    (r"expected alphabetic or numeric character", "an unfinished anchor or alias; put text with * or & in quotes"),
)
"""What PyYAML says of an error -> what was found and what to do."""

DEEPEST, MOST = 20, 100_000
"""Maximum nesting and maximum number of values of a configuration; anchors can make both endless."""


@dataclass(frozen=True)
class Typed:
    """A value as it was typed.

    Attributes:
        text: The text, without quotation marks.
        place: File and line.
        plain: Whether it stands without quotation marks.
        misread: What YAML takes it for, unlike a reader; "" if it is read as written.
    """

    text: str
    place: str
    plain: bool = True
    misread: str = ""


COMMAND = "--config"
"""Place of what was typed on the command line."""

Written = dict[Path, Typed]
"""Path of every value -> how it was typed."""


def read_text(file: str | FilePath) -> str:
    """Return the text of a configuration file.

    Raises:
        InputError: It is missing, a folder, or not text in UTF-8.
    """
    try:
        data = FilePath(file).read_bytes()
    except FileNotFoundError:
        raise InputError(f"the configuration file {file} does not exist; check its name.") from None
    except IsADirectoryError:
        raise InputError(f"the configuration file {file} is a folder; name a file, e.g. {file}/config.yaml.") from None
    except OSError as error:
        raise InputError(f"the configuration file {file} cannot be read: {error.strerror}.") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{file}, line {line}: the file is not text in UTF-8; save it in this encoding.") from None


def read_written(file: str | FilePath, schema: Schema | None = None) -> Written:
    """Return the text of every value of a configuration file.

    Args:
        file: File in YAML or JSON.
        schema: Schema of the configuration, by which the paths of keys of another spelling become those of their names.

    Raises:
        InputError: The file is no YAML, is not a list of keys with values, or gives a key twice; one sentence with the
            line.
    """
    text = read_text(file)
    node = _compose(text, file)
    if not isinstance(node, yaml.MappingNode):
        example = "system: V-O, with a space after the colon"
        found = "is empty" if node is None else "has no keys with values"
        raise InputError(f"the configuration file {file} {found}; write keys and values such as {example}.")
    if any(key.value == "__use_yte__" for key, _ in node.value):  # a template: what is typed is not what it becomes
        return {}
    written: Written = {}
    _collect(node, (), str(file), written)
    return {known_path(path, schema): typed for path, typed in written.items()} if schema else written


def written_in_command(options: Sequence[str], schema: Schema) -> Written:
    """Return how the values of the option --config were typed.

    Args:
        options: Settings, KEY=VALUE.
        schema: Schema of the configuration.
    """
    written: Written = {}

    def collect(value: Any, path: Path) -> None:
        if isinstance(value, (dict, list)) and len(path) < DEEPEST:
            for key, part in value.items() if isinstance(value, dict) else enumerate(value):
                collect(part, (*path, key))
        else:
            written[known_path(path, schema)] = Typed(value if isinstance(value, str) else "", COMMAND)

    for option in options:
        key, _, text = option.partition("=")
        try:
            value = yaml.load(text, Loader=yaml.BaseLoader)
        except yaml.YAMLError:
            value = text
        collect(value, (key,))
    return written


def overridden(below: Written, above: Written) -> Written:
    """Return the texts of two files of which the second overrides the first; a list is replaced as a whole."""
    given = {path[:length] for path in above for length in range(1, len(path) + 1)}

    def is_replaced(path: Path) -> bool:
        ends = any(path[:length] in above for length in range(1, len(path) + 1))
        return ends or any(isinstance(key, int) and path[:number] in given for number, key in enumerate(path))

    return {path: typed for path, typed in below.items() if not is_replaced(path)} | above


def _compose(text: str, file: str | FilePath) -> yaml.Node | None:
    """Return the nodes of a YAML text; a syntax error as one sentence."""
    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError):
        pass
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)  # whose messages can be relied on
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.context_mark and re.search("expected ':'|end of stream", str(error.problem)):
            mark = error.context_mark  # the line of the key or of the first quotation mark
        said = " ".join(filter(None, (error.problem, error.context)))
        line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
        meaning = next((meaning for pattern, meaning in SYNTAX if re.search(pattern, said)), f"an error ({said})")
        if re.search(r":\s+[{\[][^}\]]*[}\]][^\s,#]", line):
            meaning = "text after a bracket; put text that begins with a bracket in quotation marks"
        if "\t" in line[: mark.column + 1]:
            meaning = SYNTAX[0][1]
        place = f"{file}, line {mark.line + 1}, column {mark.column + 1}"
    except yaml.reader.ReaderError as error:
        place = f"{file}, line {text[: error.position].count(chr(10)) + 1}"
        meaning = f"the character {chr(error.character)!r}, which YAML does not allow; delete it"
    except RecursionError:
        place, meaning = str(file), "too many nested brackets"
    raise InputError(f"{place}: the file is not valid YAML; there is {meaning}.") from None


def _collect(node: yaml.Node, path: Path, file: str, written: Written) -> None:
    """Add the texts of the values below a node; refuse keys that are given twice or are no text."""
    place = f"{file}, line {node.start_mark.line + 1}"
    if len(path) > DEEPEST or len(written) > MOST:
        raise InputError(f"{place}: the values are nested too deeply (do anchors contain themselves?); write them out.")
    if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
        raise InputError(f"{place}: the tag {node.tag} is not possible here; delete it, or put the text in quotes.")
    if isinstance(node, yaml.ScalarNode):
        _check_value(node, place)
        written[path] = Typed(node.value, place, _is_plain(node), _misread(node))
    elif isinstance(node, yaml.SequenceNode):
        written |= {} if node.value else {path: Typed("[]", place)}
        for number, part in enumerate(node.value):
            _collect(part, (*path, number), file, written)
    else:
        seen: dict[str, tuple[str, int]] = {}
        for key, part in node.value:
            line = key.start_mark.line + 1
            name = _key(key, part, f"{file}, line {line}")
            spelling = same_spelling(name) if _is_setting(path) else name
            if spelling in seen:
                _refuse_repeated((*path, name), f"{file}, line {line}", seen[spelling])
            seen[spelling] = (name, line)
            if name != "<<":
                _collect(part, (*path, name), file, written)


def _is_setting(path: Path) -> bool:
    """Whether the keys of a section are names of settings, of which each may be spelled in several ways."""
    return not {"potcar", "options", "incar"} & set(path)


def _check_value(node: yaml.ScalarNode, place: str) -> None:
    """Refuse what looks like a date or has a tag such as !!int, but cannot be read as such."""
    if node.tag != "tag:yaml.org,2002:str":
        try:
            yaml.constructor.SafeConstructor().construct_object(node)
        except Exception:  # the constructors of PyYAML raise many types of errors
            what = {"timestamp": "a date", "int": "a number", "float": "a number"}.get(
                node.tag.rpartition(":")[2], "it"
            )
            text = f"{node.value!r} looks like {what} to YAML, but is none; put it in quotation marks."
            raise InputError(f"{place}: {text}") from None


def _refuse_repeated(path: Path, place: str, first: tuple[str, int]) -> None:
    name, line = first
    spelled = f", as {name}" if name != path[-1] else ""
    raise InputError(
        f"{place}: the key {dotted(path)} is given twice (first in line {line}{spelled}), and YAML keeps only the last "
        "one; put everything under one of them."
    )


def _key(key: yaml.Node, part: yaml.Node, place: str) -> str:
    """Return the name of a key; refuse what is no text."""
    if not isinstance(key, yaml.ScalarNode):
        raise InputError(f"{place}: a key is a list or a section; keys are names such as system.")
    if key.tag in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
        return key.value
    if re.fullmatch(r"[\d_.]+", key.value) and isinstance(part, yaml.ScalarNode) and part.value == "":
        raise InputError(
            f"{place}: {key.value} is an entry of its own, since a comma separates entries; write numbers without "
            "thousands separators, e.g. 4000."
        )
    what = {"bool": "the truth value", "null": "nothing", "int": "a number", "float": "a number"}
    kind = what.get(key.tag.rpartition(":")[2], "no text")
    raise InputError(
        f"{place}: the key {key.value or in_yaml('')} is no name, since YAML reads it as {kind}; keys are names such "
        f'as system (a name that YAML reads otherwise needs quotation marks, e.g. "{key.value}").'
    )


def _is_plain(node: yaml.ScalarNode) -> bool:
    """Whether a value stands without quotation marks; the implementation in C has another sign for it."""
    return node.style in (None, "")


def _misread(node: yaml.ScalarNode) -> str:
    """Return what YAML 1.1 takes a plain value for, unlike a reader; "" if it is read as written."""
    kind, text = node.tag.rpartition(":")[2], node.value
    if not _is_plain(node):
        return ""
    if kind == "bool" and text.casefold() not in ("true", "false"):
        return f"the truth value {'true' if text.casefold() in ('yes', 'on') else 'false'}"
    if kind == "int" and re.fullmatch(r"[-+]?0[0-7_]+", text):
        return f"the octal number {int(text.replace('_', ''), 8)}"
    if kind in ("int", "float") and ":" in text:
        return f"the sexagesimal number {_sexagesimal(text):g}"
    return ""


def _sexagesimal(text: str) -> float:
    value = 0.0
    for part in text.lstrip("+-").replace("_", "").split(":"):
        value = value * 60 + float(part)
    return -value if text.startswith("-") else value
