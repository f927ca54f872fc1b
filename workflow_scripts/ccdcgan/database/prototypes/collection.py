"""Where crystals come from: the sources of prototypes, each filtered and counted the same way.

A source is a module with a function that takes a :class:`Request` and yields one :class:`Found` per crystal it
holds, readable or not. To add one, write the module and name its function in :data:`SOURCES`; if it needs the
network, give it a rule in ``rules/sources.smk`` that fetches once into ``resources/``.
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
from ccdcgan.database.prototypes.download import found_in
from ccdcgan.database.prototypes.oqmd import read_oqmd
from ccdcgan.database.prototypes.source import Found, Request
from ccdcgan.database.prototypes.user_files import read_files
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.parallel import parallel_map

log = logging.getLogger(__name__)

SOURCES: dict[str, Callable[[Request], Iterator[Found]]] = {
    "aflow": read_aflow,
    "files": read_files,
    "oqmd": read_oqmd,
    "materials_project": partial(found_in, source="materials_project"),
    "optimade": partial(found_in, source="optimade"),
}
"""Every source by the name it has in the configuration (``prototypes.sources``)."""


def collect_prototypes(
    config: dict[str, Any],
    n_elements: int,
    fetched: Mapping[str, str | Path] = MappingProxyType({}),
    processes: int = 1,
) -> tuple[list[Crystal], pd.DataFrame]:
    """Read all configured sources and keep the crystals that can serve as prototypes.

    config: the ``prototypes`` section; n_elements: elements of the chemical system; fetched: source -> the file
    that its rule brought; processes: how many to use. Kept are ordered crystals of at most ``max_atoms`` atoms in their
    standard cell; lengths are judged after substitution, when the volume is known. Returns the prototypes in
    their standard cell, and a table with one row per crystal found, ``status`` "ok" or "failed" with a reason.
    Raises InputError if none is left.
    """
    crystals, rows = [], []
    for source in config["sources"]:
        request = Request(config, n_elements, Path(fetched[source]) if source in fetched else None)
        everything = list(SOURCES[source](request))
        judge = partial(_to_prototype, max_atoms=config["max_atoms"])
        judged = parallel_map(judge, everything, f"standard cells of {source}", processes, chunk=100)
        for found, (crystal, reason, detail) in zip(everything, judged, strict=True):
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
        return None, found.refused or "unreadable", found.detail
    if found.refused:
        return None, found.refused, found.detail
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
