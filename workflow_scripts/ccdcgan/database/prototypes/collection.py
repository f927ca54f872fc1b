"""The collection of prototypes from all configured sources, filtered and counted in the same way.

A source is a function that takes a :class:`SourceQuery` and yields one :class:`SourceEntry` per crystal, including
crystals that cannot be read. To add a source, write a module with such a function and add the function to
:data:`SOURCES`. A source that needs the network also needs a rule in ``rules/sources.smk`` that fetches its data once
into ``resources/``.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal, standard_cell
from ccdcgan.database.prototypes.aflow import read_aflow
from ccdcgan.database.prototypes.checks import checked
from ccdcgan.database.prototypes.download import downloaded_entries
from ccdcgan.database.prototypes.oqmd import read_oqmd
from ccdcgan.database.prototypes.source import Refusal, SourceEntry, SourceQuery
from ccdcgan.database.prototypes.user_files import read_files
from ccdcgan.reasons import reason_label
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.parallel import parallel_map

log = logging.getLogger(__name__)

SOURCES: dict[str, Callable[[SourceQuery], Iterator[SourceEntry]]] = {
    "aflow": read_aflow,
    "files": read_files,
    "oqmd": read_oqmd,
    "materials_project": partial(downloaded_entries, source="materials_project"),
    "optimade": partial(downloaded_entries, source="optimade"),
}
"""Name of a source in the configuration (``prototypes.sources``) -> its function."""

FAULTS = {
    "unreadable",
    "not_finite_numbers",
    "not_an_element",
    "formula_mismatch",
    "unknown_symmetry",
    "bad_lattice",
    "too_close",
    "no_standard_cell",
}
"""Reasons that mean a fault of a file or entry, which the log names one by one."""


def collect_prototypes(
    config: dict[str, Any],
    n_elements: int,
    fetched: Mapping[str, str | Path] = MappingProxyType({}),
    processes: int = 1,
) -> tuple[list[Crystal], pd.DataFrame]:
    """Read all configured sources and return the crystals that can serve as prototypes.

    A prototype is an ordered crystal with at most ``max_atoms`` atoms in its standard cell. Cell lengths are checked
    after substitution, when the volume is known.

    Args:
        config: The ``prototypes`` section of the configuration.
        n_elements: Number of elements of the chemical system.
        fetched: Name of a source -> file that its rule has fetched.
        processes: Number of processes.

    Returns:
        The prototypes in their standard cell, and a table with one row per crystal of the sources. Its column
        ``status`` is "ok", or "failed" with a reason.

    Raises:
        InputError: If no prototype is left.
    """
    crystals, rows, ids = [], [], set()
    for source in config["sources"]:
        query = SourceQuery(config, n_elements, Path(fetched[source]) if source in fetched else None)
        entries = [with_unique_id(entry, ids) for entry in SOURCES[source](query)]
        to_crystal = partial(usable_crystal, max_atoms=config["max_atoms"])
        results = parallel_map(to_crystal, entries, f"standard cells of {source}", processes, chunk=100)
        for entry, (crystal, row) in zip(entries, results, strict=True):
            status = "failed" if row["reason"] else "ok"
            rows.append({"id": entry.id, "source": source, "status": status, **row})
            if crystal is not None:
                crystals.append(crystal)
            elif row["reason"] in FAULTS:
                log.warning("%s is skipped: %s (%s)", entry.id, reason_label(row["reason"]), row["detail"])
    if not crystals:
        counts = ", ".join(f"{n} {reason}" for reason, n in Counter(row["reason"] for row in rows).items())
        raise InputError(
            f"prototypes.sources: {config['sources']} gave no usable prototype ({counts or 'nothing found'}); "
            "add a source or increase prototypes.max_atoms."
        )
    if config["limit"] is not None:
        crystals = _thin_out(crystals, config["limit"])
        retained = {crystal.id for crystal in crystals}
        for row in rows:
            if row["status"] == "ok" and row["id"] not in retained:
                row |= {"status": "failed", "reason": "over_limit"}
    return crystals, pd.DataFrame(rows)


def with_unique_id(entry: SourceEntry, ids: set[str]) -> SourceEntry:
    """Return an entry whose id no earlier entry has, and add its id to ``ids``."""
    name, number = entry.id, 1
    while name in ids:
        number += 1
        name = f"{entry.id}-again-{number}"
    ids.add(name)
    return replace(entry, id=name)


def usable_crystal(entry: SourceEntry, max_atoms: int | None) -> tuple[Crystal | None, dict[str, Any]]:
    """Check the crystal of an entry and bring it to its standard cell.

    Args:
        entry: Entry of a source.
        max_atoms: Largest number of atoms in the standard cell; None: no limit.

    Returns:
        The crystal as a prototype, None if it is refused; and the columns of its row: reason, formula, detail,
        n_elements and n_atoms; None where unknown.
    """
    row: dict[str, Any] = {"reason": "", "formula": "", "n_elements": None, "n_atoms": None, "detail": ""}
    if entry.structure is None:
        return None, row | {"reason": entry.refused or "unreadable", "detail": entry.detail}
    if entry.refused:
        row |= {"reason": entry.refused, "detail": entry.detail} | _composition(entry.structure)
        return None, row
    try:
        structure = checked(entry.structure)
        row |= _composition(structure)
        if not structure.is_ordered:
            raise Refusal("disordered", "partial occupancies")
        structure = _standard(structure)
        row["n_atoms"] = len(structure)
        if max_atoms is not None and len(structure) > max_atoms:
            raise Refusal("too_many_atoms", f"{len(structure)} atoms, at most {max_atoms}")
    except Refusal as refusal:
        detail = f"{entry.detail}: {refusal.detail}" if entry.detail else refusal.detail
        return None, row | {"reason": refusal.reason, "detail": detail}
    info = {"prototype": entry.id, "parent": entry.id, "stage": "prototype", "status": "ok", "reason": ""}
    return Crystal(entry.id, structure, info), row


def _composition(structure: Structure) -> dict[str, Any]:
    """Return formula and number of elements; ions of one element are one element."""
    composition = structure.composition.element_composition
    return {"formula": composition.reduced_formula, "n_elements": len(composition)}


def _standard(structure: Structure) -> Structure:
    """Return the standard cell of a crystal.

    Raises:
        Refusal: If there is none.
    """
    try:
        return standard_cell(structure)
    except Exception as error:  # spglib raises several types of errors
        raise Refusal("no_standard_cell", " ".join(f"{type(error).__name__}: {error}".split())[:200]) from None


def _thin_out(crystals: list[Crystal], limit: int) -> list[Crystal]:
    """Return at most ``limit`` prototypes of each number of elements, evenly spaced in their order."""
    groups: dict[int, list[Crystal]] = defaultdict(list)
    for crystal in crystals:
        groups[len(crystal.structure.composition)].append(crystal)
    retained = set()
    for group in groups.values():
        step = max(len(group) / limit, 1.0)
        retained |= {group[int(i * step)].id for i in range(min(limit, len(group)))}
    return [crystal for crystal in crystals if crystal.id in retained]
