"""Draw docs/images/hull-{system}.png from the database of a finished run: formation energies and the convex hull.

Usage: PYTHONPATH=workflow_scripts python docs/site/draw_hulls.py results/V-O results/Mg-Mn-O
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pymatgen.core import Composition

from ccdcgan.crystals.structures import read_set
from ccdcgan.database.energies import hull_of
from ccdcgan.figures.energies import formation_energies
from ccdcgan.figures.style import DPI, new_figure, pretty_formula, styled

IMAGES = Path(__file__).resolve().parents[1] / "images"
NEAR = 0.15
"""Largest hull distance of the crystals in the figure of a ternary system, eV/atom."""


def corners(composition: Composition, elements: list[str]) -> tuple[float, float]:
    """Return the place of a composition in the triangle of three elements."""
    _, second, third = (composition.get_atomic_fraction(element) for element in elements)
    return second + third / 2, third * np.sqrt(3) / 2


@styled
def ternary(tables: dict[str, pd.DataFrame], run: Path, elements: list[str]) -> Figure:
    """Draw the phases of the hull with their tie lines, and the crystals near it, in the triangle of compositions."""
    crystals = [crystal for name in tables for crystal in read_set(run / f"database/{name}.extxyz")]
    hull = hull_of([crystal for crystal in crystals if crystal.info["status"] == "ok"], elements)
    figure = new_figure(6.2, 5.4)
    axes: Axes = figure.subplots()
    for facet in hull.facets:
        ends = [corners(hull.qhull_entries[number].composition, elements) for number in facet]
        axes.fill(*zip(*ends, strict=True), facecolor="none", edgecolor="black", lw=0.7)
    for name, table in tables.items():
        near = table[(table["status"] == "ok") & (table["e_above_hull"] < NEAR)]
        near = near.sort_values("e_above_hull", ascending=False)  # the lowest crystal of a composition is drawn last
        places = np.array([corners(Composition(formula), elements) for formula in near["formula"]]).reshape(-1, 2)
        marker = {"database": "o", "known": "h"}[name]
        points = axes.scatter(*places.T, c=1000 * near["e_above_hull"], marker=marker, s=42, cmap="viridis_r", vmin=0,
                              vmax=1000 * NEAR, edgecolor="black", lw=0.4, zorder=3,
                              label={"database": "database", "known": "known phases"}[name])  # fmt: skip
    for entry in hull.stable_entries:
        x, y = corners(entry.composition, elements)
        axes.annotate(pretty_formula(entry.composition.reduced_formula), (x, y), xytext=(5, 4), fontsize=8,
                      textcoords="offset points", zorder=4)  # fmt: skip
    figure.colorbar(points, ax=axes, shrink=0.7, label=f"hull distance (meV/atom), below {1000 * NEAR:.0f}")
    axes.legend(frameon=False, loc="upper left", fontsize=8)
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return figure


if __name__ == "__main__":
    for run in map(Path, sys.argv[1:]):
        tables = {name: pd.read_csv(run / f"database/{name}.csv") for name in ("database", "known")}
        elements = pd.read_csv(run / "database/references.csv")["element"].tolist()
        if len(elements) == 2:
            figure = formation_energies(
                tables["database"], pd.DataFrame(), elements, schemes=["dcgan"], known=tables["known"]
            )
            figure.axes[0].set_title("-".join(elements))
            for text in figure.axes[0].texts:
                text.set_visible("no candidate" not in text.get_text())
            handles, labels = figure.axes[0].get_legend_handles_labels()
            shown = [place for place, label in enumerate(labels) if "candidates" not in label]
            figure.legends[0].remove()
            figure.axes[0].legend(
                [handles[place] for place in shown], [labels[place] for place in shown], frameon=False, fontsize=8
            )
        else:
            figure = ternary(tables, run, elements)
        figure.savefig(IMAGES / f"hull-{'-'.join(elements)}.png", dpi=DPI, metadata={"Software": None})
