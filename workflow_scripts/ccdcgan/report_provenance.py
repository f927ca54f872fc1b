"""How long the jobs of a run took, from Snakemake's benchmark files."""

from pathlib import Path

import pandas as pd

from ccdcgan.report_tables import Table, number, words


def rule_times(benchmarks: str | Path) -> Table:
    """Return for each rule its jobs, their wall and processor time, and the largest memory of one.

    benchmarks: folder with one ``{rule}.tsv`` or ``{rule}/*.tsv`` a job, in seconds and MB; what was not
    measured (a job shorter than the sampling) is a dash.
    """
    rows = []
    folder = Path(benchmarks)
    for path in sorted(folder.rglob("*.tsv")):
        job = pd.read_csv(path, sep="\t", na_values="-").iloc[-1]
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        rows.append({"rule": rule, "finished": path.stat().st_mtime, **job[["s", "max_rss", "cpu_time"]]})
    heads = ("rule", "jobs", "wall time, summed (min)", "processor time (min)", "largest memory (MB)")
    caption, numeric = "What the jobs took", frozenset(range(1, len(heads)))
    if not rows:
        return Table(caption, heads, [], numeric, "no job was measured.")
    groups = pd.DataFrame(rows).groupby("rule")
    table = groups.agg(n=("s", "size"), s=("s", "sum"), cpu=("cpu_time", "sum"), rss=("max_rss", "max"))
    table = table.loc[groups["finished"].max().sort_values(kind="stable").index]
    cells = [
        (words(row.Index), f"{row.n:,}", number(row.s / 60, 1), number(row.cpu / 60, 1), number(row.rss, 0))
        for row in table.itertuples()
    ]
    total = table.sum()
    cells.append(
        ("all", f"{int(total.n):,}", number(total.s / 60, 1), number(total.cpu / 60, 1), number(table.rss.max(), 0))
    )
    return Table(caption, heads, cells, numeric)
