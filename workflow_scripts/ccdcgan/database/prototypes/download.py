"""Download of crystals from a service in parts; an interrupted download resumes at the first missing part."""

import gzip
import json
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from ccdcgan.database.prototypes.provenance import write_provenance
from ccdcgan.database.prototypes.source import SourceEntry, SourceQuery
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path, exclusive
from ccdcgan.utils.progress import Progress

log = logging.getLogger(__name__)

Row = dict[str, Any]
"""One crystal: ``id``, and ``structure`` (dictionary of pymatgen) or ``problem`` (why it cannot be used). A problem has
``reason`` if it is another one than "unreadable"."""


def fetch_parts(
    crystals: str | Path,
    provenance: str | Path,
    parts: Mapping[str, Any],
    fetch: Callable[[Any], list[Row]],
    facts: Mapping[str, Any],
) -> None:
    """Download every part, then write all crystals as one file of JSON lines (gzip), and their provenance.

    Each part is written to ``parts/`` beside the result as soon as it is complete. An interrupted download resumes with
    the first part that is not there.

    Args:
        crystals: File of the crystals to write.
        provenance: File of the provenance to write.
        parts: Name of a part -> its query.
        fetch: Function that takes a query and returns the crystals.
        facts: Entries of the provenance.

    Raises:
        InputError: If the service gives two different crystals the same id.
    """
    folder = Path(crystals).parent
    with exclusive(folder / ".lock"):
        paths = {name: folder / "parts" / f"{name}.jsonl.gz" for name in parts}
        complete = {name: rows for name in parts if (rows := _stored_rows(paths[name])) is not None}
        progress = Progress(len(parts), f"fetching from {facts['source']}", done=len(complete))
        rows: list[Row] = []
        for name, query in parts.items():
            if name in complete:
                rows += complete[name]
                continue
            answer = fetch(query)
            _write_rows(paths[name], answer)
            rows += answer
            progress.advance(note=f"{len(rows)} crystals")
        rows = _with_unique_ids(rows, f"{facts['source']}, whose answers are kept in {folder / 'parts'},")
        _write_rows(Path(crystals), rows)
        fetched = datetime.now(UTC).isoformat(timespec="seconds")
        write_provenance(provenance, {**facts, "crystals": len(rows), "fetched": fetched}, crystals)


def _with_unique_ids(rows: list[Row], origin: str) -> list[Row]:
    """Return the crystals without those that a service sent twice.

    Raises:
        InputError: If two different crystals have one id.
    """
    unique: dict[str, Row] = {}
    for row in rows:
        if unique.setdefault(row["id"], row) != row:
            raise InputError(
                f"prototypes.sources: {origin} gave two different crystals with the id {row['id']!r}; rename that "
                "folder and run again, or choose another source."
            )
    return list(unique.values())


def _stored_rows(path: Path) -> list[Row] | None:
    """Return the crystals of a part downloaded earlier; None if the file is missing or damaged."""
    if not path.exists():
        return None
    try:
        return read_rows(path)
    except (OSError, EOFError, ValueError, zlib.error):
        log.warning("%s is damaged and is downloaded again", path)
        return None


def read_rows(path: Path) -> list[Row]:
    """Return the crystals of a file written by :func:`fetch_parts`."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def _write_rows(path: Path, rows: list[Row]) -> None:
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))


def downloaded_entries(query: SourceQuery, source: str) -> Iterator[SourceEntry]:
    """Yield the crystals of a downloaded file.

    Args:
        query: Query with the downloaded file.
        source: Name of the source, the first part of the ids.
    """
    for row in read_rows(query.fetched):
        name = f"{source}-{row['id']}"
        if "structure" not in row:
            yield SourceEntry(name, source, None, row.get("reason", "unreadable"), row["problem"])
            continue
        try:
            structure = Structure.from_dict(row["structure"])
        except Exception as error:  # any part of the dictionary may be wrong
            detail = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            yield SourceEntry(name, source, None, "unreadable", detail)
        else:
            yield SourceEntry(name, source, structure)
