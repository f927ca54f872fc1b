"""Tables of benchmarks/discovery.py: what was measured, factors, rediscovery, and the page of the documentation.

What is published is kept in benchmarks/data/discovery, one row for each method and seed with the commit that measured
it, so that a system, a method or a seed can be measured again alone. The page is written from these files.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from discovery_databases import DATA
from discovery_methods import ROOT

from ccdcgan.crystals.structures import Crystal
from ccdcgan.evaluation.discovery import (
    REFERENCE,
    acceleration_factor,
    area_under_curve,
    enhancement_factor,
    finds_in_order,
)
from ccdcgan.utils.files import read_csv, write_csv, write_text

PAGE: Path = ROOT / "docs" / "validation" / "discovery.md"
KEYS = {
    "discovery": ["system", "method", "seed"],
    "rediscovery": ["system", "formula", "method", "seed"],
}
"""Table -> the columns that name one of its rows."""
SYSTEMS = ("Bi-Se", "Sn-S", "Al-Ni", "V-O", "Mg-Mn-O")
METHODS = ("random", "mutation", "database", "dcgan", "ccdcgan", "flow", "optimised-flow", "campaign")
"""Systems and methods in the order of the tables; others follow them."""
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


def measured_row(
    system: str, method: str, seed: int, table: pd.DataFrame, meta_stable: float, minutes: float = np.nan
) -> dict[str, Any]:
    """Return the counts of one method and seed.

    Args:
        system: Chemical system.
        method: Method.
        seed: Seed.
        table: Table of the relaxed crystals, in the order of their relaxations.
        meta_stable: Hull distance of meta-stable crystals, eV/atom.
        minutes: Processor time of the method, minutes; NaN if unknown.

    Returns:
        Numbers of relaxations, of successful ones and of crystals of several kinds; ``finds``, a sign for each
        relaxation, + where it found a distinct meta-stable crystal; the minutes; and the commit.
    """
    ok = table["status"] == "ok"
    good, stable = table["stability"].isin(["stable", "meta-stable"]), table["stability"] == "stable"
    return {
        "system": system,
        "method": method,
        "seed": seed,
        "relaxations": len(table),
        "relaxed": ok.sum(),
        "negative": (table["formation_energy"] < 0).sum(),
        "meta_stable": good.sum(),
        "distinct_meta_stable": (good & table["distinct"]).sum(),
        "distinct_stable": (stable & table["distinct"]).sum(),
        "msun": (table["distinct"] & (table["e_above_hull"] < meta_stable)).sum(),
        "compositions": table.loc[ok, "formula"].nunique(),
        "p1": (good & table["distinct"] & (table["space_group"] == "P1")).sum(),
        "finds": "".join("+" if found else "-" for found in finds_in_order(table)),
        "minutes": round(minutes, 2),
        "commit": commit(),
    }


def commit() -> str:
    """Return the commit that is checked out, with ``-dirty`` if files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def in_order(values: Iterable[str], first: Sequence[str]) -> list[str]:
    """Return the different values, those of ``first`` in its order and before the others."""
    different = dict.fromkeys(values)
    return [*(value for value in first if value in different), *(value for value in different if value not in first)]


def with_factors(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the area under each curve and the factors relative to random crystals of the same seed."""
    curves = [np.cumsum([0, *(sign == "+" for sign in finds)]) for finds in table["finds"]]
    names = list(zip(table["system"], table["seed"], strict=True))
    random = {
        name: curve for name, method, curve in zip(names, table["method"], curves, strict=True) if method == REFERENCE
    }
    columns = {"area": [area_under_curve(curve) for curve in curves]}
    for column, factor in (("enhancement", enhancement_factor), ("acceleration", acceleration_factor)):
        columns[column] = [
            factor(curve, random[name]) if name in random else np.nan for name, curve in zip(names, curves, strict=True)
        ]
    return table.assign(**columns)


def as_markdown(table: pd.DataFrame) -> str:
    """Return the means and standard deviations over the seeds as a table of the documentation."""
    heads = (
        "system | method | seeds | E_f < 0 | meta-stable | distinct meta-stable | distinct stable | mSUN | "
        "compositions | P1 among distinct meta-stable | enhancement | acceleration | area"
    )
    lines = [f"| {heads} |", "|---" * (heads.count("|") + 1) + "|"]
    table = with_factors(table)
    for (system, method), rows in table.groupby(["system", "method"], sort=False):
        sent, ok = rows["relaxations"], rows["relaxed"]
        cells = [system, f"`{method}`", str(len(rows))]
        cells += [spread(100 * rows[name] / ok, "%") for name in ("negative", "meta_stable")]
        cells += [spread(100 * rows[name] / sent, "%") for name in ("distinct_meta_stable", "distinct_stable", "msun")]
        cells += [spread(rows["compositions"]), spread(100 * rows["p1"] / rows["distinct_meta_stable"], "%")]
        cells += [spread(rows[name], digits=1) for name in ("enhancement", "acceleration")]
        cells.append(spread(rows["area"], digits=2))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def costs_as_markdown(table: pd.DataFrame) -> str:
    """Return the processor time of the methods, and the finds in an hour of it, of the seeds for which it is known."""
    heads = (
        "system | method | seeds | processor minutes | distinct meta-stable per processor hour | "
        "distinct stable per processor hour"
    )
    lines = [f"| {heads} |", "|---" * (heads.count("|") + 1) + "|"]
    for (system, method), rows in table.dropna(subset="minutes").groupby(["system", "method"], sort=False):
        cells = [system, f"`{method}`", str(len(rows)), spread(rows["minutes"], digits=1)]
        cells += [spread(60 * rows[name] / rows["minutes"]) for name in ("distinct_meta_stable", "distinct_stable")]
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
    methods = in_order(table["method"], METHODS)
    heads = ["system", "held out", "hull distance, eV/atom", *(f"`{method}`" for method in methods)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for (system, formula), rows in table.groupby(["system", "formula"], sort=False):
        cells = [
            ", ".join(_found(row) for _, row in rows[rows["method"] == method].iterrows()) or "–" for method in methods
        ]
        distance = f"{rows['e_above_hull'].min():.3f}"
        lines.append(f"| {' | '.join([system, formula, distance, *cells])} |")
    return "\n".join(lines)


def _found(row: pd.Series) -> str:
    if not np.isnan(row["found_at"]):
        return f"{row['found_at']:.0f}"
    lowest = "" if np.isnan(row["nearest"]) else f", lowest {row['nearest']:+.3f}"
    return f"no ({row['relaxed']:.0f}{lowest})"


AS_MARKDOWN = {
    "discovery": {"discovery": as_markdown, "costs": costs_as_markdown},
    "rediscovery": {"rediscovery": rediscovery_as_markdown},
}
"""Table of what was measured -> the tables of the page that are made from it, with their functions."""


def keep(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Add rows to those that are published, in place of earlier ones of the same name, and return all.

    Args:
        name: Table, a key of KEYS.
        rows: Its rows.
    """
    path = DATA / f"{name}.csv"
    together = pd.concat([read_csv(path), rows] if path.is_file() else [rows]).drop_duplicates(KEYS[name], keep="last")
    ranks = {
        column: {value: rank for rank, value in enumerate(in_order(together[column], first))}
        for column, first in (("system", SYSTEMS), ("formula", ()), ("method", METHODS))
        if column in together
    }
    by = [*ranks, "seed"]
    together = together.sort_values(by, key=lambda column: column.map(ranks.get(column.name, lambda seed: seed)))
    write_csv(path, together)
    return read_csv(path)


def publish(name: str, rows: pd.DataFrame) -> None:
    """Add rows to those that are published, as :func:`keep` does, and write the tables of the page that show them.

    Args:
        name: Table, a key of KEYS.
        rows: Its rows.
    """
    table, page = keep(name, rows), PAGE.read_text(encoding="utf-8")
    for part, as_text in AS_MARKDOWN[name].items():
        marked = re.compile(rf"(<!-- begin {part} -->\n)(.*?)(<!-- end {part} -->)", re.DOTALL)
        if not marked.search(page):
            sys.exit(f"{PAGE} lacks the marks <!-- begin {part} --> and <!-- end {part} -->.")
        text = as_text(table)
        page = marked.sub(lambda match, text=text: f"{match[1]}\n{text}\n\n{match[3]}", page)
    write_text(PAGE, page)
