"""Attrition of the generated crystal graphs: number at each stage, and rejections by reason."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ccdcgan.columns import scheme_label
from ccdcgan.evaluation.attrition import STAGES, stage_counts
from ccdcgan.figures.style import count_ticks, new_figure, panels_across, say_empty, scheme_style, styled
from ccdcgan.reasons import reason_label
from ccdcgan.schemes import PAPER
from ccdcgan.utils.tables import complete

MOST_REASONS = 12


@styled
def losses_by_reason(summary: pd.DataFrame, losses: pd.DataFrame, schemes: Sequence[str] = PAPER) -> Figure:
    """Draw the number of crystals at each stage and the rejections by reason for each scheme, on a log scale.

    Args:
        summary: Table of :func:`ccdcgan.evaluation.summary.evaluate_scheme`, one row per scheme and quantity.
        losses: Table with scheme, reason, count.
        schemes: Schemes, one column of panels each.
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
    lost = lost.groupby(["scheme", "stage"], as_index=False)["count"].sum()
    across = panels_across(len(schemes))
    down = -(-max(len(schemes), 1) // across)
    rows = max(len(names), 3), max(len(reasons), 2)
    figure = new_figure(max(1.2 + 2.0 * across, 4.4), down * (0.17 * sum(rows) + 1.2))
    ratios = rows * down
    panels = figure.subplots(2 * down, across, height_ratios=ratios, sharex=True, sharey="row", squeeze=False)
    largest = max([*stages["count"], *lost["count"], 1])
    for number in range(down * across):
        line, column = divmod(number, across)
        top, bottom = panels[2 * line, column], panels[2 * line + 1, column]
        if number >= max(len(schemes), 1):
            top.set_visible(False)
            bottom.set_visible(False)
            continue
        scheme = schemes[number] if schemes else ""
        _bars(top, stages, names, scheme, largest, percent=True)
        _bars(bottom, lost, reasons, scheme, largest, percent=False)
        top.set_title(scheme_label(scheme))
        bottom.set_xlabel("crystals (log scale)")
        if column == 0:
            top.set_ylabel("remaining")
            bottom.set_ylabel("rejected")
        if not names:
            say_empty(top, "no crystal graphs were generated")
        if not reasons:
            say_empty(bottom, "nothing was rejected")
    return figure


def _bars(axes: Axes, counts: pd.DataFrame, names: list[str], scheme: str, largest: int, percent: bool) -> None:
    """Draw one horizontal bar per name from the top, with its number and its percentage of the bar above."""
    table = counts[counts["scheme"] == scheme].set_index("stage")["count"].to_dict()
    values = np.array([table.get(name, 0) for name in names], float)
    axes.barh(np.arange(len(names)), values, height=0.75, color=scheme_style(scheme)[0])
    for k, value in enumerate(values):
        text = f"{value:,.0f}"
        if percent and k and values[k - 1] > 0:
            text += f" ({value / values[k - 1]:.0%})"
        place = {"xytext": (3, 0), "textcoords": "offset points", "va": "center", "fontsize": 7}
        axes.annotate(text, (max(value, 0.6), k), **place)
    axes.set_xscale("log")
    count_ticks(axes.xaxis, log=True)
    axes.set_xlim(0.6, 60 * largest)
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
