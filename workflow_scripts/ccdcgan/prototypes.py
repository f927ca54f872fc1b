"""Where crystals come from: the sources of prototypes, each filtered and counted the same way.

A source is a function that takes its part of the configuration and yields one :class:`Found` per crystal it
holds, readable or not. To add a source, write such a function and name it in :data:`SOURCES`.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import pandas as pd
from pymatgen.core import Structure

from ccdcgan.errors import InputError
from ccdcgan.structures import Crystal, from_atoms, standard_cell

log = logging.getLogger(__name__)

FILE_PATTERNS = ("*.cif", "*.vasp", "*.poscar", "*POSCAR*", "*CONTCAR*", "*.xyz", "*.extxyz")


@dataclass(frozen=True)
class Found:
    """One crystal as its source holds it: ``structure``, or None and the ``problem`` with reading it."""

    id: str
    source: str
    structure: Structure | None
    problem: str = ""


def from_aflow(config: dict[str, Any]) -> Iterator[Found]:
    """Yield the AFLOW encyclopedia's prototypes that pymatgen ships (288 crystals, no network)."""
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    seen: Counter[str] = Counter()
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        label = entry["tags"]["aflow"]
        seen[label] += 1
        suffix = f"-{seen[label]}" if seen[label] > 1 else ""
        yield Found(f"aflow-{label}{suffix}", "aflow", entry["snl"].structure)


def from_files(config: dict[str, Any]) -> Iterator[Found]:
    """Yield the crystals of a folder of CIF, POSCAR and extended XYZ files, in the order of their names.

    A file that cannot be read is yielded with its problem, so that it is counted and the run goes on.
    Raises InputError if the folder is missing or holds no such file.
    """
    folder = Path(config["files"]["folder"])
    if not folder.is_dir():
        raise InputError(
            f"prototypes.files.folder: {folder} is not a folder; name one with CIF, POSCAR or extended XYZ files."
        )
    paths = sorted({path for pattern in FILE_PATTERNS for path in folder.rglob(pattern) if path.is_file()})
    if not paths:
        raise InputError(
            f"prototypes.files.folder: {folder} holds no CIF (*.cif), POSCAR (*.vasp, *POSCAR*) or extended XYZ "
            "(*.xyz, *.extxyz) file; put some there or choose another source."
        )
    for path in paths:
        name = f"file-{path.relative_to(folder).as_posix()}"
        try:
            structures = _read_file(path)
        except Exception as error:  # readers fail in too many ways to list
            yield Found(name, "files", None, f"{type(error).__name__}: {' '.join(str(error).split())}"[:200])
            continue
        for number, structure in enumerate(structures):
            yield Found(name if len(structures) == 1 else f"{name}-{number}", "files", structure)


def _read_file(path: Path) -> list[Structure]:
    """Return every crystal of one file."""
    if path.suffix in (".xyz", ".extxyz"):
        return [from_atoms(atoms) for atoms in ase.io.read(path, index=":", format="extxyz")]
    if path.suffix == ".cif":
        return [Structure.from_file(path)]
    return [Structure.from_str(path.read_text(), fmt="poscar")]


SOURCES: dict[str, Callable[[dict[str, Any]], Iterator[Found]]] = {"aflow": from_aflow, "files": from_files}
"""Every source by the name it has in the configuration (``prototypes.sources``)."""


def collect_prototypes(config: dict[str, Any]) -> tuple[list[Crystal], pd.DataFrame]:
    """Read all configured sources and keep the crystals that can serve as prototypes.

    config: the ``prototypes`` section. Kept are ordered crystals of at most ``max_atoms`` atoms in their
    standard cell; lengths are judged after substitution, when the volume is known. Returns the prototypes in
    their standard cell, and a table with one row per crystal found, ``status`` "ok" or "failed" with a reason.
    Raises InputError if none is left.
    """
    crystals, rows = [], []
    for source in config["sources"]:
        for found in SOURCES[source](config):
            crystal, reason, detail = _to_prototype(found, config["max_atoms"])
            row = {"id": found.id, "source": source, "status": "failed" if reason else "ok", "reason": reason}
            if found.structure is not None:
                composition = found.structure.composition
                row |= {"formula": composition.reduced_formula, "n_elements": len(composition)}
            if crystal is not None:
                row["n_atoms"] = len(crystal.structure)
                crystals.append(crystal)
            elif reason == "unreadable":
                log.warning("%s is skipped: %s", found.id, detail)
            rows.append(row | {"detail": detail})
    if not crystals:
        counts = ", ".join(f"{n} {reason}" for reason, n in Counter(row["reason"] for row in rows).items())
        raise InputError(
            f"prototypes.sources: {config['sources']} gave no usable prototype ({counts or 'nothing found'}); "
            "add a source or relax prototypes.max_atoms."
        )
    if config["limit"] is not None:
        crystals = _thin_out(crystals, config["limit"])
        kept = {crystal.id for crystal in crystals}
        for row in rows:
            if row["status"] == "ok" and row["id"] not in kept:
                row |= {"status": "failed", "reason": "over_limit"}
    return crystals, pd.DataFrame(rows)


def _to_prototype(found: Found, max_atoms: int) -> tuple[Crystal | None, str, str]:
    """Return the prototype, or None with the reason and detail of its refusal."""
    if found.structure is None:
        return None, "unreadable", found.problem
    if not found.structure.is_ordered:
        return None, "disordered", "partial occupancies"
    try:
        structure = standard_cell(found.structure)
    except InputError as error:
        return None, "no_standard_cell", str(error)
    if len(structure) > max_atoms:
        return None, "too_many_atoms", f"{len(structure)} atoms, at most {max_atoms}"
    info = {"prototype": found.id, "parent": found.id, "stage": "prototype", "status": "ok", "reason": ""}
    return Crystal(found.id, structure, info), "", ""


def _thin_out(crystals: list[Crystal], limit: int) -> list[Crystal]:
    """Keep at most ``limit`` prototypes of each number of elements, evenly spread over their order."""
    groups: dict[int, list[Crystal]] = defaultdict(list)
    for crystal in crystals:
        groups[len(crystal.structure.composition)].append(crystal)
    kept = set()
    for group in groups.values():
        step = max(len(group) / limit, 1.0)
        kept |= {group[int(i * step)].id for i in range(min(limit, len(group)))}
    return [crystal for crystal in crystals if crystal.id in kept]
