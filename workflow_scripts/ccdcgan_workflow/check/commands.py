"""Commands that Snakemake refuses in its own words or with a traceback, in one sentence that says what to type."""

import logging
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.errors import in_command
from ccdcgan_workflow.check.schema import Schema, all_keys, as_yaml, read_schema
from ccdcgan_workflow.check.sentences import nearest, unknown_key
from ccdcgan_workflow.check.yaml_files import read_written

LISTED = 12
"""Maximum number of targets that a sentence names."""

CONFIG, FILES = {"--config", "-C"}, {"--configfile", "--configfiles"}


class Beginning(logging.Handler):
    """Handler of Snakemake's log that calls a function once, as soon as Snakemake knows what it is asked for.

    The targets are not known yet while the rules are read.
    """

    def __init__(self, is_known: Callable[[], bool], call: Callable[[], None]) -> None:
        super().__init__()
        self._is_known, self._call, self._called = is_known, call, False

    def emit(self, record: logging.LogRecord) -> None:
        """Call the function at the first message; its exceptions end the command."""
        if not self._called and self._is_known():
            self._called = True
            self._call()


def refuse(arguments: Sequence[str], checkout: str | Path) -> None:
    """End the program with a sentence if Snakemake cannot read its command line.

    The profile of the workflow calls this, since Snakemake reads its command line before the rules.

    Args:
        arguments: Words of the command line, without the program.
        checkout: Folder of the workflow.
    """
    checkout = Path(checkout)
    rules = [checkout / "Snakefile", *sorted((checkout / "rules").glob("*.smk"))]
    targets = [name for file in rules for name in re.findall(r"^rule (\w+):", file.read_text(encoding="utf-8"), re.M)]
    try:
        check_arguments(arguments, read_schema(checkout / "schemas/config.schema.yaml"), checkout / "presets", targets)
    except InputError as error:
        sys.exit(str(error))


def check_arguments(arguments: Sequence[str], schema: Schema, presets: Path, targets: Collection[str]) -> None:
    """Refuse what Snakemake cannot read of the options --config and --configfile.

    Args:
        arguments: Words of the command line, without the program.
        schema: Schema of the configuration.
        presets: Folder of the presets, whose names are suggested.
        targets: Names of the targets.

    Raises:
        InputError: A configuration file is missing or no YAML, or a setting is not written as KEY=VALUE.
    """
    directory = _option(arguments, ("--directory", "-d"))
    for option, words in _options(arguments):
        if option in FILES:
            for word in words:
                _check_file(word, [option, *words], presets, targets, directory)
        elif option in CONFIG:
            for word in words:
                _check_setting(word, words, schema, targets)


def check_targets(asked: Iterable[str], rules: Collection[str], can_be_made: Callable[[str], bool], run: str) -> None:
    """Refuse targets that are neither a rule nor a file that a rule makes.

    Args:
        asked: Targets of the command.
        rules: Names of the rules, of which those of targets come first.
        can_be_made: Whether a rule makes the file.
        run: Name of this run.

    Raises:
        InputError: A target is unknown; the sentence names the one that is meant.
    """
    for target in asked:
        name = target.removeprefix("./")
        if target in rules or can_be_made(target) or Path(target).exists():
            continue
        other = re.match(r"results/([^/]+)(/.*)?$", name)
        start = f"there is no target {target!r}; "
        if other and other.group(1) != run:
            raise InputError(
                f"{start}it is a file of the run {other.group(1)}, but this is the run {run}: add --config "
                f"run={other.group(1)} (or the --configfile or system with which that run was started), or ask for "
                f"results/{run}{other.group(2) or ''}."
            )
        if Path(name).is_absolute() and f"/results/{run}/" in name:
            raise InputError(
                f"{start}name files from the working folder: results/{run}/{name.split(f'/{run}/', 1)[1]}."
            )
        inside = f"results/{run}/{name}"
        if not other and can_be_made(inside):
            raise InputError(f"{start}did you mean {inside}?")
        near = nearest(name, rules, 0.6)
        if near:
            raise InputError(f"{start}did you mean snakemake {near}?")
        if "=" in name:
            raise InputError(f"{start}settings follow --config: snakemake --config {name}")
        if name.endswith((".yaml", ".yml", ".json")):
            raise InputError(f"{start}configuration files follow --configfile: snakemake --configfile {name}")
        raise InputError(f"{start}the targets are {', '.join(list(rules)[:LISTED])}, and the files in results/{run}.")


def check_cores(cores: int | None, jobs: int | None) -> None:
    """Refuse to run on no core or with no job at a time."""
    if cores is not None and cores < 1:
        raise InputError(f"--cores is {cores}; give at least 1, e.g. --cores 4, or --cores all.")
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs is {jobs}; give at least 1, e.g. --jobs 100.")


def is_local(arguments: Sequence[str], profile: str | None) -> bool:
    """Return whether the jobs run on this machine.

    Args:
        arguments: Words of the command line.
        profile: Snakemake's profile in the environment, if there is one.
    """
    words = {word.split("=")[0] for word in arguments}
    return not profile and not words & {"--profile", "--executor", "-e"}


def _options(arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return every option with the words after it, up to the next option; the first has none: the targets."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for word in arguments:
        if word == "--":
            break
        option, equal, value = word.partition("=")
        if option in CONFIG | FILES:
            found.append((option, [value] if equal else []))
        elif re.match(r"-{1,2}[A-Za-z]", word):
            found.append((option, []))
        else:
            found[-1][1].append(word)
    return found


def _option(arguments: Sequence[str], names: tuple[str, ...]) -> str:
    words = next((words for option, words in _options(arguments) if option in names), [])
    return words[0] if words else "."


def _check_file(word: str, option: Sequence[str], presets: Path, targets: Collection[str], directory: str) -> None:
    """Refuse a configuration file that is missing or no YAML, or a word that is none.

    option: name of the option and all words after it.
    """
    if Path(word).exists():
        read_written(word)
        return
    reason = f"{word} is read as a configuration file, since it stands after {option[0]}"
    if word in targets:
        files = " ".join(each for each in option[1:] if each not in targets) or "FILE"
        raise InputError(f"{reason}; write targets first: snakemake {word} {option[0]} {files}")
    if re.match(r"\w+=", word):
        raise InputError(f"{reason}; put --config before it.")
    near = _near_file(word, presets)
    where = "" if directory == "." else f" (seen from {Path.cwd()}, not from {directory})"
    raise InputError(f"the configuration file {word} does not exist{where}; {near or 'check its name.'}")


def _near_file(word: str, presets: Path) -> str:
    """Return a configuration file with a similar name in the same folder or among the presets."""
    here = Path(word).parent
    found = [path for folder in (presets, here) for path in sorted(folder.glob("*.*ml"))]
    stems = {path.stem: path for path in found}
    near = nearest(Path(word).stem, stems, 0.6)
    if near is None:
        return ""
    path = stems[near].resolve()
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"did you mean {shown}?"


def _check_setting(word: str, words: Sequence[str], schema: Schema, targets: Collection[str]) -> None:
    key, equal, value = word.partition("=")
    if word in targets:
        raise InputError(
            f"{word} is read as a setting, since it stands after --config; write targets first: snakemake {word} "
            f"--config {' '.join(each for each in words if '=' in each) or 'KEY=VALUE'}"
        )
    if not equal:
        colon = re.fullmatch(r"(\w+)\s*:\s*(.+)", word)
        position = words.index(word)
        spaced = words[position + 1] if position + 1 < len(words) else ""
        if colon:
            right = f"write {in_command((colon.group(1),), as_yaml(colon.group(2)))}"
        elif re.fullmatch(r"\w+:", word) and spaced:
            right = f"write {in_command((word[:-1],), as_yaml(spaced))}"
        elif spaced.startswith("="):
            parts = [part for part in words[position + 1 : position + 3] if part.strip("=")]
            right = f"write it without blanks: --config {word}={parts[0].strip('=') if parts else 'VALUE'}"
        elif word.endswith((".yaml", ".yml", ".json")):
            right = f"a configuration file follows --configfile: snakemake --configfile {word}"
        else:
            right = "write KEY=VALUE without blanks, e.g. --config system=V-O, and targets before --config"
        raise InputError(f"--config {word} is no setting; {right}")
    if re.fullmatch(r"[A-Za-z_][\w-]*\w", key):
        return
    path = tuple(re.split(r"[./]", key))
    if any(path == known for known, _ in all_keys(schema)):
        right = in_command(path, as_yaml(value))
        raise InputError(f"--config {word} is no setting, since keys are nested; write {right}")
    known = path[0] in schema["properties"]
    raise InputError(f"--config {word} is no setting: {unknown_key(path if known else (key,), as_yaml(value), schema)}")
