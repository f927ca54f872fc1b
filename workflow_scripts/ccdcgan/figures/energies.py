"""Formation energies of database and candidates: versus composition with the convex hull, and as histograms."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ccdcgan.columns import scheme_label, title
from ccdcgan.database.thermodynamics import compounds, hull_phases, hull_vertices, with_energy
from ccdcgan.evaluation.best import THRESHOLDS, best_of
from ccdcgan.figures.style import (
    BLACK,
    DARK_GREY,
    GREY,
    empty_figure,
    name_axes,
    new_figure,
    one_legend,
    pretty_formula,
    say_empty,
    scheme_panels,
    scheme_style,
    signed,
    styled,
)
from ccdcgan.schemes import PAPER
from ccdcgan.utils.tables import complete

CLOSE = 0.045
"""Difference of the compositions of two phases of the hull whose names would overlap; the first one is named."""

_COLUMNS = ("id", "formula", "fraction", "formation_energy", "e_above_hull")


@styled
def formation_energies(
    database: pd.DataFrame,
    candidates: pd.DataFrame,
    elements: Sequence[str],
    schemes: Sequence[str] = PAPER,
    thresholds: Mapping[str, float] = THRESHOLDS,
    known: pd.DataFrame | None = None,
) -> Figure:
    """Draw formation energies of the database and of the candidates of each scheme (Long et al., Figs. 2B, 3B).

    For two elements they are drawn versus composition, with the convex hull and the limit of meta-stable crystals; for
    more elements versus hull distance. The number of crystals above the axis is given in the panel.

    Args:
        database: Table with id, formula, fraction, formation_energy, e_above_hull.
        candidates: Table with these columns and scheme, distinct, stability.
        elements: Elements of the system.
        schemes: Schemes, one panel each.
        thresholds: Hull distances of ``stable`` and ``meta_stable`` crystals, eV/atom.
        known: Table of the known phases.
    """
    binary = len(elements) == 2
    phases = with_energy(compounds(complete(pd.DataFrame() if known is None else known, *_COLUMNS)))
    database = complete(database, *_COLUMNS)
    candidates = complete(candidates, *_COLUMNS, "scheme", "distinct", "stability")
    crystals, relaxed = with_energy(database), with_energy(candidates)
    if crystals.empty and relaxed.empty:
        return empty_figure("nothing was relaxed, so that there are no formation energies")
    figure, panels = scheme_panels(len(schemes), 2.75, foot=0.6)
    limits = energy_limits(pd.concat([crystals["formation_energy"], relaxed["formation_energy"]]))
    x = "fraction" if binary else "e_above_hull"
    for axes, scheme in zip(panels, schemes, strict=False):
        rows = relaxed[relaxed["scheme"] == scheme]
        best = best_of(rows)
        colour, marker = scheme_style(scheme)
        heading = f"{scheme_label(scheme)}\n{len(best):,} of {len(rows):,} distinct meta-stable"
        axes.set_title(heading, fontsize=9)
        label = f"database (n = {len(crystals):,})"
        _points(axes, crystals, x, color=GREY, marker="o", s=9, alpha=0.7, lw=0, label=label)
        if len(phases):
            style = {"facecolor": "none", "edgecolor": BLACK, "lw": 0.8, "marker": "h", "s": 34, "zorder": 4}
            _points(axes, phases, x, label=f"known phases (n = {len(phases):,})", **style)
        _points(axes, rows, x, color=colour, marker=marker, s=13, alpha=0.55, lw=0)
        _points(axes, best, x, facecolor=colour, marker=marker, s=24, edgecolor=BLACK, lw=0.8, zorder=4)
        if binary:
            _draw_hull(axes, hull_phases(database, phases), thresholds)
        else:
            label = f"hull distance < {thresholds['meta_stable']:.3f} eV/atom"
            axes.axvspan(-100, thresholds["meta_stable"], color=GREY, alpha=0.15, lw=0, zorder=0, label=label)
        axes.axhline(0, color=DARK_GREY, lw=0.6, zorder=0)
        axes.set_ylim(limits)
        if rows.empty:
            axes.text(0.5, 0.985, "no candidate was relaxed", transform=axes.transAxes, ha="center", va="top")
        _say_hidden(axes, pd.concat([crystals["formation_energy"], rows["formation_energy"]]), limits)
    _points(
        panels[0], crystals[:0], x, color=DARK_GREY, marker="o", s=13, alpha=0.55, lw=0, label="candidates (in colour)"
    )
    best_style = {"facecolor": DARK_GREY, "edgecolor": BLACK, "lw": 0.8}
    _points(panels[0], crystals[:0], x, marker="o", s=24, label="distinct meta-stable candidates", **best_style)
    name_axes(
        panels, f"atomic fraction of {elements[-1]}" if binary else title("e_above_hull"), title("formation_energy")
    )
    if binary:
        panels[0].set_xlim(-0.04, 1.04)
    else:
        everything = pd.concat([crystals, phases, relaxed])
        shown = everything.loc[everything["formation_energy"] <= limits[1], "e_above_hull"]
        panels[0].set_xlim(shown.min() - 0.05 if len(shown) else -0.05, shown.max() + 0.05 if len(shown) else 1)
    one_legend(figure, panels)
    return figure


def _points(axes: Axes, rows: pd.DataFrame, x: str, **style: object) -> None:
    axes.scatter(rows[x], rows["formation_energy"], rasterized=len(rows) > 3000, **style)


def energy_limits(energies: pd.Series, percentile: float = 90) -> tuple[float, float]:
    """Return limits of the energy axis: from the lowest energy to a percentile of all energies (eV/atom).

    Energies far above zero would compress what lies at the hull. Zero is always shown.

    Args:
        energies: Formation energies, eV/atom.
        percentile: Percentage of the energies below the upper limit.
    """
    if energies.empty:
        return -1.0, 1.0
    low = min(float(energies.min()), 0.0)
    high = min(max(float(np.percentile(energies, percentile)), 0.1), max(float(energies.max()), 0.02))
    margin = 0.12 * (high - low)
    return low - margin, high + 0.5 * margin


def _say_hidden(axes: Axes, energies: pd.Series, limits: tuple[float, float]) -> None:
    hidden = int((energies > limits[1]).sum())
    if hidden:
        axes.text(
            0.985, 0.985, f"↑ {hidden:,} above the axis", transform=axes.transAxes, ha="right", va="top",
            fontsize=7, color=DARK_GREY, bbox={"facecolor": "white", "alpha": 0.85, "lw": 0, "pad": 1.5},
        )  # fmt: skip


def _draw_hull(axes: Axes, phases: pd.DataFrame, thresholds: Mapping[str, float]) -> None:
    """Draw the hull through its vertices and the elements at zero, with the limit of meta-stable crystals above it."""
    vertices = hull_vertices(phases)
    x = np.concatenate([[0.0], vertices["fraction"], [1.0]])
    energy = np.concatenate([[0.0], vertices["formation_energy"], [0.0]])
    axes.plot(x, energy, "-", color=BLACK, lw=1.1, marker="o", ms=3.5, label="convex hull", zorder=3)
    dense = np.linspace(0, 1, 201)
    limit = np.interp(dense, x, energy) + thresholds["meta_stable"]
    axes.plot(
        dense, np.where(limit < 0, limit, np.nan), ls=(0, (4, 2)), color=BLACK, lw=0.8, zorder=3,
        label=f"hull + {thresholds['meta_stable']:.3f} eV/atom",
    )  # fmt: skip
    lowest = int(np.argmin(energy))
    named = -1.0
    for number, row in enumerate(vertices.itertuples(), start=1):
        if row.fraction - named < CLOSE:
            continue
        named = row.fraction
        side = "center" if number == lowest else "right" if number < lowest else "left"
        shift = {"center": (0, -5), "right": (-4, -3), "left": (4, -3)}[side]
        axes.annotate(
            pretty_formula(row.formula), (row.fraction, row.formation_energy), xytext=shift,
            textcoords="offset points", ha=side, va="top", fontsize=8, zorder=5,
        )  # fmt: skip


@styled
def energy_histograms(database: pd.DataFrame, candidates: pd.DataFrame, schemes: Sequence[str] = PAPER) -> Figure:
    """Draw histograms of the formation energies of database and schemes (Long et al., Figs. S1, S2A, S2D, S2G).

    Bars are percentages of each set, so that sets of different sizes can be compared. The outermost bars include all
    crystals beyond the axis.

    Args:
        database: Table with formation_energy, eV/atom.
        candidates: Table with scheme and formation_energy.
        schemes: Schemes, one panel each.
    """
    database = complete(database, "formation_energy")
    candidates = complete(candidates, "scheme", "formation_energy")
    sets = {"Database": (with_energy(database)["formation_energy"], GREY)}
    for scheme in schemes:
        rows = with_energy(candidates[candidates["scheme"] == scheme])
        sets[scheme_label(scheme)] = (rows["formation_energy"], scheme_style(scheme)[0])
    everything = pd.concat([values for values, _ in sets.values()])
    low, high = energy_limits(everything, 97)
    width = max(round((high - low) / 40, 2), 0.01)
    lowest = min(float(everything.min()), 0.0) if len(everything) else low
    bins = width * np.arange(np.floor(lowest / width), np.ceil(high / width) + 1)
    figure = new_figure(7.2, 0.95 * len(sets) + 0.6)
    panels = figure.subplots(len(sets), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, (values, colour)) in zip(panels, sets.items(), strict=True):
        if values.empty:
            say_empty(axes, f"{name}: no formation energies")
            axes.set_yticks([])
            continue
        weights = np.full(len(values), 100 / len(values))
        axes.hist(np.clip(values, bins[0], bins[-1]), bins=bins, weights=weights, color=colour, ec="white", lw=0.3)
        axes.axvline(0, color=DARK_GREY, lw=0.7)
        axes.axvline(values.mean(), color=BLACK, ls="--", lw=1.1)
        axes.text(
            1.02, 0.95,  # beside the panel, where it covers no bar
            f"{name} (n = {len(values):,})\nmean {signed(values.mean())} eV/atom (dashed)\n"
            f"{(values < 0).sum():,} below zero ({(values < 0).mean():.1%})",
            transform=axes.transAxes, ha="left", va="top", fontsize=8, linespacing=1.3,
        )  # fmt: skip
        axes.set_ylim(top=1.1 * axes.get_ylim()[1])
    figure.supylabel(f"percentage of the set per {width:.2f} eV/atom", fontsize=9)
    panels[-1].set_xlabel(title("formation_energy"))
    hidden = int((everything > bins[-1]).sum())
    if hidden:
        panels[-1].set_xlabel(f"{title('formation_energy')}; the last bar includes all above {bins[-1]:.2f}")
    return figure
