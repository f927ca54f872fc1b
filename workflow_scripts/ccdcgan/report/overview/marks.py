"""Marks of crystals in the interactive plots: sets that are drawn alike, hover texts, and ranks of the best ones."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from ccdcgan.columns import scheme_labels

INK = {"ink": True}
"""``meta`` of a trace that the page draws in the colour of its text."""


@dataclass(frozen=True)
class Marks:
    """Crystals that are drawn alike.

    Attributes:
        name: Name in the legend.
        group: Scheme or set; one entry of the legend shows and hides all crystals of a group.
        rows: Table of the crystals.
        colour: Colour.
        symbol: Symbol of plotly.
        size: Size, pixel.
        listed: Whether the legend has an entry for them.
    """

    name: str
    group: str
    rows: pd.DataFrame
    colour: str
    symbol: str
    size: int
    listed: bool = True

    def trace(self) -> dict[str, Any]:
        """Return the part of the trace that all kinds of plots share."""
        legend = {"legendgroup": self.group, "showlegend": self.listed}
        return {"mode": "markers", "name": self.name, **legend, **hover(self.rows)}


def ranks(numbered: pd.DataFrame) -> dict[str, Any]:
    """Return the part of the trace that writes the rank of the best candidates beside their marks."""
    texts = [f"<b>{rank}</b>" for rank in range(1, len(numbered) + 1)]
    style = {"mode": "text", "text": texts, "textposition": "top center", "showlegend": False, "hoverinfo": "skip"}
    return {**style, "name": "rank of the best candidates", "meta": INK}


def hover(rows: pd.DataFrame) -> dict:
    """Return the hover text of the points: formula, energies, space group, id and schemes."""
    data = rows.reindex(columns=["id", "formula", "formation_energy", "e_above_hull", "space_group"]).astype(object)
    name = "%{fullData.name}"
    if "schemes" in rows:
        data["schemes"], name = rows["schemes"].map(scheme_labels), "%{customdata[5]}"
    lines = ("<b>%{customdata[1]}</b>", "E<sub>f</sub> %{customdata[2]:.3f} eV/atom")
    lines += ("hull distance %{customdata[3]:.3f} eV/atom", "space group %{customdata[4]}", "%{customdata[0]}")
    return {
        "customdata": data.where(data.notna(), "").to_numpy().tolist(),
        "hovertemplate": "<br>".join(lines) + f"<extra>{name}</extra>",
    }
