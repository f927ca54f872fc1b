"""Snakemake's command line as the user typed it: options that it would ignore without a word, and better commands."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from ccdcgan.utils.errors import InputError

OPTIONS = {"--config": "--config", "-C": "--config", "--configfile": "--configfile", "--configfiles": "--configfile"}
"""Options of which Snakemake takes only the last, with all their values -> the name under which they are merged."""


def typed_arguments(command: Sequence[str]) -> list[str]:
    """Return the arguments of Snakemake; none if another program uses Snakemake as a library.

    Args:
        command: ``sys.argv`` of the main process.
    """
    program = Path(command[0])
    is_snakemake = program.name in ("snakemake", "-c") or program.parent.name == "snakemake"
    return list(command[1:]) if is_snakemake else []


def is_dry_run(arguments: Sequence[str]) -> bool:
    """Return whether the arguments ask for a dry run."""
    return any(re.fullmatch(r"-n\w*|--dry-?run", argument) for argument in arguments)


def check_options(arguments: Sequence[str]) -> None:
    """Refuse options that are given more than once, and a key that is given twice.

    Args:
        arguments: Arguments of Snakemake, without its own name.

    Raises:
        InputError: Snakemake would ignore all but the last of them; the sentence contains the right command.
    """
    rest, values = _split(arguments)
    for option, groups in values.items():
        if len(groups) > 1:
            raise InputError(
                f"the option {option} is given {len(groups)} times, but Snakemake uses the last one only; give it "
                f"once, with all values: {_command(rest, values)}"
            )
    keys = [value.partition("=")[0] for group in values["--config"] for value in group]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise InputError(
            f"the option --config has the key {twice} twice, and Snakemake uses the last one only; keep one."
        )


def with_settings(arguments: Sequence[str], changes: Mapping[str, object]) -> str:
    """Return the command of these arguments with some keys of the configuration set.

    Args:
        arguments: Arguments of Snakemake, without its own name.
        changes: Key of the configuration -> its value.
    """
    rest, values = _split(arguments)
    kept = [item for group in values["--config"] for item in group if item.partition("=")[0] not in changes]
    if not values["--config"]:
        rest.append("--config")
    new = [f"{key}={value}" for key, value in changes.items()]
    return _command(rest, values | {"--config": [[*kept, *new]]})


def _split(arguments: Sequence[str]) -> tuple[list[str], dict[str, list[list[str]]]]:
    """Return the arguments with one placeholder for each option, and the values of every time it is given."""
    rest: list[str] = []
    values: dict[str, list[list[str]]] = {"--config": [], "--configfile": []}
    current: list[str] | None = None
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument.startswith("-C") and argument != "-C":
            name, equals, value = "-C", "=", argument[2:].removeprefix("=")
        option = OPTIONS.get(name)
        if option is not None:
            current = [value] if equals else []
            if not values[option]:
                rest.append(option)
            values[option].append(current)
            if equals:  # argparse takes no further value after an equals sign
                current = None
        elif current is not None and not argument.startswith("-"):
            current.append(argument)
        else:
            current = None
            rest.append(argument)
    return rest, values


def _command(rest: Sequence[str], values: dict[str, list[list[str]]]) -> str:
    """Return a command with the values of each option behind its placeholder."""
    words = ["snakemake"]
    for argument in rest:
        words.append(argument)
        given = [value for group in values.get(argument, []) for value in group]
        if argument == "--config":  # a later value of a key replaces an earlier one
            given = list({value.partition("=")[0]: value for value in given}.values())
        words += given
    return shlex.join(words)
