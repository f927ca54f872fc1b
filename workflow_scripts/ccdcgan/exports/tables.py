"""The candidates as one table, one row per crystal, with units and meanings of the columns inside the file."""

from pathlib import Path

import pandas as pd

from ccdcgan.columns import COLUMNS, in_order
from ccdcgan.utils.files import atomic_path, write_csv
from ccdcgan.utils.tables import is_true

_FIRST = ("id", "scheme", "kept_by")


def export_table(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return one row per candidate, in order of first appearance, failed ones included.

    Args:
        candidates: Evaluated candidates of all schemes, one row for each scheme that has the candidate. The row of the
            scheme that generated it is used, and ``kept_by`` names the others.
    """
    frame = candidates.copy()
    rank = {scheme: place for place, scheme in enumerate(in_order(frame["scheme"]))}
    by_scheme = frame.assign(rank=frame["scheme"].map(rank)).sort_values("rank", kind="stable")
    others = by_scheme.groupby("id")["scheme"].agg(lambda schemes: " ".join(schemes.iloc[1:]))
    rows = by_scheme.drop_duplicates("id").sort_index().drop(columns="rank")
    rows["kept_by"] = rows["id"].map(others).astype(str)
    for name in rows:
        kind = COLUMNS[name].kind if name in COLUMNS else ""
        if kind == "count":
            rows[name] = pd.to_numeric(rows[name]).astype("Int64")
        elif kind == "flag":
            rows[name] = is_true(rows[name])
    return rows[[*_FIRST, *(name for name in rows if name not in _FIRST)]].reset_index(drop=True)


def write_tables(table: pd.DataFrame, csv: str | Path, parquet: str | Path) -> None:
    """Write the table as CSV and as Parquet; ``pandas.read_parquet(...).attrs`` has units and meanings."""
    write_csv(csv, table)
    described = [COLUMNS[name] for name in table if name in COLUMNS]
    table = table.copy()
    table.attrs = {
        "units": {column.name: column.unit for column in described},
        "meanings": {column.name: column.meaning for column in described},
    }
    with atomic_path(parquet) as temporary:
        table.to_parquet(temporary, engine="pyarrow", index=False)
