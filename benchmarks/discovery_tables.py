"""Tables of benchmarks/discovery.py: factors, rediscovery, and the page of the documentation."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from discovery_methods import ROOT

from ccdcgan.crystals.structures import Crystal
from ccdcgan.evaluation.discovery import REFERENCE, acceleration_factor, enhancement_factor
from ccdcgan.utils.files import write_text

PAGE: Path = ROOT / "docs" / "validation" / "discovery.md"
COLUMNS = (
    "system",
    "method",
    "seed",
    "relaxations",
    "relaxed",
    "negative",
    "meta_stable",
    "distinct_meta_stable",
    "distinct_stable",
    "msun",
    "compositions",
    "p1",
    "area",
)
SAME_ENERGY = 0.005
"""Largest energy of a crystal found again above that of the lowest known one of its composition, eV/atom."""


def rediscovered(
    table: pd.DataFrame, known: Sequence[Crystal], formulas: Sequence[str], max_atoms: int
) -> list[dict[str, Any]]:
    """Find the lowest known crystals of compositions among the relaxed crystals of a search.

    It is found if a relaxation ends in a known crystal of the composition, by StructureMatcher or as a variant, with
    the energy of the lowest one. Known crystals with larger cells than a search proposes do not count.

    Args:
        table: Table of the relaxed crystals, in the order of their relaxations.
        known: Crystals of the database and known phases, with hull distances (eV/atom).
        formulas: Reduced formulas of the compositions.
        max_atoms: Maximum number of atoms in the cell of a candidate.

    Returns:
        For each composition its formula, the hull distance of its lowest known crystal (eV/atom), the number of
        relaxations that ended in the composition, the lowest of their energies relative to that crystal (eV/atom), and
        the number of the first one that ended in it, from 1, or NaN. A composition without a known crystal ends the
        program.
    """
    rows, ids = [], {crystal.id for crystal in known}
    for formula in formulas:
        distances = [
            crystal.info["e_above_hull"]
            for crystal in known
            if crystal.formula == formula
            and crystal.info["status"] == "ok"
            and len(crystal.structure.get_primitive_structure()) <= max_atoms
        ]
        if not distances:
            sys.exit(f"--holdout {formula}: the run has no known crystal of it with at most {max_atoms} atoms.")
        own = table["formula"].eq(formula) & table["status"].eq("ok")
        same = own & (~table["novel"].astype(bool) | table["variant"].isin(ids))  # not the variant of a candidate
        lowest = same & (table["e_above_hull"] <= min(distances) + SAME_ENERGY)
        first = float(np.argmax(lowest) + 1) if lowest.any() else np.nan
        nearest = table.loc[own, "e_above_hull"].min() - min(distances)
        row = {"formula": formula, "e_above_hull": min(distances), "relaxed": own.sum()}
        rows.append(row | {"nearest": nearest, "found_at": first})
    return rows


def with_factors(rows: list[dict[str, Any]], curves: list[np.ndarray]) -> pd.DataFrame:
    """Return the table with the factors relative to random crystals of the same system and seed."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    random = {
        (r["system"], r["seed"]): curve for r, curve in zip(rows, curves, strict=True) if r["method"] == REFERENCE
    }
    for name, factor in (("enhancement", enhancement_factor), ("acceleration", acceleration_factor)):
        table[name] = [
            factor(curve, random[key]) if (key := (r["system"], r["seed"])) in random else np.nan
            for r, curve in zip(rows, curves, strict=True)
        ]
    return table


def as_markdown(table: pd.DataFrame) -> str:
    """Return the means and standard deviations over the seeds as a table of the documentation."""
    heads = (
        "system | method | seeds | E_f < 0 | meta-stable | distinct meta-stable | distinct stable | mSUN | "
        "compositions | P1 among distinct meta-stable | enhancement | acceleration | area"
    )
    lines = [f"| {heads} |", "|---" * (heads.count("|") + 1) + "|"]
    for (system, method), rows in table.groupby(["system", "method"], sort=False):
        sent, ok = rows["relaxations"], rows["relaxed"]
        cells = [system, f"`{method}`", str(len(rows))]
        cells += [spread(100 * rows[name] / ok, "%") for name in ("negative", "meta_stable")]
        cells += [spread(100 * rows[name] / sent, "%") for name in ("distinct_meta_stable", "distinct_stable", "msun")]
        cells += [spread(rows["compositions"]), spread(100 * rows["p1"] / rows["distinct_meta_stable"], "%")]
        cells += [spread(rows[name], digits=1) for name in ("enhancement", "acceleration")]
        cells += [spread(rows["area"], digits=2)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: pd.Series, unit: str = "", digits: int = 0) -> str:
    """Return the mean and, with several values, the standard deviation of a single one."""
    values = values.dropna()
    if values.empty:
        return "–"
    deviation = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}{' ' + unit if unit else ''}"


def rediscovery_as_markdown(table: pd.DataFrame) -> str:
    """Return for each composition held out and each method after how many relaxations its lowest crystal was found."""
    methods = list(dict.fromkeys(table["method"]))
    heads = ["system", "held out", "hull distance, eV/atom", *(f"`{method}`" for method in methods)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for (system, formula), rows in table.groupby(["system", "formula"], sort=False):
        cells = [", ".join(_found(row) for _, row in rows[rows["method"] == method].iterrows()) for method in methods]
        distance = f"{rows['e_above_hull'].min():.3f}"
        lines.append(f"| {' | '.join([system, formula, distance, *cells])} |")
    return "\n".join(lines)


def _found(row: pd.Series) -> str:
    if row["found_at"] == row["found_at"]:
        return f"{row['found_at']:.0f}"
    return f"no ({row['relaxed']}, lowest {row['nearest']:+.3f})" if row["relaxed"] else "no (0)"


def write_to_page(name: str, text: str) -> None:
    """Put a table between its two marks of the page; rows of it that ``text`` does not measure are kept."""
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(rf"(<!-- begin {name} -->\n)(.*?)(<!-- end {name} -->)", re.DOTALL)
    found = marked.search(page)
    if not found:
        sys.exit(f"{PAGE} lacks the marks <!-- begin {name} --> and <!-- end {name} -->.")
    write_text(PAGE, marked.sub(lambda match: f"{match[1]}\n{merge_rows(found[2], text)}\n\n{match[3]}", page))


def merge_rows(earlier: str, measured: str) -> str:
    """Return a Markdown table with the rows of two; those measured replace earlier ones with the same first two cells.

    Raises:
        ValueError: The two have different columns.
    """
    old, new = earlier.strip().splitlines(), measured.strip().splitlines()
    if not old:
        return measured
    if old[:2] != new[:2]:
        raise ValueError(f"the table of the page has other columns than the one measured: {old[0]} and {new[0]}")
    rows = {tuple(line.split(" | ")[:2]): line for line in (*old[2:], *new[2:])}
    systems = list(dict.fromkeys(system for system, _ in rows))
    ordered = sorted(rows.items(), key=lambda item: systems.index(item[0][0]))
    return "\n".join([*new[:2], *(line for _, line in ordered)])
