"""Style of all figures: colours, markers, fonts, panels, empty figures, and saving."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ccdcgan.utils.files import atomic_path

P = ParamSpec("P")

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
"""Palette of Okabe and Ito."""
GREY = "#9A9A9A"
DARK_GREY = "#4D4D4D"
ELEMENT_COLOURS = (PURPLE, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION)
SPLIT_COLOURS = {"train": BLUE, "held_out": VERMILLION}

_STYLES = {
    "dcgan": (BLUE, "^"),
    "dcgan+constraint": (ORANGE, "s"),
    "ccdcgan": (GREEN, "D"),
    "flow": (PURPLE, "v"),
    "optimised-flow": (SKY, "P"),
    "campaign": (VERMILLION, "*"),
    "vae": ("#882255", "<"),
    "random": ("#757575", "X"),
    "mutation": ("#997700", "p"),
    "database": ("#5D5D9A", ">"),
}
"""Scheme -> colour and marker; no two schemes have the same marker, so that they differ in print without colours, too.
Circles and hexagons belong to the database and the known phases."""

PANEL_WIDTH, MOST_ACROSS = 2.4, 3
"""Width of a panel (inches), and maximum number of panels in a row; together the width of a printed page."""
DPI = 300
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.4,
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,
    "savefig.dpi": DPI,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Apply the style to a drawing function, independently of the style of the calling program."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "agg", **STYLE}):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (size in inches) that is not registered with pyplot or a window system."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def panels_across(n: int) -> int:
    """Return the number of panels in a row for n panels: at most three; four panels are two by two."""
    return 2 if n == 4 else min(max(n, 1), MOST_ACROSS)


def scheme_panels(n: int, height: float, foot: float = 0.0, shared: bool = True) -> tuple[Figure, np.ndarray]:
    """Return a figure, at most as wide as a page, and its panels.

    Args:
        n: Number of panels, one per scheme or crystal.
        height: Height of a row, inches.
        foot: Height of the space below all rows, inches.
        shared: Whether all panels have the same axes limits.

    Returns:
        The figure and its panels, (n,).
    """
    across = panels_across(n)
    down = -(-max(n, 1) // across)
    figure = new_figure(max(PANEL_WIDTH * across, 4.4), height * down + foot)
    panels = figure.subplots(down, across, squeeze=False, sharex=shared, sharey=shared).ravel()
    for spare in panels[max(n, 1) :]:
        spare.set_visible(False)
    for axes in panels[max(n - across, 0) : max(n, 1)]:
        axes.tick_params(labelbottom=True)
    return figure, panels[: max(n, 1)]


def name_axes(panels: np.ndarray, x: str, y: str) -> None:
    """Label the x axes of the lowest panel of each column and the y axes of the first panel of each row.

    Args:
        panels: All axes, row by row.
        x: Label of the x axes.
        y: Label of the y axes.
    """
    across = panels_across(len(panels))
    for number, axes in enumerate(panels):
        if number + across >= len(panels):
            axes.set_xlabel(x)
        if number % across == 0:
            axes.set_ylabel(y)


def one_legend(figure: Figure, panels: np.ndarray, columns: int = 3) -> None:
    """Add one legend without duplicates below all panels.

    Args:
        figure: The figure.
        panels: Axes with the labelled artists.
        columns: Largest number of columns; fewer are used if the legend would be wider than the figure.
    """
    entries = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    for ncols in range(columns, 0, -1):
        legend = figure.legend(
            entries.values(),
            entries.keys(),
            loc="outside lower center",
            ncols=ncols,
            handletextpad=0.4,
            columnspacing=1.5,
        )
        if ncols == 1 or legend.get_window_extent(figure.canvas.get_renderer()).width <= figure.bbox.width:
            return
        legend.remove()


def scheme_style(scheme: str) -> tuple[str, str]:
    """Return the colour and marker of a scheme; those of an unknown scheme depend on its name."""
    return _STYLES[scheme] if scheme in _STYLES else list(_STYLES.values())[sum(scheme.encode()) % len(_STYLES)]


def pretty_formula(formula: str) -> str:
    """Return a formula with subscripts in the math text of matplotlib."""
    return re.sub(r"(\d+(?:\.\d+)?)", r"$_{\1}$", str(formula).replace("$", r"\$"))


def pretty_group(space_group: str) -> str:
    """Return a space group with the subscripts of its screw axes in the math text of matplotlib."""
    return re.sub(r"_(\d)", r"$_{\1}$", str(space_group))


def signed(value: float, digits: int = 3) -> str:
    """Return a number with a typographic minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def count_ticks(axis: Axis, log: bool = False) -> None:
    """Format the ticks of an axis of counts with a thousands separator, and limit their number."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if not log:
        axis.set_major_locator(MaxNLocator(4, integer=True))


def empty_figure(text: str) -> Figure:
    """Return a figure with a note only: the reason why nothing is drawn."""
    figure = new_figure(5.0, 1.2)
    axes = figure.subplots()
    axes.set_axis_off()
    say_empty(axes, text)
    return figure


def say_empty(axes: Axes, text: str) -> None:
    """Write in the middle of a panel why nothing is drawn in it."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=DARK_GREY, wrap=True)


def save_figure(figure: Figure, stem: str | Path) -> tuple[Path, Path]:
    """Write ``stem``.png and ``stem``.pdf, which are reproducible, and return their paths."""
    stem = Path(stem)
    paths = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.pdf")
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "agg", **STYLE}):
        for path, metadata in zip(paths, ({"Software": None}, {"CreationDate": None}), strict=True):
            with atomic_path(path) as temporary:
                figure.savefig(temporary, format=path.suffix[1:], dpi=DPI, metadata=metadata)
    return paths
