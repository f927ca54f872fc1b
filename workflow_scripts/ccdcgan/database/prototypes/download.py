"""Crystals fetched from a service part by part: what an interrupted fetch has brought is not asked for again."""

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
from ccdcgan.database.prototypes.source import Found, Request
from ccdcgan.utils.files import atomic_path, exclusive
from ccdcgan.utils.progress import Progress

log = logging.getLogger(__name__)

Row = dict[str, Any]
"""One crystal: ``id``, and ``structure`` (pymatgen's dictionary) or the ``problem`` with reading it."""


def fetch_parts(
    crystals: str | Path,
    provenance: str | Path,
    parts: Mapping[str, Any],
    fetch: Callable[[Any], list[Row]],
    facts: Mapping[str, Any],
) -> None:
    """Fetch every part, write all crystals as one file of JSON lines (gzip), and their provenance.

    parts: name -> query; fetch: query -> crystals; each part is written to ``parts/`` beside the result as soon
    as it is there, so that a fetch that was interrupted goes on with the next one.
    """
    folder = Path(crystals).parent
    with exclusive(folder / ".lock"):
        paths = {name: folder / "parts" / f"{name}.jsonl.gz" for name in parts}
        there = {name: rows for name in parts if (rows := _kept_rows(paths[name])) is not None}
        progress = Progress(len(parts), f"fetching from {facts['source']}", done=len(there))
        rows: list[Row] = []
        for name, query in parts.items():
            if name in there:
                rows += there[name]
                continue
            found = fetch(query)
            _write_rows(paths[name], found)
            rows += found
            progress.advance(note=f"{len(rows)} crystals")
        _write_rows(Path(crystals), rows)
        fetched = datetime.now(UTC).isoformat(timespec="seconds")
        write_provenance(provenance, {**facts, "crystals": len(rows), "fetched": fetched}, crystals)


def _kept_rows(path: Path) -> list[Row] | None:
    """Return the crystals of a part fetched before, None if there is none or its file is damaged."""
    if not path.exists():
        return None
    try:
        return read_rows(path)
    except (OSError, EOFError, ValueError, zlib.error):
        log.warning("%s is damaged: it is fetched again", path)
        return None


def read_rows(path: Path) -> list[Row]:
    """Return the crystals of a file that :func:`fetch_parts` wrote."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def _write_rows(path: Path, rows: list[Row]) -> None:
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))


def found_in(request: Request, source: str) -> Iterator[Found]:
    """Yield the crystals of a fetched file, ``source`` in front of their ids."""
    for row in read_rows(request.fetched):
        name = f"{source}-{row['id']}"
        if "structure" in row:
            yield Found(name, source, Structure.from_dict(row["structure"]))
        else:
            yield Found(name, source, None, detail=row["problem"])
