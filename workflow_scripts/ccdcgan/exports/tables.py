"""All candidates as one table, one row per crystal, with its columns' units and meanings inside the file."""

from pathlib import Path

import pandas as pd

from ccdcgan.columns import COLUMNS, in_order, is_true
from ccdcgan.utils.files import atomic_path, write_csv

_COUNTS = ("n_atoms", "n_steps")
_YES_OR_NO = ("distinct", "novel")
_FIRST = ("id", "scheme", "kept_by")


def export_table(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return one row per crystal, in order of first appearance: the candidates sent to relaxation, failed ones too.

    candidates: the evaluated candidates of all schemes, where one that another scheme takes over has a row for
    each. The row of the scheme that generated it is kept, and ``kept_by`` names the others.
    """
    frame = candidates.copy()
    rank = {scheme: place for place, scheme in enumerate(in_order(frame["scheme"]))}
    by_scheme = frame.assign(rank=frame["scheme"].map(rank)).sort_values("rank", kind="stable")
    others = by_scheme.groupby("id")["scheme"].agg(lambda schemes: " ".join(schemes.iloc[1:]))
    rows = by_scheme.drop_duplicates("id").sort_index().drop(columns="rank")
    rows["kept_by"] = rows["id"].map(others).astype(str)
    for name in _COUNTS:
        if name in rows:
            rows[name] = pd.to_numeric(rows[name]).astype("Int64")
    for name in _YES_OR_NO:
        if name in rows:
            rows[name] = is_true(rows[name])
    return rows[[*_FIRST, *(name for name in rows if name not in _FIRST)]].reset_index(drop=True)


def write_tables(table: pd.DataFrame, csv: str | Path, parquet: str | Path) -> None:
    """Write the table as CSV and as parquet; ``pandas.read_parquet(...).attrs`` holds units and meanings."""
    write_csv(csv, table)
    described = [COLUMNS[name] for name in table if name in COLUMNS]
    table = table.copy()
    table.attrs = {
        "units": {column.name: column.unit for column in described},
        "meanings": {column.name: column.meaning for column in described},
    }
    with atomic_path(parquet) as temporary:
        table.to_parquet(temporary, engine="pyarrow", index=False)
