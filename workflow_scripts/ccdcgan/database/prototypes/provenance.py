"""What was fetched, kept under ``resources/``: checksums and provenance."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ccdcgan.database.prototypes.user_files import files_in
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import write_text


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_provenance(path: str | Path, facts: Mapping[str, Any], data: str | Path) -> None:
    """Write where the file ``data`` comes from, as JSON: ``facts``, its name and its SHA-256."""
    record = {**facts, "file": Path(data).name, "sha256": sha256_of(data)}
    write_text(path, json.dumps(record, indent=2, sort_keys=True) + "\n")


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Return what :func:`write_provenance` wrote; raises InputError if it is damaged."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        return {"sha256": record["sha256"], **record}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is damaged; delete the folder {Path(path).parent} and run again.") from None


def describe_sources(settings: Mapping[str, Any], provenances: Mapping[str, str | Path]) -> dict[str, Any]:
    """Return where the crystals of every source that is asked come from, with checksums.

    settings: the ``prototypes`` section; provenances: source -> the file that stands beside what was fetched.
    """
    found: dict[str, Any] = {}
    for source in settings["sources"]:
        if source in provenances:
            found[source] = read_provenance(provenances[source])
        elif source == "files":
            folder = settings["files"]["folder"]
            found[source] = {"folder": folder, "sha256": {str(path): sha256_of(path) for path in files_in(folder)}}
        else:
            found[source] = {"package": f"pymatgen {version('pymatgen')}"}
    return found


def check_kept(data: str | Path, provenance: str | Path) -> None:
    """Raise InputError unless ``data`` still has the checksum that its provenance names."""
    if sha256_of(data) != read_provenance(provenance)["sha256"]:
        raise InputError(f"{data} was changed after it was fetched; delete it and run again.")
