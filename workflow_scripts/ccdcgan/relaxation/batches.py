"""Relaxation of batches of crystals, with a journal from which an interrupted batch resumes.

Each finished crystal is a line of JSON in the journal of its batch, flushed to disk before the next crystal starts. A
result is identified by the crystal, the settings and the code, not by the batch: it is found again if the same crystals
are divided into other batches.
"""

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal
from ccdcgan.relaxation.ase_relaxation import Relaxation, failed
from ccdcgan.relaxation.batched.mode import AUTO, is_batched
from ccdcgan.relaxation.engines import Engine, identity, make_engine
from ccdcgan.relaxation.guards import AT_END, GEOMETRIC, Guards, check_models, check_structure
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import exclusive
from ccdcgan.utils.hashing import fingerprint
from ccdcgan.utils.progress import Progress

log = logging.getLogger(__name__)

RETRIED = ("engine_error", "wall_clock")
"""Failure reasons caused by the machine; such crystals are retried when the batch is started again."""

BATCHED = "(batched)"
"""End of the name of the engine of crystals that were relaxed together with others."""


@dataclass(frozen=True)
class Journal:
    """The journals of relaxed crystals, and which of their results may be reused.

    Args:
        folder: Folder of the journals, one file ``{batch}.jsonl`` per batch.
        code: Fingerprint of the library. Results of other code are not reused.
        earlier_code: Fingerprints of earlier code that relaxes crystals in the same way, whose results are reused.
        known_folders: Folders with the journals of earlier runs, whose results are reused.
        work_dir: Folder for the files of the engine; None: the current folder.
    """

    folder: str | Path
    code: str = ""
    earlier_code: Sequence[str] = ()
    known_folders: Sequence[str | Path] = ()
    work_dir: str | Path | None = None

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the records of all journals by key; those of the own folder take precedence."""
        records = {}
        for folder in (*self.known_folders, self.folder):
            records |= _read_journals(Path(folder))
        return records


def relax_batch(crystals: Sequence[Crystal], config: Mapping[str, Any], journal: Journal, batch: str) -> list[Crystal]:
    """Relax crystals in order and return all of them.

    A result keeps the id and info of its crystal and gets ``stage`` ("relaxed"), ``engine``, ``status``, ``reason``,
    ``energy_per_atom`` (eV/atom), ``fmax`` (eV/angstrom), ``n_steps`` and ``relax_seconds``. A crystal that failed,
    here or earlier, keeps its initial geometry, and its energy is NaN. If another process works on the same batch, this
    one waits for it. An exception inside one relaxation gives that crystal the reason ``engine_error``.

    The crystals are relaxed one after another, or together if :func:`~ccdcgan.relaxation.batched.mode.is_batched`. The
    last digits of a crystal that was relaxed together with others depend on them, so that this is part of its identity.
    The setting "auto" accepts earlier results of both kinds, and the log says so; true and false accept one kind only.

    Args:
        crystals: Crystals of the batch.
        config: The ``relaxation`` section of the configuration.
        journal: Journals to read and to write.
        batch: Name of the batch.

    Raises:
        InputError: If the engine cannot start.
    """
    folder = Path(journal.folder)
    folder.mkdir(parents=True, exist_ok=True)
    engine, guards = make_engine(config, journal.work_dir), Guards.from_config(config.get("guards", {}))
    together = is_batched(config)
    with exclusive(folder / f"{batch}.lock"):
        records = journal.records()
        codes = (journal.code, *journal.earlier_code)
        keys = [
            "" if crystal.info.get("status") == "failed" else _known_key(crystal, config, codes, records, together)
            for crystal in crystals
        ]
        new: dict[str, Crystal] = {}
        for crystal, key in zip(crystals, keys, strict=True):
            if key and key not in records:
                new.setdefault(key, crystal)
        times = Counter(key for key in keys if key in new)
        _log_known(batch, keys, records, together)
        with appending(folder / f"{batch}.jsonl") as append:
            for record in _compared(engine, [records[key] for key in dict.fromkeys(keys) if key in records], batch):
                records[record["key"]] = record
                append(record)
        if new:
            engine.check_elements({element for crystal in new.values() for element in elements_of(crystal)})

        def result_of(crystal: Crystal, key: str) -> Crystal:
            return _result(crystal, records.get(key), engine.label, guards)

        pairs = list(zip(crystals, keys, strict=True))
        lost = _reasons(result_of(crystal, key) for crystal, key in pairs if key not in new)
        n_failed, n_new = len(lost), times.total()
        progress = Progress(len(crystals), f"relaxing {batch}", done=len(crystals) - n_new, unit="crystals")
        progress.advance(0, f"{n_failed} failed", lost)
        waiting = list(new.items())
        with appending(folder / f"{batch}.jsonl") as append:
            for number, relaxation, seconds in _relaxations(engine, list(new.values()), together):
                key, crystal = waiting[number]
                identified = identity(config, elements_of(crystal), batched=together)
                records[key] = _record(relaxation, identified, crystal, key, seconds)
                append(records[key])
                reasons = _reasons([result_of(crystal, key)] * times[key])
                n_failed += len(reasons)
                progress.advance(times[key], f"{n_failed} failed", reasons)
    return [result_of(crystal, key) for crystal, key in pairs]


def result_key(crystal: Crystal, identified: dict[str, Any], code: str) -> str:
    """Return the key of a relaxation in a journal, from geometry (to 1e-6 angstrom), engine and code."""
    structure = crystal.structure
    return fingerprint(
        {
            "numbers": [site.specie.Z for site in structure],
            # Adding zero turns -0.0 into 0.0; JSON distinguishes the two.
            "cell": (np.round(structure.lattice.matrix, 6) + 0.0).tolist(),
            "positions": (np.round(structure.cart_coords, 6) + 0.0).tolist(),
            "engine": identified,
            "code": code,
        }
    )


def elements_of(crystal: Crystal) -> list[str]:
    """Return the elements of a crystal."""
    return sorted(element.symbol for element in crystal.structure.composition)


def _known_key(
    crystal: Crystal, config: Mapping[str, Any], codes: Sequence[str], records: Mapping[str, Any], together: bool
) -> str:
    """Return the key of a crystal's result in ``records``, or the one under which a new result is kept.

    Results that were made with the guards of earlier versions count if the present guards agree with their outcome.
    """
    either = config.get("mlip", {}).get("batched") == AUTO and config["engine"] == "mlip"
    elements = elements_of(crystal)
    guards = Guards.from_config(config.get("guards", {}))
    for batched in (together, not together) if either else (together,):
        identified = identity(config, elements, batched=batched)
        for key in (result_key(crystal, identified, code) for code in codes):
            if key in records:
                return key
        before = identity(config, elements, former=True, batched=batched)
        for key in (result_key(crystal, before, code) for code in codes if before != identified):
            if key in records and _still_holds(records[key], crystal, guards):
                return key
    return result_key(crystal, identity(config, elements, batched=together), codes[0])


def _compared(engine: Engine, records: Iterable[dict[str, Any]], batch: str) -> Iterator[dict[str, Any]]:
    """Complete the records of earlier versions, which did not compute the final geometry with the first model.

    Args:
        engine: Engine with the models of the records.
        records: Records of the journals that are reused.
        batch: Name of the batch.
    """
    missing = [
        record
        for record in records
        if record["status"] == "ok"
        and len({stage["model"] for stage in record.get("stages", [])}) > 1
        and AT_END not in record["stages"][0]
    ]
    if missing:
        log.info("%s: the models are compared at the end of %d earlier relaxations", batch, len(missing))
    for record in missing:
        first, *others = record["stages"]
        energy = engine.first_energy(_final_geometry(record))
        yield record | {"stages": [first | {AT_END: energy}, *others]}


def _final_geometry(record: Mapping[str, Any]) -> Structure:
    """Return the final geometry of a record."""
    return Structure(Lattice(record["cell"]), record["species"], record["frac_coords"])


def _log_known(batch: str, keys: Sequence[str], records: Mapping[str, Any], together: bool) -> None:
    """Log how many crystals need no relaxation, and how many of them were relaxed in the other way."""
    known = [records[key] for key in keys if key in records]
    n_idle = len(known) + keys.count("")
    if n_idle:
        log.info("%s: %d of %d crystals need no relaxation", batch, n_idle, len(keys))
    others = sum(_was_batched(record) != together for record in known)
    if others:
        ways = ("one by one", "together with others")
        log.info("%s: %d of them were relaxed %s, not %s", batch, others, ways[not together], ways[together])


def _reasons(results: Iterable[Crystal]) -> list[str]:
    """Return the reasons of the crystals that failed."""
    return [crystal.info["reason"] for crystal in results if crystal.info["status"] == "failed"]


def _was_batched(record: Mapping[str, Any]) -> bool:
    """Return whether a crystal was relaxed together with others."""
    return "batched" in record["provenance"]


def _still_holds(record: Mapping[str, Any], crystal: Crystal, guards: Guards) -> bool:
    """Return whether a result made with the guards of earlier versions is that of the present guards, too.

    The earlier limits are nowhere wider, so that a crystal that they accepted at every step passes the present ones if
    its first and last geometry do. A crystal that they refused must be refused now in the same geometry.
    """
    last = _final_geometry(record)
    if record["reason"] in GEOMETRIC:
        return check_structure(last, guards) != ""
    return check_structure(crystal.structure, guards) == "" and (
        record["status"] != "ok" or check_structure(last, guards) == ""
    )


def _relaxations(
    engine: Engine, crystals: Sequence[Crystal], together: bool
) -> Iterator[tuple[int, Relaxation, float]]:
    """Relax crystals and yield the number of each, its result and its time (s) when it is finished."""
    if together:
        yield from engine.relax_together([crystal.structure for crystal in crystals])
        return
    for number, crystal in enumerate(crystals):
        start = time.monotonic()
        try:
            relaxation = engine.relax(crystal.structure)
        except InputError:
            raise
        except Exception as error:  # the failure of one crystal must not end the batch
            log.exception("%s: the engine raised an exception", crystal.id)
            relaxation = failed(crystal.structure, "engine_error", f"{type(error).__name__}: {error}")
        yield number, relaxation, time.monotonic() - start


def _record(
    relaxation: Relaxation, identified: Mapping[str, Any], crystal: Crystal, key: str, seconds: float
) -> dict[str, Any]:
    """Return the record of a relaxation for the journal.

    Floats are stored in full precision, so they are read back bit for bit. ``provenance`` has everything that
    determines the results.
    """
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
        "relax_seconds": round(seconds, 3),
        "species": [site.specie.symbol for site in structure],
        "cell": structure.lattice.matrix.tolist(),
        "frac_coords": structure.frac_coords.tolist(),
    }


def _result(crystal: Crystal, record: Mapping[str, Any] | None, label: str, guards: Guards) -> Crystal:
    """Return the crystal with the results of its record; None: the crystal failed before its relaxation."""
    if record is None:
        missing = {"energy_per_atom": float("nan"), "fmax": float("nan"), "n_steps": 0, "relax_seconds": 0.0}
        return crystal.updated(stage="relaxed", engine=label, **missing)
    names = ("status", "reason", "energy_per_atom", "fmax", "n_steps", "relax_seconds")
    results = {name: record[name] for name in names}
    if _was_batched(record):
        label = f"{label} {BATCHED}"
    if record["status"] == "ok":
        reason = check_models(record.get("stages", []), guards)
        results |= {"status": "failed", "reason": reason} if reason else {}
    relaxed = crystal.updated(stage="relaxed", engine=label, **results)
    if results["status"] == "failed":
        # The energy is that of another geometry than the one returned.
        return relaxed.updated(energy_per_atom=float("nan"))
    return replace(relaxed, structure=_final_geometry(record))


def _read_journals(journal_dir: Path) -> dict[str, dict[str, Any]]:
    """Return the records of every journal in a folder by key, without crystals to retry and without damaged lines."""
    records = {}
    for path in sorted(journal_dir.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                record = json.loads(line)
                key, reason = record["key"], record["reason"]
            except (ValueError, KeyError, TypeError):
                log.warning("%s: line %d is damaged and is skipped; its crystal is relaxed again", path, number)
                continue
            if reason not in RETRIED:
                records[key] = record
    return records


@contextmanager
def appending(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yield a function that appends a record to a journal and returns when it is on disk.

    An incomplete last line, left by a process that was killed while writing, is removed first.
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
