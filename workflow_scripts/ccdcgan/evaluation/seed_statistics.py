"""Statistics of the results of one configuration over runs with different seeds."""

from collections.abc import Mapping

import pandas as pd

from ccdcgan import quantities
from ccdcgan.columns import scheme_label
from ccdcgan.schemes import draws_in_rounds
from ccdcgan.utils.errors import InputError

COLUMNS = ("scheme", "quantity", "n_runs", "mean", "standard_deviation", "lowest", "highest", "unit")
"""Columns of the table of :func:`scatter`."""


def scatter(summaries: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return mean and standard deviation of every row of the summary over runs.

    Args:
        summaries: Run -> its summary. The first run determines the schemes and quantities.

    Returns:
        Table with COLUMNS, one row for each scheme and quantity. ``standard_deviation`` is that of a single run
        (divisor n - 1; NaN for one run). ``n_runs`` is the number of runs with a value.

    Raises:
        InputError: A run lacks a scheme or generated a different number of crystal graphs.
    """
    summaries = {
        run: summary.assign(quantity=summary["quantity"].replace(dict(quantities.EARLIER_QUANTITIES)))
        for run, summary in summaries.items()
    }
    first, *others = summaries
    for run in others:
        _check_same_amount(first, summaries[first], run, summaries[run])
    order = summaries[first][["scheme", "quantity", "unit"]].fillna({"unit": ""})
    values = pd.concat(summaries.values(), ignore_index=True).groupby(["scheme", "quantity"])["value"]
    named = {"n_runs": "count", "mean": "mean", "standard_deviation": "std", "lowest": "min", "highest": "max"}
    table = values.agg(list(named.values())).set_axis(list(named), axis=1)
    return order.join(table, on=["scheme", "quantity"])[list(COLUMNS)].reset_index(drop=True)


def _check_same_amount(first: str, one: pd.DataFrame, run: str, other: pd.DataFrame) -> None:
    """Raise InputError unless both runs have the same number of crystal graphs for every scheme of the first run.

    The number of proposals of a campaign depends on the seed.
    """
    samples, found = (
        table[table["quantity"] == quantities.SUCCESS_RATE].set_index("scheme")["denominator"].to_dict()
        for table in (one, other)
    )
    for scheme, n in samples.items():
        if scheme not in found or (found[scheme] != n and not draws_in_rounds(scheme)):
            generated = f"{found[scheme]:.0f}" if scheme in found else "no"
            raise InputError(
                f"config key other_seeds names {run!r}, which generated {generated} crystal graphs with "
                f"{scheme_label(scheme)}; {first!r} generated {n:.0f}. Name runs whose configurations differ only in "
                "the seed."
            )
