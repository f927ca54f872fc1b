"""Phonon bands of the best candidates."""

import re
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ccdcgan.figures.style import (
    BLUE,
    DARK_GREY,
    GREY,
    VERMILLION,
    empty_figure,
    name_axes,
    pretty_formula,
    scheme_panels,
    signed,
    styled,
)


@styled
def phonon_bands(table: pd.DataFrame, bands: Sequence[pd.DataFrame]) -> Figure:
    """Draw the phonon bands (THz) of each candidate; imaginary frequencies are below zero, in red.

    Args:
        table: Table of the candidates, one row each.
        bands: Bands of each candidate, see :class:`ccdcgan.evaluation.phonons.Phonons`.
    """
    by_id = {frame["id"].iloc[0]: frame for frame in bands if len(frame)}
    rows = [row for row in table.itertuples() if row.id in by_id]
    if not rows:
        return empty_figure("No candidate has phonons.")
    figure, panels = scheme_panels(len(rows), 3.0, shared=False)
    for axes, row in zip(panels, rows, strict=True):
        _draw(axes, by_id[row.id])
        axes.set_title(
            f"{pretty_formula(row.formula)}: lowest {signed(row.lowest_frequency, 2)} THz\n{row.id}", fontsize=8
        )
    name_axes(panels, "", "frequency (THz)")
    return figure


def _draw(axes: Axes, bands: pd.DataFrame) -> None:
    """Draw the bands of one crystal, segment by segment."""
    names = [name for name in bands if name.startswith("band_")]
    for _, segment in bands.groupby("segment"):
        for name in names:
            frequencies = segment[name]
            axes.plot(segment["distance"], frequencies, color=BLUE, linewidth=0.9)
            axes.plot(segment["distance"], frequencies.where(frequencies < 0), color=VERMILLION, linewidth=1.2)
    marked = bands[bands["label"] != ""].groupby("distance", sort=True)["label"].agg(dict.fromkeys)
    axes.set_xticks(list(marked.index), ["|".join(map(_point, labels)) for labels in marked])
    axes.tick_params(axis="x", labelsize=7)
    for distance in marked.index:
        axes.axvline(distance, color=GREY, linewidth=0.5)
    axes.axhline(0, color=DARK_GREY, linewidth=0.8, linestyle="--")
    axes.set_xlim(bands["distance"].min(), bands["distance"].max())


def _point(label: str) -> str:
    """Return the label of a special point in the math text of matplotlib."""
    return re.sub(r"_(\w+)", r"$_{\1}$", label.replace("GAMMA", "Γ"))
