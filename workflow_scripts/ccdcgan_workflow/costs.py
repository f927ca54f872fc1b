"""What a run has cost, and what one would cost: core-hours, GPU-hours and memory of every rule.

What was comes from the jobs' state files (time, cores, GPUs) and Snakemake's benchmark files (memory, processor
time) of their last attempts. What will be is units of work (crystals, steps, samples) times the seconds that one
took in the jobs that finished under ``results/``, this run's or a smaller one's.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

COLUMNS = {
    "rule": "rule",
    "jobs": "jobs",
    "hours": "hours, all jobs one after the other",
    "core_hours": "hours x cores asked for",
    "cpu_hours": "hours of processor used",
    "gpu_hours": "hours x GPUs asked for",
    "longest_hours": "hours, the longest job",
    "memory": "MB, the largest job",
}


def finished_jobs(results: str | Path, runs: str = "*") -> pd.DataFrame:
    """Return one row per finished job of the runs below ``results`` (a pattern of folder names).

    Columns: run, rule, kind (the wildcards that are no mere numbers), seconds, threads, gpus, unit, fresh (units
    done in this attempt) and unit_seconds, cpu_seconds, memory (MB); empty where nothing was measured.
    """
    rows = []
    for path in sorted(Path(results).glob(f"{runs}/logs/**/*.json")):
        run = path.relative_to(results).parts[0]
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            if state["state"] != "finished":
                continue
            progress = state["progress"] or {}
            kind = " ".join(value for value in state["wildcards"].values() if not value.isdigit())
            row = {"run": run, "rule": state["rule"], "kind": kind, "seconds": state["ended"] - state["started"]}
            row |= {"threads": state["threads"], "gpus": state["gpus"]}
        except (OSError, ValueError, KeyError, TypeError):  # torn, or of another kind
            continue
        row |= {"unit": progress.get("unit", ""), "fresh": progress.get("fresh", 0)}
        row["unit_seconds"] = progress.get("seconds", 0.0)
        inside = path.relative_to(Path(results) / run / "logs").with_suffix(".tsv")
        rows.append(row | _benchmark(Path(results) / run / "benchmarks" / inside))
    names = ("run", "rule", "kind", "seconds", "threads", "gpus", "unit", "fresh", "unit_seconds")
    return pd.DataFrame(rows, columns=[*names, "cpu_seconds", "memory"])


def _benchmark(path: Path) -> dict[str, float]:
    """Return processor time (s) and peak memory (MB) from a benchmark file; NaN where there is none."""
    try:
        row = pd.read_csv(path, sep="\t", na_values="-").iloc[-1]
    except (OSError, ValueError, IndexError):
        return {"cpu_seconds": float("nan"), "memory": float("nan")}
    return {"cpu_seconds": float(row["cpu_time"]), "memory": float(row["max_rss"])}


def costs(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the costs of each rule (COLUMNS), the dearest first, and their total as the last row."""
    hours = jobs["seconds"] / 3600
    measured = pd.DataFrame(
        {
            "rule": jobs["rule"],
            "jobs": 1,
            "hours": hours,
            "core_hours": hours * jobs["threads"],
            "cpu_hours": jobs["cpu_seconds"] / 3600,
            "gpu_hours": hours * jobs["gpus"],
            "longest_hours": hours,
            "memory": jobs["memory"],
        }
    )
    largest = ("longest_hours", "memory")
    how = {column: "max" if column in largest else "sum" for column in measured if column != "rule"}
    table = measured.groupby("rule", as_index=False).agg(how).sort_values("core_hours", ascending=False)
    total = pd.DataFrame([{"rule": "total", **{column: table[column].agg(name) for column, name in how.items()}}])
    return pd.concat([table, total], ignore_index=True)[list(COLUMNS)]


@dataclass(frozen=True)
class Work:
    """Jobs of one rule that a run would do. kind: as in :func:`finished_jobs`; units: crystals, steps or samples in
    all of these jobs together, None where they are not known yet, 0 where the rule counts none."""

    rule: str
    jobs: int
    kind: str = ""
    units: int | None = 0


def estimate(work: Iterable[Work], jobs: pd.DataFrame) -> pd.DataFrame:
    """Return what the work would cost: rule, kind, jobs, units, measured (s per unit or job), from (which runs),
    hours, core_hours and gpu_hours; those are NaN where nothing like it was measured or the units are not known.
    """
    rows = []
    for item in work:
        alike = jobs[(jobs["rule"] == item.rule) & (jobs["kind"] == item.kind)]
        alike = alike if len(alike) else jobs[jobs["rule"] == item.rule]
        each, amount = alike["seconds"].mean(), item.jobs
        if item.units != 0:
            counted = alike[(alike["unit"] != "") & (alike["fresh"] > 0)]
            total = counted["fresh"].sum()
            each = counted["unit_seconds"].sum() / total if total else float("nan")
            amount = float("nan") if item.units is None else item.units
        hours = each * amount / 3600
        rows.append(
            {
                "rule": item.rule,
                "kind": item.kind,
                "jobs": item.jobs,
                "units": item.units or None,
                "measured": each,
                "from": ", ".join(sorted(set(alike["run"]))),
                "hours": hours,
                "core_hours": hours * alike["threads"].mean(),
                "gpu_hours": hours * alike["gpus"].mean(),
            }
        )
    return pd.DataFrame(rows)


def costs_in_words(run: str, table: pd.DataFrame) -> str:
    """Return the table of costs as text, with what its columns mean."""
    meaning = "\n".join(f"{name}: {text}" for name, text in COLUMNS.items() if name not in ("rule", "jobs"))
    text = table.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep="-")
    return f"What run {run} has cost; of each job, its last attempt.\n\n{text}\n\n{meaning}"


def estimate_in_words(run: str, table: pd.DataFrame, hints: Mapping[str, str]) -> str:
    """Return the estimate as text: the table, its sum, and what is missing from it. hints: rule to what helps."""
    shown = table.rename(columns={"measured": "s each"})
    text = shown.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep="-")
    core, gpu = table["core_hours"].sum(), table["gpu_hours"].sum()
    lines = [f"What run {run} would cost from its beginning.", "", text, ""]
    lines.append(f"Known: {core:.3g} core-hours, {gpu:.3g} GPU-hours.")
    unknown = sorted(set(table.loc[table["hours"].isna(), "rule"]))
    if unknown:
        helps = sorted({hints[rule] for rule in unknown if rule in hints})
        lines.append(f"Not in it, since nothing like it has been measured: {', '.join(unknown)}.")
        lines += helps
    return "\n".join(lines)


def planned_work(
    counts: Mapping[str, int], units: Sequence[tuple[str, str, int]], crystals: Mapping[str, Sequence[str]]
) -> list[Work]:
    """Return the work of a run.

    counts: jobs of each rule; units: rule, kind and units that follow from the configuration; crystals: rule to the
    structure sets whose crystals it relaxes. A set that is not there yet makes the units of its rule unknown.
    """
    work = []
    for rule, count in counts.items():
        parts = [(kind, amount) for name, kind, amount in units if name == rule]
        if rule in crystals:
            sets = [Path(path) for path in crystals[rule]]
            known = all(path.exists() for path in sets)
            parts = [("", sum(_frames(path) for path in sets) if known else None)]
        share = max(count // max(len(parts), 1), 1)
        work += [Work(rule, share, kind, amount) for kind, amount in parts] or [Work(rule, count)]
    return work


def _frames(path: Path) -> int:
    """Return the number of frames of an extended XYZ file; each has one line with its lattice."""
    with open(path, encoding="utf-8") as handle:
        return sum("Lattice=" in line for line in handle)
