"""Record of a run in its folder, ``run.yaml``: the system, the configuration and the versions that it was made with.

Runs of earlier versions have no record; their system is read from the table of the elements.
"""

import csv
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import write_text
from ccdcgan_workflow.keys.renamed import with_present_names
from ccdcgan_workflow.keys.sections import flat

RECORD = "run.yaml"
HEADER = (
    "# What this run was made for, written by the workflow at the start of the run. The configuration below is\n"
    "# complete, and this file can be given to --configfile.\n"
)
NOT_COMPARED = {"run", "job_limits", "system"}
"""Keys of the configuration that change no result, and the system, which has a check of its own."""

_BESIDES = {".lock", "logs", "benchmarks"}
"""Files and folders of a run that are not results."""


def is_made(folder: str | Path) -> bool:
    """Return whether a folder contains results of a run, or the record of one."""
    folder = Path(folder)
    return folder.is_dir() and any(path.name not in _BESIDES for path in folder.iterdir())


def read_record(folder: str | Path) -> dict[str, Any] | None:
    """Return the record of a run; None if the folder has none.

    Raises:
        InputError: The record cannot be read.
    """
    path = Path(folder) / RECORD
    try:
        record = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        record["system"]  # noqa: B018 - a record has it
        record["configuration"] = with_present_names(record["configuration"], {}, str(path))[0]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error!r}); it records what this run was made for: rename it to {RECORD}.old, and "
            "the results in this folder are used as those of a run without a record."
        ) from None
    return record


def system_of(folder: str | Path) -> str | None:
    """Return the system of a run with the elements in its order, from its record or its table of the elements.

    None: the folder does not exist or does not tell.
    """
    record = read_record(folder)
    if record is not None:
        return str(record["system"])
    try:
        with open(Path(folder) / "database/references.csv", encoding="utf-8", newline="") as table:
            elements = [row["element"] for row in csv.DictReader(table)]
    except (OSError, UnicodeDecodeError, KeyError, csv.Error):
        return None
    return "-".join(elements) or None


def check_system(folder: str | Path, system: str) -> None:
    """Refuse to write one system into the folder of another.

    Args:
        folder: Folder of the run, ``results/{run}``.
        system: Chemical system of the configuration.

    Raises:
        InputError: The folder belongs to a run of another system.
    """
    folder, elements = Path(folder), set(system.split("-"))
    found = system_of(folder)
    if found is None:  # a run of an earlier version that was stopped early
        others = {path.stem for path in (folder / "database/references").glob("*.extxyz")}
        found = "-".join(sorted(others)) if others - elements else None
    if found is not None and set(found.split("-")) != elements:
        raise InputError(
            f"{folder} is a run of {found}, but config key system is {system!r}; nothing of one system is written into "
            f"the folder of another: use another name, e.g. --config system={system} run={_other_name(folder, system)}."
        )


def changed_settings(record: Mapping[str, Any], configuration: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the keys whose values differ from the recorded ones -> the recorded and the present value.

    Keys that only one of the versions of the workflow has are left out.

    Args:
        record: Record of the run.
        configuration: Present configuration, complete.
    """
    earlier, present = (flat(part) for part in (record["configuration"], configuration))
    return {
        key: (earlier[key], present[key])
        for key in earlier
        if key in present and earlier[key] != present[key] and key.split(".")[0] not in NOT_COMPARED
    }


def write_record(
    folder: str | Path, system: str, configuration: Mapping[str, Any], versions: Mapping[str, str]
) -> None:
    """Write the record of a run that is about to start; changes since the last start are added to its history.

    Args:
        folder: Folder of the run.
        system: Chemical system, with the elements in the order of the run.
        configuration: Complete configuration.
        versions: Versions of the workflow, of Python and of the packages.
    """
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    earlier = read_record(folder)
    changes = list((earlier or {}).get("changes", []))
    if earlier is not None:
        changed = changed_settings(earlier, configuration)
        different = {name: (version, versions.get(name)) for name, version in earlier.get("versions", {}).items()}
        changed |= {f"version of {name}": pair for name, pair in different.items() if pair[0] != pair[1]}
        if changed:
            changes.append(
                {"started": now} | {key: f"{_short(old)} -> {_short(new)}" for key, (old, new) in changed.items()}
            )
    record = {
        "system": system,
        "first_started": (earlier or {}).get("first_started", now),
        "versions": dict(versions),
        "changes": changes,
        "configuration": dict(configuration),
    }
    write_text(Path(folder) / RECORD, HEADER + yaml.safe_dump(record, sort_keys=False, allow_unicode=True, width=120))


def describe_changes(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """Return changed settings in words, at most four of them, e.g. "seed: 2 (was 1)"."""
    words = [f"{key}: {_short(new)} (was {_short(old)})" for key, (old, new) in changed.items()]
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")


def _other_name(folder: Path, system: str) -> str:
    """Return a name that no run has yet: the system, alone or with the name of this run."""
    names = (system, f"{folder.name}-{system}", *(f"{system}-{number}" for number in range(2, 1000)))
    return next(name for name in names if not (folder.parent / name).exists())


def _short(value: Any) -> str:
    """Return a value of the configuration on one line, shortened."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()
    return text if len(text) <= 60 else f"{text[:57]}..."
