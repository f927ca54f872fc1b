"""Symmetrisation of batches of relaxed crystals, with journals of its own from which an interrupted batch resumes."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.symmetry import NOT_META_STABLE, SYMMETRISED
from ccdcgan.relaxation.batches import Journal, appending, elements_of, result_key
from ccdcgan.relaxation.engines import Engine, identity, make_engine
from ccdcgan.relaxation.symmetrisation.ends import symmetric_end
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import exclusive
from ccdcgan.utils.progress import Progress

log = logging.getLogger(__name__)

NOT_TRIED = {"outcome": NOT_META_STABLE, "tolerance": float("nan"), "energy": float("nan"), "seconds": 0.0}
"""Record of a crystal that is left out."""


def symmetrise_batch(
    crystals: Sequence[Crystal],
    config: Mapping[str, Any],
    journal: Journal,
    batch: str,
    left_out: Collection[str] = (),
) -> list[Crystal]:
    """Symmetrise relaxed crystals in order and return all of them.

    A crystal with an accepted symmetry gets its symmetric structure with energy and largest force, and the numbers of
    steps and seconds increase. All crystals that relaxed get ``symmetrisation`` (the outcome), ``symmetry_tolerance``
    (angstrom) and ``symmetry_energy`` (eV/atom). Failed crystals are returned unchanged. If another process works on
    the same batch, this one waits for it.

    Args:
        crystals: Relaxed crystals of the batch.
        config: The ``relaxation`` section of the configuration.
        journal: Journals to read and to write.
        batch: Name of the batch.
        left_out: Identifiers of relaxed crystals that are returned as they are, with the outcome NOT_META_STABLE.

    Raises:
        InputError: If the engine cannot start.
    """
    folder = Path(journal.folder)
    folder.mkdir(parents=True, exist_ok=True)
    engine = make_engine(config, journal.work_dir)
    with exclusive(folder / f"{batch}.lock"):
        records = journal.records()
        keys = [
            result_key(crystal, identity(config, elements_of(crystal)), journal.code)
            if crystal.info["status"] == "ok" and crystal.id not in left_out
            else ""
            for crystal in crystals
        ]
        waiting = [crystal for crystal, key in zip(crystals, keys, strict=True) if key and key not in records]
        if waiting:
            engine.check_elements({element for crystal in waiting for element in elements_of(crystal)})
        progress = Progress(len(crystals), f"symmetrising {batch}", done=len(crystals) - len(waiting), unit="crystals")
        results, n_symmetric = [], 0
        with appending(folder / f"{batch}.jsonl") as append:
            for crystal, key in zip(crystals, keys, strict=True):
                is_new = bool(key) and key not in records
                if is_new:
                    records[key] = _record(engine, crystal, key)
                    append(records[key])
                results.append(_result(crystal, records[key] if key else NOT_TRIED))
                n_symmetric += results[-1].info.get("symmetrisation") == SYMMETRISED
                progress.advance(int(is_new), f"{n_symmetric} symmetrised")
    return results


def _record(engine: Engine, crystal: Crystal, key: str) -> dict[str, Any]:
    """Symmetrise one crystal and return its record for the journal; floats are read back bit for bit."""
    start = time.monotonic()
    record: dict[str, Any] = {"key": key, "id": crystal.id, "reason": "", "detail": ""}
    try:
        end = symmetric_end(crystal.structure, crystal.info["energy_per_atom"], engine)
        record |= {"outcome": end.outcome, "tolerance": end.tolerance, "energy": end.energy}
        if end.relaxation is not None:
            structure = end.relaxation.structure
            record |= {
                "energy_per_atom": end.relaxation.energy_per_atom,
                "fmax": end.relaxation.fmax,
                "n_steps": end.relaxation.n_steps,
                "species": [site.specie.symbol for site in structure],
                "cell": structure.lattice.matrix.tolist(),
                "frac_coords": structure.frac_coords.tolist(),
            }
    except InputError:
        raise
    except Exception as error:  # the failure of one crystal must not end the batch
        log.exception("%s: the engine raised an exception", crystal.id)
        record |= {"reason": "engine_error", "detail": f"{type(error).__name__}: {error}"}
        record |= {"outcome": "engine_error", "tolerance": float("nan"), "energy": float("nan")}
    return record | {"seconds": round(time.monotonic() - start, 3)}


def _result(crystal: Crystal, record: Mapping[str, Any]) -> Crystal:
    """Return the crystal with the results of its record; a failed crystal is returned unchanged."""
    info = crystal.info
    if info["status"] != "ok":
        return crystal
    known = {
        "symmetrisation": record["outcome"],
        "symmetry_tolerance": record["tolerance"],
        "symmetry_energy": record["energy"],
        "relax_seconds": info["relax_seconds"] + record["seconds"],
    }
    if record["outcome"] != SYMMETRISED:
        return crystal.updated(**known)
    known |= {"energy_per_atom": record["energy_per_atom"], "fmax": record["fmax"]}
    known["n_steps"] = info["n_steps"] + record["n_steps"]
    structure = Structure(Lattice(record["cell"]), record["species"], record["frac_coords"])
    return replace(crystal, structure=structure).updated(**known)
