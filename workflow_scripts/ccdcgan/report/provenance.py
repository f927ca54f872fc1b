"""Tables of the hardware and the cost of a run, from the state files of its jobs."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ccdcgan.report.formatting import number, words
from ccdcgan.report.tables import Table

DATABASE_RULE = "relax_database"
"""Rule that relaxes the crystals of the database."""


def cost_table(costs: pd.DataFrame) -> Table:
    """Return the table of the cost of each rule; values that were not measured are shown as a dash.

    Args:
        costs: Table with rule, jobs, hours, longest_hours, core_hours, cpu_hours, gpu_hours (h) and memory (MB); one
            row per rule, the most expensive first, and the total last.
    """
    heads = (
        "rule",
        "jobs",
        "wall time, total (min)",
        "longest job (min)",
        "CPU time (min)",
        "core-hours requested",
        "GPU-hours requested",
        "largest memory (MB)",
    )
    rows = [
        (
            words(row.rule),
            f"{int(row.jobs):,}",
            *(number(60 * hours, 1) for hours in (row.hours, row.longest_hours, row.cpu_hours)),
            *(number(hours, 2) for hours in (row.core_hours, row.gpu_hours)),
            number(row.memory, 0),
        )
        for row in costs.itertuples()
    ]
    numeric = frozenset(range(1, len(heads)))
    return Table("Cost of the jobs", heads, rows if len(costs) > 1 else [], numeric, "no job was measured.")


def total_cost(costs: pd.DataFrame) -> tuple[str, str]:
    """Return the cost of a run and a note, ("", "") if no job was measured.

    The note says so if the run has not relaxed its database, for example one copied from another run: it is the larger
    part of the cost of many runs.

    Args:
        costs: Table as for :func:`cost_table`.
    """
    if len(costs) < 2:
        return "", ""
    total = costs.iloc[-1]
    measured = pd.notna(total["cpu_hours"])
    hours = float(total["cpu_hours"] if measured else total["hours"])
    value = f"{number(hours, 1)} h" if hours >= 1 else f"{number(60 * hours, 0)} min"
    longest = costs.iloc[:-1].sort_values("cpu_hours" if measured else "hours", kind="stable").iloc[-1]
    note = f"{'of processor time' if measured else 'of wall time'} in {int(total['jobs']):,} jobs, "
    note += f"the last attempt of each; most of it: {words(longest['rule'])}."
    gpu = float(total["gpu_hours"])
    note += f" {number(gpu, 1)} GPU-hours." if gpu else ""
    return value, note + ("" if DATABASE_RULE in set(costs["rule"]) else " Without the database, made elsewhere.")


def machine_table(states: Iterable[Mapping[str, Any]]) -> Table:
    """Return the table of the types of machine of the jobs, the most frequent first, without names of machines.

    Args:
        states: States of the jobs, with ``machine`` as of ``ccdcgan_workflow.provenance.describe_machine``. States of
            earlier versions, which lack it, are ignored.
    """
    jobs = {(state["rule"], *state["wildcards"].values()): state.get("machine") for state in states}
    known = [machine for machine in jobs.values() if machine]
    names = ("processor", "cores", "memory", "gpu", "system")
    kinds = pd.DataFrame(known, columns=names).value_counts(sort=True)
    rows = [
        (*(text or "none" for text in map(str, kind)), f"{count:,}")
        for kind, count in kinds.items()
    ]  # fmt: skip
    heads = ("processor", "cores", "memory (GB)", "GPU", "system", "jobs")
    return Table("Hardware", heads, rows, frozenset({1, 2, 5}), "not recorded.")
