"""The collection of prototypes from all configured sources, filtered and counted in the same way.

A source is a function that takes a :class:`SourceQuery` and yields one :class:`SourceEntry` per crystal, including
crystals that cannot be read. To add a source, write a module with such a function and add the function to
:data:`SOURCES`. A source that needs the network also needs a rule in ``rules/sources.smk`` that fetches its data once
into ``resources/``.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from ccdcgan.crystals.structures import Crystal, standard_cell
from ccdcgan.database.prototypes.aflow import read_aflow
from ccdcgan.database.prototypes.download import downloaded_entries
from ccdcgan.database.prototypes.oqmd import read_oqmd
from ccdcgan.database.prototypes.source import SourceEntry, SourceQuery
from ccdcgan.database.prototypes.user_files import read_files
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
    crystals, rows = [], []
    for source in config["sources"]:
        query = SourceQuery(config, n_elements, Path(fetched[source]) if source in fetched else None)
        entries = list(SOURCES[source](query))
        to_prototype = partial(_to_prototype, max_atoms=config["max_atoms"])
        results = parallel_map(to_prototype, entries, f"standard cells of {source}", processes, chunk=100)
        for entry, (crystal, reason, detail) in zip(entries, results, strict=True):
            row = {"id": entry.id, "source": source, "status": "failed" if reason else "ok", "reason": reason}
            if entry.structure is not None:
                composition = entry.structure.composition
                row |= {"formula": composition.reduced_formula, "n_elements": len(composition)}
            if crystal is not None:
                row["n_atoms"] = len(crystal.structure)
                crystals.append(crystal)
            elif reason == "unreadable":
                log.warning("%s is skipped: %s", entry.id, detail)
            rows.append(row | {"detail": detail})
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


def _to_prototype(entry: SourceEntry, max_atoms: int) -> tuple[Crystal | None, str, str]:
    """Return the prototype and two empty texts, or None with the reason and detail of the refusal."""
    if entry.structure is None:
        return None, entry.refused or "unreadable", entry.detail
    if entry.refused:
        return None, entry.refused, entry.detail
    if not entry.structure.is_ordered:
        return None, "disordered", "partial occupancies"
    try:
        structure = standard_cell(entry.structure)
    except InputError as error:
        return None, "no_standard_cell", str(error)
    if len(structure) > max_atoms:
        return None, "too_many_atoms", f"{len(structure)} atoms, at most {max_atoms}"
    info = {"prototype": entry.id, "parent": entry.id, "stage": "prototype", "status": "ok", "reason": ""}
    return Crystal(entry.id, structure, info), "", ""


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
