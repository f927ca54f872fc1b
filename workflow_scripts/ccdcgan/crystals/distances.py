"""The distance rule of candidates: one minimum distance, or one for each pair of elements from a database's bonds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from ccdcgan.crystals.elements import closest, pairs, radius
from ccdcgan.crystals.structures import shortest_distance
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_csv

AUTO = "auto"
"""Value of ``generation.min_distance``: a minimum distance for each pair of elements."""

SHARE_OF_BOND = 0.75
"""Minimum distance of two atoms relative to the shortest bond of their elements. In Bi-Se it gives 1.7 (Se-Se), 2.0
(Bi-Se) and 2.3 angstrom (Bi-Bi). docs/validation/systems.md compares values."""

SHARE_AT_MOST = 0.95
"""Largest minimum distance relative to the shortest bond, whatever a relaxation refuses."""

LONGEST_BOND = 1.3
"""Largest distance of two atoms that counts as a bond, relative to the sum of their covalent radii."""

DISTANCE_COLUMNS = ("pair", "shortest", "limit")


@dataclass(frozen=True)
class PairDistances:
    """Minimum distance of two atoms by their elements.

    Attributes:
        limits: Pair of elements, in alphabetical order and joined by "-" -> minimum distance, angstrom.
    """

    limits: Mapping[str, float]

    def ratio(self, structure: Structure) -> float:
        """Return the smallest ratio of a distance to its minimum, periodic images included.

        It is exact below 1; every crystal that satisfies the rule has at least 1.
        """
        limits = self.table([site.specie.symbol for site in structure])
        centres, others, _, distances = structure.get_neighbor_list(limits.max())
        return float(min([1.0, *(distances / limits[centres, others])]))

    def table(self, symbols: Sequence[str]) -> np.ndarray:
        """Return the minimum distances between atoms of these elements, (n_atoms, n_atoms), angstrom."""
        elements = sorted(set(symbols))
        place = {element: number for number, element in enumerate(elements)}
        table = np.empty((len(elements), len(elements)))
        for first, second in pairs(elements):
            limit = self.limits[f"{first}-{second}"]
            table[place[first], place[second]] = table[place[second], place[first]] = limit
        numbers = np.array([place[symbol] for symbol in symbols])
        return table[numbers[:, None], numbers]


DistanceRule = float | PairDistances
"""Minimum distance of two atoms in angstrom; a number holds for all elements, 0: not checked."""


def satisfies(structure: Structure, rule: DistanceRule, shortest: float | None = None) -> bool:
    """Return whether no two atoms of a crystal, periodic images included, are closer than the rule allows.

    Args:
        structure: The crystal.
        rule: Minimum distances.
        shortest: Shortest distance in the crystal, angstrom, if it has been measured already.
    """
    if isinstance(rule, PairDistances):
        return rule.ratio(structure) >= 1
    return (shortest_distance(structure) if shortest is None else shortest) >= rule


def start_distances(elements: Iterable[str], guard: float | str, displacement: float) -> dict[str, float]:
    """Return the distance of each pair of elements up to which a relaxation can refuse its start.

    Atoms are displaced before they are checked. Along their bond, two atoms move together or apart by sqrt(2/3) of the
    root mean square displacement of an atom; three times that is added to the guard.

    Args:
        elements: Elements of the system.
        guard: ``relaxation.guards.min_distance``: a number in angstrom, or AUTO.
        displacement: Root mean square displacement, angstrom.

    Returns:
        Pair of elements, in alphabetical order and joined by "-" -> distance, angstrom.
    """
    margin = 3 * np.sqrt(2 / 3) * displacement
    return {"-".join(pair): (closest(*pair) if guard == AUTO else float(guard)) + margin for pair in pairs(elements)}


def bond_table(
    structures: Iterable[Structure],
    elements: Sequence[str],
    min_distance: float | str,
    refused: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return the shortest bond of each pair of elements in a database, and the minimum distance of candidates.

    One compressed or molecular bond shortens the distance for all candidates: O2 in a crystal of V-O gives 0.92
    angstrom for O-O, which a relaxation refuses. The distances of AUTO are therefore not below ``refused``.

    Args:
        structures: Relaxed crystals of the database.
        elements: Elements of the system.
        min_distance: ``generation.min_distance``: a number in angstrom, or AUTO: SHARE_OF_BOND times the shortest bond,
            or times the sum of the covalent radii for a pair without a bond.
        refused: Pair -> distance up to which a relaxation can refuse its start, angstrom.

    Returns:
        Table with DISTANCE_COLUMNS, one row per pair; shortest and limit in angstrom, shortest is NaN without a bond.
    """
    reach = {f"{first}-{second}": LONGEST_BOND * (radius(first) + radius(second)) for first, second in pairs(elements)}
    shortest = dict.fromkeys(reach, np.inf)
    for structure in structures:
        symbols = np.array([site.specie.symbol for site in structure])
        centres, others, _, distances = structure.get_neighbor_list(max(reach.values()))
        for first, second in pairs(symbols.tolist()):
            these = distances[(symbols[centres] == first) & (symbols[others] == second)]
            pair = f"{first}-{second}"
            if these.size and these.min() <= reach[pair]:
                shortest[pair] = min(shortest[pair], float(these.min()))
    rows = []
    for pair, bond in shortest.items():
        length = bond if np.isfinite(bond) else reach[pair] / LONGEST_BOND
        lowest = min((refused or {}).get(pair, 0.0), SHARE_AT_MOST * length)
        limit = round(max(SHARE_OF_BOND * length, lowest), 3) if min_distance == AUTO else min_distance
        rows.append({"pair": pair, "shortest": bond if np.isfinite(bond) else np.nan, "limit": limit})
    return pd.DataFrame(rows, columns=list(DISTANCE_COLUMNS))


def rejected_bonds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of :func:`bond_table` whose minimum distance rejects a bond of the database itself."""
    return table[table["shortest"] < table["limit"]] if len(table) else table


def distance_rules(rules: Mapping[str, Any], table: str | Path) -> dict[str, Any]:
    """Return the rules of a candidate with AUTO replaced by the minimum distances in a table.

    Args:
        rules: Rules of a candidate, with ``min_distance``.
        table: File of :func:`bond_table`.

    Raises:
        InputError: The file does not have a positive minimum distance for each pair.
    """
    if rules["min_distance"] != AUTO:
        return dict(rules)
    frame = read_csv(table)
    limits = pd.to_numeric(frame.get("limit", pd.Series(dtype=float)), errors="coerce")
    if "pair" not in frame or limits.empty or not (limits > 0).all():
        raise InputError(
            f"{table} does not hold a minimum distance for each pair of elements; rename it and run again."
        )
    by_pair = {str(pair): float(limit) for pair, limit in zip(frame["pair"], limits, strict=True)}
    return dict(rules) | {"min_distance": PairDistances(by_pair)}
