"""Measured and estimated cost of a run: core-hours, GPU-hours and memory of every rule.

Measured costs are those of the last attempt of each job, from its state file (time, cores, GPUs) and Snakemake's
benchmark file (memory, processor time). Estimated costs are numbers of units (crystals, steps, samples) times the
mean time per unit of the finished jobs under ``results/``, of this run or of others.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

COLUMNS = {
    "rule": "rule",
    "jobs": "jobs",
    "hours": "hours, sum over all jobs",
    "core_hours": "hours x cores requested",
    "cpu_hours": "hours of processor time used",
    "gpu_hours": "hours x GPUs requested",
    "longest_hours": "hours, longest job",
    "memory": "MB, maximum over all jobs",
}
"""Column of the table of costs -> its meaning."""


def finished_jobs(results: str | Path, runs: str = "*") -> pd.DataFrame:
    """Return a table of finished jobs, one row per job.

    Args:
        results: Folder that contains the folders of the runs.
        runs: Pattern of the names of the runs.

    Returns:
        Table with the columns run, rule, kind (the wildcards that are not plain numbers), seconds, threads, gpus, unit,
        fresh (number of units done in the last attempt), unit_seconds (time in which they were done, s), cpu_seconds
        and memory (MB). Values that were not measured are empty.
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
        except (OSError, ValueError, KeyError, TypeError):  # incomplete file, or another kind of file
            continue
        row |= {"unit": progress.get("unit", ""), "fresh": progress.get("fresh", 0)}
        row["unit_seconds"] = progress.get("seconds", 0.0)
        inside = path.relative_to(Path(results) / run / "logs").with_suffix(".tsv")
        rows.append(row | _benchmark(Path(results) / run / "benchmarks" / inside))
    names = ("run", "rule", "kind", "seconds", "threads", "gpus", "unit", "fresh", "unit_seconds")
    return pd.DataFrame(rows, columns=[*names, "cpu_seconds", "memory"])


def _benchmark(path: Path) -> dict[str, float]:
    """Return processor time (s) and peak memory (MB) from a benchmark file; NaN if it cannot be read."""
    try:
        row = pd.read_csv(path, sep="\t", na_values="-").iloc[-1]
    except (OSError, ValueError, IndexError):
        return {"cpu_seconds": float("nan"), "memory": float("nan")}
    return {"cpu_seconds": float(row["cpu_time"]), "memory": float(row["max_rss"])}


def costs(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the costs of each rule, the most expensive first, with the total in the last row.

    Args:
        jobs: Table from :func:`finished_jobs`.

    Returns:
        Table with the columns COLUMNS.
    """
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
    """Planned jobs of one rule.

    Attributes:
        rule: Name of the rule.
        jobs: Number of jobs.
        kind: As in :func:`finished_jobs`.
        units: Number of crystals, steps or samples in all of these jobs; None if not known yet, 0 if the rule does not
            count any.
    """

    rule: str
    jobs: int
    kind: str = ""
    units: int | None = 0


def estimate(work: Iterable[Work], jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the estimated cost of planned jobs.

    Args:
        work: Planned jobs.
        jobs: Finished jobs, from :func:`finished_jobs`.

    Returns:
        Table with the columns rule, kind, jobs, units, measured (s per unit or job), from (the runs with the
        measurement), hours, core_hours and gpu_hours. The last three are NaN if no comparable job was measured or the
        number of units is not known.
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
    """Return the table of costs of :func:`costs` as text, with the meaning of its columns."""
    meaning = "\n".join(f"{name}: {text}" for name, text in COLUMNS.items() if name not in ("rule", "jobs"))
    text = table.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep="-")
    return f"Measured cost of run {run} (last attempt of each job).\n\n{text}\n\n{meaning}"


def estimate_in_words(run: str, table: pd.DataFrame, hints: Mapping[str, str]) -> str:
    """Return the estimate as text: the table, its sum and the rules without an estimate.

    Args:
        run: Name of the run.
        table: Table from :func:`estimate`.
        hints: Rule -> sentence that tells how to obtain an estimate for it.
    """
    shown = table.rename(columns={"measured": "s each"})
    text = shown.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep="-")
    core, gpu = table["core_hours"].sum(), table["gpu_hours"].sum()
    lines = [f"Estimated cost of run {run}, from the start.", "", text, ""]
    lines.append(f"Total: {core:.3g} core-hours, {gpu:.3g} GPU-hours.")
    unknown = sorted(set(table.loc[table["hours"].isna(), "rule"]))
    if unknown:
        helps = sorted({hints[rule] for rule in unknown if rule in hints})
        lines.append(f"Not included, because no comparable job has been measured: {', '.join(unknown)}.")
        lines += helps
    return "\n".join(lines)


def planned_work(
    counts: Mapping[str, int], units: Sequence[tuple[str, str, int]], crystals: Mapping[str, Sequence[str]]
) -> list[Work]:
    """Return the planned jobs of a run.

    Args:
        counts: Rule -> number of jobs.
        units: Rule, kind and number of units, as far as they follow from the configuration.
        crystals: Rule -> structure sets whose crystals it relaxes. If a set does not exist yet, the number of units of
            the rule is unknown.
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
    """Return the number of frames of an extended XYZ file, each of which has one line with its lattice."""
    with open(path, encoding="utf-8") as handle:
        return sum("Lattice=" in line for line in handle)
