"""Typical errors of formation energies and hull distances by class of chemical system, from the benchmark of systems.

``benchmarks/systems.py`` compares known compounds with OQMD and writes ``data/typical_errors.csv``. The class of a
system is that of its most electronegative element; oxides and fluorides of metals that need a Hubbard U are separate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
from pymatgen.core import Element

from ccdcgan.database.energy_scheme import AUTO, MP2020, RAW, EnergyScheme

TABLE = Path(__file__).parent / "data" / "typical_errors.csv"
"""Table with model, class, n_systems, n_compounds, formation_energy and hull_distance (rms errors, eV/atom)."""

CLASSES = {
    "O": "oxides",
    "F": "fluorides",
    "Cl": "chlorides",
    "Br": "bromides",
    "I": "iodides",
    "S": "sulfides",
    "Se": "selenides",
    "Te": "tellurides",
    "N": "nitrides",
    "H": "hydrides",
    "P": "phosphides",
    "As": "arsenides",
    "Sb": "antimonides",
    "C": "carbides",
    "B": "borides",
    "Si": "silicides",
}
"""Anion -> class of a system."""

INTERMETALLIC = "intermetallic compounds"
"""Class of the systems without any of these anions."""

UNCORRECTED_SYSTEMS = "all systems without corrections"
"""Class used in place of one of these systems with few compounds in the benchmark."""

FEWEST = 5
"""Smallest number of compounds from which an error of a class is stated."""


@dataclass(frozen=True)
class TypicalError:
    """Typical error of a hull distance.

    Args:
        value: Root mean square error of hull distances relative to OQMD, eV/atom; NaN if unknown.
        source: Where the value is from, for tables; "" if it is unknown.
    """

    value: float = math.nan
    source: str = ""


UNKNOWN_ERROR = TypicalError()
"""No statement, of an engine or class that the benchmark does not cover."""


def class_of(elements: Sequence[str]) -> str:
    """Return the class of a chemical system.

    Args:
        elements: Elements of the system.
    """
    for anion in sorted(elements, key=lambda symbol: Element(symbol).X, reverse=True):
        if anion in CLASSES:
            mixed = EnergyScheme(MP2020).has_mixing(elements)
            return f"{CLASSES[anion]} of metals with U" if mixed and anion in ("O", "F") else CLASSES[anion]
    return INTERMETALLIC


def typical_error(engine: str, scheme: EnergyScheme, elements: Sequence[str]) -> TypicalError:
    """Return the typical error of the hull distances in a system.

    The benchmark was made with the scheme ``auto``. It says nothing about a system in which another scheme gives other
    energies.

    Args:
        engine: Label of the engine, e.g. "7net-0+7net-l3i5"; the last model counts.
        scheme: Energy scheme.
        elements: Elements of the system.
    """
    if scheme.label(elements) != EnergyScheme(AUTO).label(elements):
        return UNKNOWN_ERROR
    table = _table()
    rows = table[table["model"] == engine.split("+")[-1]].set_index("class")
    kind = class_of(elements)
    if kind not in rows.index or rows.loc[kind, "n_compounds"] < FEWEST:
        kind = UNCORRECTED_SYSTEMS if scheme.label(elements) == RAW else kind
    if kind not in rows.index:
        return UNKNOWN_ERROR
    return TypicalError(float(rows.loc[kind, "hull_distance"]), f"benchmark: {kind}")


@cache
def _table() -> pd.DataFrame:
    """Return the table of the benchmark, read once."""
    return pd.read_csv(TABLE, keep_default_na=False)
