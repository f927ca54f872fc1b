"""Known phases of a chemical system: crystals of the sources as they are, without substitution of elements.

They join the convex hull and the comparison with candidates, but neither the database of substituted crystals nor any
training.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from ccdcgan.columns import SAME_AS
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.prototypes.collection import SOURCES, usable_crystal, with_unique_id
from ccdcgan.database.prototypes.source import SourceEntry, SourceQuery

FOUND_COLUMNS = ("id", "source", "formula", "n_atoms", "source_formation_energy", "status", "reason", "detail")
"""Columns of the table of :func:`collect_known`."""

Row = dict[str, Any]


def collect_known(
    config: Mapping[str, Any],
    elements: Sequence[str],
    uniqueness: Uniqueness,
    fetched: Mapping[str, str | Path] = MappingProxyType({}),
) -> tuple[list[Crystal], pd.DataFrame]:
    """Return the distinct known phases of a system, pure elements included.

    Of equal crystals the one with the lowest formation energy in its source is retained, or the first one if the
    source has no energies.

    Args:
        config: ``known``, the sources; ``max_atoms``, the largest number of atoms in the standard cell, None: no limit;
            and ``sources``, the settings of each source by its name, as in the ``prototypes`` section of the
            configuration.
        elements: Elements of the system.
        uniqueness: Equality of crystals.
        fetched: Name of a source -> file that its rule has fetched.

    Returns:
        The crystals in their standard cell, and a table with FOUND_COLUMNS, one row per crystal of these elements in
        the sources. Energies are in eV/atom.
    """
    found: list[tuple[Crystal | None, Row]] = []
    ids: set[str] = set()
    for source in config["known"]:
        file = Path(fetched[source]) if source in fetched else None
        query = SourceQuery(config["sources"], len(elements), file, frozenset(elements))
        found += _known_entries(source, query, config["max_atoms"], ids)
    numbers = [number for number, (crystal, _) in enumerate(found) if crystal is not None]
    numbers.sort(key=lambda number: (_energy(found[number][1]), number))
    verdicts = uniqueness.first_of_kind([found[number][0].structure for number in numbers])
    retained = set()
    for number, verdict in zip(numbers, verdicts, strict=True):
        if verdict is None:
            retained.add(number)
        else:
            same = found[numbers[verdict[1]]][1]["id"]
            found[number][1].update(status="failed", reason="duplicate", detail=SAME_AS + same)
    crystals = [crystal for number, (crystal, _) in enumerate(found) if number in retained]
    return crystals, pd.DataFrame([row for _, row in found], columns=list(FOUND_COLUMNS))


def known_crystals(
    elements: Sequence[str], max_atoms: int | None = None, max_formation_energy: float = math.inf
) -> list[Crystal]:
    """Return the crystals of OQMD/ICSD that consist of the given elements or of some of them.

    Pure elements are included, and so are repeated measurements of one phase. The crystals are in their standard
    cell.

    Args:
        elements: Elements of the system.
        max_atoms: Largest number of atoms in the standard cell; None: no limit.
        max_formation_energy: Largest formation energy in OQMD, eV/atom. A few calculations of OQMD failed and have
            many eV/atom.

    Returns:
        Crystals ``oqmd-{row}`` in the order of the rows. Their info has ``source_formation_energy``, eV/atom.
    """
    settings = {"oqmd": {"max_formation_energy": max_formation_energy}}
    query = SourceQuery(settings, len(elements), None, frozenset(elements))
    return [crystal for crystal, _ in _known_entries("oqmd", query, max_atoms, set()) if crystal is not None]


def _known_entries(
    source: str, query: SourceQuery, max_atoms: int | None, ids: set[str]
) -> Iterator[tuple[Crystal | None, Row]]:
    """Yield the crystals of a source that consist of the elements of the query, each with its row of the table.

    The crystal is None if it cannot be used. Ids that are in ``ids`` already are changed, and all are added to it.
    """
    for entry in SOURCES[source](query):
        if entry.structure is None or not _symbols(entry) <= query.elements:
            continue
        entry = with_unique_id(entry, ids)
        crystal, facts = usable_crystal(entry, max_atoms)
        row = {"id": entry.id, "source": source, "n_atoms": len(entry.structure), **facts}
        row |= {"status": "failed" if facts["reason"] else "ok", "source_formation_energy": entry.formation_energy}
        if crystal is not None:
            energy = entry.formation_energy
            known = {} if energy is None else {"source_formation_energy": energy}
            crystal = crystal.updated(stage="known", source=source, **known)
        yield crystal, row


def _symbols(entry: SourceEntry) -> set[str]:
    """Return the symbols of the elements of an entry, isotopes and ions included."""
    symbols = {getattr(species, "symbol", str(species)) for species in entry.structure.composition.elements}
    return {"H" if symbol in ("D", "T") else symbol for symbol in symbols}


def _energy(row: Row) -> float:
    energy = row["source_formation_energy"]
    return math.inf if energy is None else energy
