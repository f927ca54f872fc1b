"""Small helpers for tables."""

import pandas as pd


def complete(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return an empty table with the columns ``names``, absent ones added; any other table as it is."""
    return frame if len(frame) else frame.reindex(columns=list(dict.fromkeys([*frame.columns, *names])))


def is_true(values: pd.Series) -> pd.Series:
    """Return a column of kind flag as bool; missing values, of failed crystals, are False."""
    return values.map(lambda value: str(value) in ("True", "true", "1", "1.0")).astype(bool)
