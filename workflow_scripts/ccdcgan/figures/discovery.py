"""Discovery curves: number of distinct meta-stable crystals found against number of relaxations."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ccdcgan.columns import scheme_label
from ccdcgan.evaluation.discovery import REFERENCE, discovery_curve
from ccdcgan.figures.style import BLACK, GREY, empty_figure, new_figure, scheme_style, styled
from ccdcgan.schemes import PAPER, SCHEMES
from ccdcgan.utils.tables import complete


@styled
def discovery_curves(candidates: pd.DataFrame, schemes: Sequence[str] = PAPER) -> Figure:
    """Draw the number of finds after each relaxation, one line for each scheme, with its name at the end.

    Controls are dashed. The straight line is a scheme whose relaxations are all finds.

    Args:
        candidates: Evaluated candidates, those of each scheme in the order of relaxation: scheme, distinct, stability.
        schemes: Schemes to draw.
    """
    candidates = complete(candidates, "scheme", "distinct", "stability")
    curves = {scheme: discovery_curve(candidates[candidates["scheme"] == scheme]) for scheme in schemes}
    curves = {scheme: curve for scheme, curve in curves.items() if len(curve) > 1}
    if not curves:
        return empty_figure("nothing was relaxed, so that nothing was found")
    figure = new_figure(6.2, 3.8)
    axes = figure.subplots()
    longest, highest = max(map(len, curves.values())) - 1, max(curve[-1] for curve in curves.values())
    top = max(1.08 * highest, 1)
    axes.plot([0, min(longest, top)], [0, min(longest, top)], color=GREY, lw=0.8, zorder=0)
    for scheme, curve in curves.items():
        colour, marker = scheme_style(scheme)
        control = scheme in SCHEMES and SCHEMES[scheme].family == "control"
        colour = BLACK if scheme == REFERENCE else colour
        lines = {"color": colour, "lw": 2.2 if scheme == "campaign" else 1.3, "ls": "--" if control else "-"}
        axes.plot(np.arange(len(curve)), curve, drawstyle="steps-post", label=scheme_label(scheme), **lines)
        axes.plot(
            len(curve) - 1, curve[-1], marker=marker, ms=9 if scheme == "campaign" else 6, color=colour, clip_on=False
        )
    places = _apart([curve[-1] for curve in curves.values()], 0.055 * top)
    for (scheme, curve), place in zip(curves.items(), places, strict=True):
        axes.annotate(
            f"{scheme_label(scheme)} ({curve[-1]} of {len(curve) - 1})",
            (len(curve) - 1, curve[-1]),
            xytext=(1.02 * longest + 0.2, place),
            va="center",
            fontsize=8,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.5, "shrinkA": 1, "shrinkB": 4, "relpos": (0, 0.5)},
        )
    axes.set_xlim(0, longest)
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("relaxations")
    axes.set_ylabel("distinct meta-stable crystals found")
    return figure


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """Return heights of labels near ``values`` that are at least ``gap`` apart, in the order of ``values``."""
    order = np.argsort(values, kind="stable")
    heights = np.array(values, dtype=float)
    for before, after in zip(order, order[1:], strict=False):
        heights[after] = max(heights[after], heights[before] + gap)
    excess = heights - np.array(
        values
    )  # moved down by half of the largest shift, so that labels are around their lines
    return list(heights - excess.max() / 2) if heights.min() - excess.max() / 2 >= 0 else list(heights)
