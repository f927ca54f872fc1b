"""Batches of crystals, relaxed one after another, that go on where they were killed.

Each finished crystal is a line of JSON in the batch's journal, flushed to disk before the next one starts.
A journal is looked up by what was relaxed and how, not by batch: the same crystals cut into other batches
find their results again.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal
from ccdcgan.relaxation.ase_relaxation import failed
from ccdcgan.relaxation.engines import Engine, identity, make_engine
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import exclusive
from ccdcgan.utils.hashing import fingerprint
from ccdcgan.utils.progress import Progress

log = logging.getLogger(__name__)

RETRIED = ("engine_error", "wall_clock")
"""Reasons that lie in the machine, not in the crystal: a batch started again tries these crystals again."""


def relax_batch(
    crystals: Sequence[Crystal],
    config: Mapping[str, Any],
    journal_dir: str | Path,
    batch: str,
    work_dir: str | Path | None = None,
    code: str = "",
    earlier_code: Sequence[str] = (),
    known_journals: Sequence[str | Path] = (),
) -> list[Crystal]:
    """Relax crystals in order with the engine of ``config`` (the ``relaxation`` section); return all of them.

    Each result keeps its id and info and gets ``stage`` ("relaxed"), ``engine``, ``status``, ``reason``,
    ``energy_per_atom`` (eV/atom), ``fmax`` (eV/angstrom), ``n_steps`` and ``relax_seconds``. A crystal that
    failed, now or before it came here, keeps the geometry it came with; its energy is NaN.

    journal_dir: the journals of all batches, ``{batch}.jsonl``; a batch that is already being worked on
    elsewhere is waited for. code: a fingerprint of the library; results of other code are not reused, but for those
    of earlier_code, fingerprints of versions that relax crystals in the same way.
    known_journals: folders of earlier runs' journals, whose results are taken too.
    Raises InputError where the engine cannot start at all; an exception inside one relaxation is that
    crystal's ``engine_error``.
    """
    journal_dir = Path(journal_dir)
    journal_dir.mkdir(parents=True, exist_ok=True)
    engine = make_engine(config, work_dir)
    identified = identity(config)
    with exclusive(journal_dir / f"{batch}.lock"):
        records = {}
        for folder in (*known_journals, journal_dir):
            records |= _read_journals(Path(folder))
        keys = [
            ""
            if crystal.info.get("status") == "failed"
            else _known_key(crystal, identified, (code, *earlier_code), records)
            for crystal in crystals
        ]
        elements = {
            element.symbol
            for crystal, key in zip(crystals, keys, strict=True)
            if key and key not in records
            for element in crystal.structure.composition
        }
        n_new = sum(bool(key) and key not in records for key in keys)
        if n_new < len(crystals):
            log.info("%s: %d of %d crystals need no relaxation", batch, len(crystals) - n_new, len(crystals))
        if n_new:
            engine.check_elements(elements)
        progress = Progress(len(crystals), f"relaxing {batch}", done=len(crystals) - n_new, unit="crystals")
        results, n_failed = [], 0
        with _appending(journal_dir / f"{batch}.jsonl") as append:
            for crystal, key in zip(crystals, keys, strict=True):
                fresh = bool(key) and key not in records
                if fresh:
                    records[key] = _record(engine, identified, crystal, key)
                    append(records[key])
                results.append(_result(crystal, records.get(key), engine.label))
                reasons = [results[-1].info["reason"]] if results[-1].info["status"] == "failed" else []
                n_failed += len(reasons)
                progress.advance(int(fresh), f"{n_failed} failed", reasons)
    return results


def _key(crystal: Crystal, identified: dict[str, Any], code: str) -> str:
    """Return what a journal knows a relaxation by: geometry (to 1e-6 angstrom), engine and code."""
    structure = crystal.structure
    return fingerprint(
        {
            "numbers": [site.specie.Z for site in structure],
            # Adding zero turns -0.0 into 0.0, which JSON would tell apart.
            "cell": (np.round(structure.lattice.matrix, 6) + 0.0).tolist(),
            "positions": (np.round(structure.cart_coords, 6) + 0.0).tolist(),
            "engine": identified,
            "code": code,
        }
    )


def _known_key(crystal: Crystal, identified: dict[str, Any], codes: Sequence[str], records: Mapping[str, Any]) -> str:
    """Return the key of a relaxation with the first of ``codes`` that ``records`` has; with the very first if none."""
    keys = [_key(crystal, identified, code) for code in codes]
    return next((key for key in keys if key in records), keys[0])


def _record(engine: Engine, identified: Mapping[str, Any], crystal: Crystal, key: str) -> dict[str, Any]:
    """Relax one crystal and return its journal line, floats in full so that they read back bit by bit.

    Beside the results it holds everything that says where they come from: ``provenance``.
    """
    start = time.monotonic()
    try:
        relaxation = engine.relax(crystal.structure)
    except InputError:
        raise
    except Exception as error:  # one crystal must not take the others with it
        log.exception("%s: the engine broke down", crystal.id)
        relaxation = failed(crystal.structure, "engine_error", f"{type(error).__name__}: {error}")
    if relaxation.status == "failed":
        log.info("%s failed: %s. %s", crystal.id, relaxation.reason, relaxation.detail)
    structure = relaxation.structure
    return {
        "key": key,
        "id": crystal.id,
        "status": relaxation.status,
        "reason": relaxation.reason,
        "detail": relaxation.detail,
        "energy_per_atom": float(relaxation.energy_per_atom),
        "fmax": float(relaxation.fmax),
        "n_steps": int(relaxation.n_steps),
        "stages": list(relaxation.stages),
        "forces": relaxation.forces,
        "stress": relaxation.stress,
        "provenance": identified | relaxation.provenance,
        "relax_seconds": round(time.monotonic() - start, 3),
        "species": [site.specie.symbol for site in structure],
        "cell": structure.lattice.matrix.tolist(),
        "frac_coords": structure.frac_coords.tolist(),
    }


def _result(crystal: Crystal, record: Mapping[str, Any] | None, label: str) -> Crystal:
    """Return the crystal with what its journal line says; without one it had failed before it came here."""
    if record is None:
        nothing = {"energy_per_atom": float("nan"), "fmax": float("nan"), "n_steps": 0, "relax_seconds": 0.0}
        return crystal.updated(stage="relaxed", engine=label, **nothing)
    results = ("status", "reason", "energy_per_atom", "fmax", "n_steps", "relax_seconds")
    relaxed = crystal.updated(stage="relaxed", engine=label, **{name: record[name] for name in results})
    if record["status"] == "failed":
        # An energy of a geometry that is not the one kept would only mislead.
        return relaxed.updated(energy_per_atom=float("nan"))
    return replace(relaxed, structure=Structure(Lattice(record["cell"]), record["species"], record["frac_coords"]))


def _read_journals(journal_dir: Path) -> dict[str, dict[str, Any]]:
    """Return the lines of every journal by key, without those to be tried again; torn lines are skipped."""
    records = {}
    for path in sorted(journal_dir.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                record = json.loads(line)
                key, reason = record["key"], record["reason"]
            except (ValueError, KeyError, TypeError):
                log.warning("%s: line %d is torn and is skipped; its crystal is relaxed again", path, number)
                continue
            if reason not in RETRIED:
                records[key] = record
    return records


@contextmanager
def _appending(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yield a function that appends a line to a journal and returns once it is on the disk.

    A torn last line, left by a kill in the middle of a write, is cut off first.
    """
    with open(path, "a+b") as handle:
        handle.seek(0)
        handle.truncate(handle.read().rfind(b"\n") + 1)
        handle.seek(0, os.SEEK_END)

        def append(record: Mapping[str, Any]) -> None:
            handle.write(json.dumps(record).encode() + b"\n")
            handle.flush()
            os.fsync(handle.fileno())

        yield append
