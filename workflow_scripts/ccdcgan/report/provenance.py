"""What a run was computed on and what it took, from the state files of its jobs."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ccdcgan.report.formatting import number, words
from ccdcgan.report.tables import Table


def cost_table(costs: pd.DataFrame) -> Table:
    """Return what each rule took, the dearest first, and their sum.

    costs: rule, jobs, hours, longest_hours, core_hours, cpu_hours, gpu_hours (h) and memory (MB), a row a rule and
    the total last; what was not measured is a dash.
    """
    heads = (
        *("rule", "jobs", "wall time, summed (min)", "longest job (min)", "processor time (min)"),
        *("core-hours asked for", "GPU-hours asked for", "largest memory (MB)"),
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
    return Table("What the jobs took", heads, rows if len(costs) > 1 else [], numeric, "no job was measured.")


def machine_table(states: Iterable[Mapping[str, Any]]) -> Table:
    """Return the kinds of machine that the jobs ran on, those of most jobs first; no machine is named.

    states: of jobs, as their state files have them, with the machine of ``provenance.describe_machine``; older ones
    without it are left out.
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
