"""What becomes of every generated crystal graph: how many are left at each stage, why others were lost."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ccdcgan import columns
from ccdcgan.columns import complete, reason_label, scheme_label
from ccdcgan.figures.style import count_ticks, new_figure, say_empty, scheme_style, styled
from ccdcgan.schemes import PAPER

STAGES = {
    "crystal graphs": (columns.IMAGES, "denominator"),
    "candidates": (columns.IMAGES, "numerator"),
    "of the compositions asked for": (columns.ASKED, "numerator"),
    "sent to relaxation": (columns.RELAXED, "denominator"),
    "relaxed": (columns.RELAXED, "numerator"),
    "formation energy < 0": (columns.NEGATIVE, "numerator"),
    "meta-stable": (columns.META_STABLE, "numerator"),
    "distinct meta-stable": (columns.DISTINCT_META_STABLE, "numerator"),
}
"""Stage -> where the summary counts it."""
MOST_REASONS = 12


def stage_counts(summary: pd.DataFrame) -> pd.DataFrame:
    """Return how many crystals of each scheme are left at each stage: scheme, stage, count, in order.

    summary: scheme, quantity, numerator, denominator. A quantity that is absent has no row.
    """
    rows = []
    summary = complete(summary, "scheme", "quantity", "numerator", "denominator")
    for scheme in columns.in_order(summary["scheme"]):
        of_scheme = summary[summary["scheme"] == scheme].set_index("quantity")
        for stage, (quantity, part) in STAGES.items():
            if quantity in of_scheme.index and pd.notna(of_scheme.loc[quantity, part]):
                rows.append({"scheme": scheme, "stage": stage, "count": int(of_scheme.loc[quantity, part])})
    return pd.DataFrame(rows, columns=["scheme", "stage", "count"])


@styled
def losses_by_reason(summary: pd.DataFrame, losses: pd.DataFrame, schemes: Sequence[str] = PAPER) -> Figure:
    """Draw, for each scheme, the crystals left at each stage and the losses by reason, both on a log scale.

    summary: the paper's table, see :func:`stage_counts`; losses: scheme, reason, count.
    """
    stages = stage_counts(summary)
    stages = stages[stages["scheme"].isin(schemes)]
    losses = complete(losses, "scheme", "reason", "count")
    lost = losses[losses["scheme"].isin(schemes) & (losses["reason"] != "")]
    order = lost.groupby("reason")["count"].sum().sort_values(ascending=False, kind="stable").index
    kept, others = list(order[:MOST_REASONS]), list(order[MOST_REASONS:])
    lost = lost.assign(stage=[reason_label(reason) if reason in kept else "all others" for reason in lost["reason"]])
    reasons = [reason_label(reason) for reason in kept] + (["all others"] if others else [])
    names = [stage for stage in STAGES if stage in set(stages["stage"])]
    height = 0.135 * max(len(schemes), 1) + 0.1
    rows = max(len(names), 3), max(len(reasons), 2)
    figure = new_figure(6.4, height * sum(rows) + 1.8)
    top, bottom = figure.subplots(2, 1, height_ratios=rows, sharex=True)
    _bars(top, stages, names, schemes, percent=True)
    top.tick_params(labelbottom=True)
    top.set(title="Left at each stage", xlabel="number of crystals, log scale (share of the stage above)")
    lost = lost.groupby(["scheme", "stage"], as_index=False)["count"].sum()
    _bars(bottom, lost, reasons, schemes, percent=False)
    bottom.set(title="Lost, by reason", xlabel="number of crystals, log scale")
    if names:
        top.legend(loc="lower right")
    else:
        say_empty(top, "no crystal graphs were generated")
    if not reasons:
        say_empty(bottom, "nothing was lost")
    return figure


def _bars(axes: Axes, counts: pd.DataFrame, names: list[str], schemes: Sequence[str], percent: bool) -> None:
    """Draw one group of horizontal bars a name, from the top, one bar a scheme, each with its number."""
    table = counts.set_index(["scheme", "stage"])["count"].to_dict()
    height = 0.8 / max(len(schemes), 1)
    for i, scheme in enumerate(schemes):
        values = np.array([table.get((scheme, name), 0) for name in names], float)
        y = np.arange(len(names)) + height * (i - (len(schemes) - 1) / 2)
        axes.barh(y, values, height=0.92 * height, color=scheme_style(scheme)[0], label=scheme_label(scheme))
        for k, value in enumerate(values):
            text = f"{value:,.0f}"
            if percent and k and values[k - 1] > 0:
                text += f" ({value / values[k - 1]:.1%})"
            axes.annotate(
                text,
                (max(value, 0.6), y[k]),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
    axes.set_xscale("log")
    count_ticks(axes.xaxis, log=True)
    largest = max([*table.values(), 1])
    axes.set_xlim(0.6, max(8 * largest, axes.get_xlim()[1]))
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
