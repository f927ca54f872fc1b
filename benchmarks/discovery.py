"""Discovery under one budget: controls, schemes and the campaign, in several systems and with several seeds.

    snakemake database --config system=Al-Ni              # once for each system; no network is trained
    python benchmarks/discovery.py results/Bi-Se results/Al-Ni [--seeds 1 2 3] [--methods random mutation campaign]
                                   [--relaxations 48] [--holdout Bi2Se3] [--output results/discovery] [--processes 2]

Every method may relax the same number of crystals, with the engine, the energies, the hull and the uniqueness of the
run. Candidates of the controls and of schemes that the run has trained are ranked by the energies expected from similar
crystals of the database (``evaluation.choose: similar``), the best of every composition first, without repeats. The
campaign works as in the workflow, with the scheme's samples if there are any. ``campaign-mutation`` is the campaign
with mutations only. Compositions given by ``--holdout`` are hidden from parents, training, hull and comparison of the
search, and the table tells how many known crystals of these compositions were found again.

Relaxations are kept in a journal below ``--output``; a stopped benchmark resumes with the same command. The table is
printed and written to ``--output``; ``--write`` puts it into the documentation.
"""

import argparse
import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from discovery_methods import CAMPAIGNS, CONTROLS, ROOT, System, Task, by_campaign, by_ranking  # noqa: E402

from ccdcgan.crystals.structures import write_set  # noqa: E402
from ccdcgan.database.energies import with_formation_energies  # noqa: E402
from ccdcgan.evaluation.best import classify, distinct_among  # noqa: E402
from ccdcgan.evaluation.discovery import (  # noqa: E402
    REFERENCE,
    acceleration_factor,
    area_under_curve,
    discovery_curve,
    enhancement_factor,
)
from ccdcgan.evaluation.novelty import with_variants  # noqa: E402
from ccdcgan.evaluation.placement import count_rediscovered, place_candidates  # noqa: E402
from ccdcgan.search.experience import PROPOSED_BY  # noqa: E402
from ccdcgan.utils.files import write_csv, write_text  # noqa: E402

PAGE = ROOT / "docs" / "validation" / "discovery.md"
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
    "rediscovered",
)


def measure(system: System, task: Task) -> tuple[dict[str, Any], np.ndarray]:
    """Return the row of the table of one method and seed, and its discovery curve."""
    starts, relaxed = (by_campaign if task.method in CAMPAIGNS else by_ranking)(system, task)
    relaxed = task.symmetrise(system, relaxed)
    known = [*(c for c in system.database if c.info["status"] == "ok"), *system.phases]
    placed, table = place_candidates(
        with_formation_energies(relaxed, system.references),
        relaxed,
        {crystal.id: crystal for crystal in starts},
        known,
        system.phases,
        system.elements,
        system.uniqueness,
    )
    table = with_variants(table, placed, known, system.variants)
    table["distinct"] = distinct_among(table)
    table["stability"] = classify(table["formation_energy"], table["e_above_hull"], system.thresholds())
    table[PROPOSED_BY] = [crystal.info.get(PROPOSED_BY, task.method) for crystal in starts]
    write_csv(task.output / system.folder.name / f"{task.name}.csv", table)
    write_set(task.output / system.folder.name / f"{task.name}.extxyz", placed)
    ok = table["status"] == "ok"
    good, stable = table["stability"].isin(["stable", "meta-stable"]), table["stability"] == "stable"
    curve = discovery_curve(table)
    found = count_rediscovered(table, task.holdout)
    row = {
        "system": "-".join(system.elements),
        "method": task.method,
        "seed": task.seed,
        "relaxations": len(table),
        "relaxed": ok.sum(),
        "negative": (table["formation_energy"] < 0).sum(),
        "meta_stable": good.sum(),
        "distinct_meta_stable": (good & table["distinct"]).sum(),
        "distinct_stable": (stable & table["distinct"]).sum(),
        "compositions": table.loc[ok, "formula"].nunique(),
        "msun": (table["distinct"] & (table["e_above_hull"] < system.thresholds()["meta_stable"])).sum(),
        "p1": (good & table["distinct"] & (table["space_group"] == "P1")).sum(),
        "area": area_under_curve(curve),
        "rediscovered": sum(n for _, n in found.values()) if task.holdout else np.nan,
    }
    return row, curve


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


def write_to_page(text: str) -> None:
    """Replace the table between the two marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- begin discovery -->\n).*?(<!-- end discovery -->)", re.DOTALL)
    if not marked.search(page):
        sys.exit(f"{PAGE} lacks the marks <!-- begin discovery --> and <!-- end discovery -->.")
    write_text(PAGE, marked.sub(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", page))


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs with a database")
    parser.add_argument("--methods", nargs="+", default=["random", "mutation", "campaign"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--relaxations", type=int, default=48)
    parser.add_argument("--holdout", nargs="+", default=[], help="compositions hidden from the search")
    parser.add_argument("--output", type=Path, default=Path("results/discovery"))
    parser.add_argument("--processes", type=int, default=1, help="number of processes that relax")
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.relative_to(ROOT)}")
    return parser.parse_args()


def main() -> None:
    """Run the methods, print the table and write it."""
    chosen = arguments()
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows, curves = [], []
    for folder in chosen.runs:
        system = System.read(folder)
        for seed in chosen.seeds:
            for method in chosen.methods:
                if method not in (*CAMPAIGNS, *CONTROLS, *system.generated):
                    sys.exit(f"{folder} has no candidates of {method}; generate them, or name other methods.")
                task = Task(method, seed, chosen.relaxations, tuple(chosen.holdout), chosen.output, chosen.processes)
                row, curve = measure(system, task)
                rows.append(row)
                curves.append(curve)
                table = with_factors(rows, curves)
                print(table[-1:].to_string(index=False), flush=True)
                write_csv(chosen.output / "discovery.csv", table)
    print(as_markdown(table))
    if chosen.write:
        write_to_page(as_markdown(table))


if __name__ == "__main__":
    main()
