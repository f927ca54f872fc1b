"""Crystals and voxels before and after the autoencoders."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ccdcgan.columns import SPLITS
from ccdcgan.figures.crystals import crystal_title, draw_crystal, element_colours
from ccdcgan.figures.style import DARK_GREY, empty_figure, new_figure, say_empty, styled
from ccdcgan.reasons import reason_label
from ccdcgan.representation.reconstruction_examples import Examples
from ccdcgan.utils.tables import is_true


@styled
def reconstruction_examples(examples: Examples, table: pd.DataFrame) -> Figure:
    """Draw crystal, section of the lattice voxel and sites voxels of each example: true above decoded.

    Args:
        examples: Examples with their voxels.
        table: Table of :func:`ccdcgan.representation.reconstruction.reconstruct`.
    """
    if not len(examples.ids):
        return empty_figure("no crystal has a crystal graph")
    across = 2 if len(examples.elements) < 3 and len(examples.ids) > 1 else 1
    down, columns = -(-len(examples.ids) // across), 2 + len(examples.elements)
    figure = new_figure(3.6 * across if across > 1 else 1.05 * columns, 2.35 * down)
    rows = table.set_index("id")
    parts = np.atleast_1d(figure.subfigures(down, across, squeeze=False)).ravel()
    for number, (name, role) in enumerate(zip(examples.ids, examples.roles, strict=True)):
        panels = parts[number].subplots(2, columns)
        parts[number].suptitle(f"{role} ({SPLITS[rows.loc[name, 'split']]})\n{_outcome(rows.loc[name])}", fontsize=8)
        for side, line in enumerate(panels):
            _draw_side(line, examples, number, side)
    return figure


def _outcome(row: pd.Series) -> str:
    """Describe the result of the reconstruction of a crystal."""
    if is_true(pd.Series([row["matched"]])).item():
        return f"reconstructed, rms {row['rms']:.4f}"
    return f"not reconstructed: {reason_label(row['reason'])}"


def _draw_side(panels: np.ndarray, examples: Examples, number: int, side: int) -> None:
    """Draw the true (side 0) or decoded (side 1) crystal, lattice voxel and sites voxels of one example."""
    first, second, *others = panels
    crystal = examples.crystal(examples.ids[number], ("before", "after")[side])
    if crystal is None:
        first.set_axis_off()
        say_empty(first, "no crystal")
    else:
        draw_crystal(first, crystal, element_colours(examples.elements))
        if not side:
            first.set_title(crystal_title(crystal), fontsize=7)
    first.text(-0.08, 0.5, ("true", "decoded")[side], transform=first.transAxes, rotation=90, va="center", fontsize=7)
    _slice(second, examples.lattices[number, side], 1.0, "cell, a = ½" if not side else "")
    for axes, element, voxel in zip(others, examples.elements, examples.sites[number, side], strict=True):
        _slice(axes, voxel, examples.box, f"sites of {element}" if not side else "")


def _slice(axes: Axes, values: np.ndarray, edge: float, title: str) -> None:
    """Draw a section or projection, with its first axis to the right."""
    axes.imshow(values.T, origin="lower", extent=(0, edge, 0, edge), cmap="cividis", vmin=0, vmax=1)
    axes.set_title(title, fontsize=7)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=DARK_GREY, lw=0.5)
