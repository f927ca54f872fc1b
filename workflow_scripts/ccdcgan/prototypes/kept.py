"""What was fetched, kept under ``resources/``: checksums and provenance."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccdcgan.errors import InputError
from ccdcgan.files import write_text


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_provenance(path: str | Path, facts: Mapping[str, Any], data: str | Path) -> None:
    """Write where the file ``data`` comes from, as JSON: ``facts``, its name and its SHA-256."""
    record = {**facts, "file": Path(data).name, "sha256": sha256_of(data)}
    write_text(path, json.dumps(record, indent=2, sort_keys=True) + "\n")


def check_kept(data: str | Path, provenance: str | Path) -> None:
    """Raise InputError unless ``data`` still has the checksum that its provenance names."""
    expected = json.loads(Path(provenance).read_text(encoding="utf-8"))["sha256"]
    if sha256_of(data) != expected:
        raise InputError(f"{data} was changed after it was fetched; delete it and run again.")
