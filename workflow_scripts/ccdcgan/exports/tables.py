"""Table of the candidates, one row per crystal, as CSV and Parquet; Parquet includes units and meanings of columns."""

from pathlib import Path

import pandas as pd

from ccdcgan.columns import COLUMNS, in_order
from ccdcgan.utils.files import atomic_path, write_csv
from ccdcgan.utils.tables import is_true

_FIRST = ("id", "scheme", "kept_by")


def export_table(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each candidate, failed candidates included.

    Args:
        candidates: Evaluated candidates of all schemes, one row for each scheme that has the candidate.

    Returns:
        The row of the scheme that generated the candidate, in order of first appearance. ``kept_by`` names its other
        schemes. Counts are integers (missing ones are NA), and flags are booleans.
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
    """Write the table as CSV and as Parquet.

    Args:
        table: Table from :func:`export_table`.
        csv: CSV file.
        parquet: Parquet file; ``pandas.read_parquet(parquet).attrs`` has the units and meanings of the columns.
    """
    write_csv(csv, table)
    described = [COLUMNS[name] for name in table if name in COLUMNS]
    table = table.copy()
    table.attrs = {
        "units": {column.name: column.unit for column in described},
        "meanings": {column.name: column.meaning for column in described},
    }
    with atomic_path(parquet) as temporary:
        table.to_parquet(temporary, engine="pyarrow", index=False)
