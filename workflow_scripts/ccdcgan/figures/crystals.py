"""Drawings of crystals, and example crystals with their crystal graphs (Long et al., Fig. 1D)."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.visualize.plot import plot_atoms
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal
from ccdcgan.figures.style import (
    DARK_GREY,
    ELEMENT_COLOURS,
    empty_figure,
    new_figure,
    pretty_formula,
    pretty_group,
    signed,
    styled,
)
from ccdcgan.utils.tables import complete

MOST = 4
"""Number of crystals in the figure."""
FACE = 0.02
"""Fractional distance from a face below which an atom is drawn on the opposite face as well."""


def choose_examples(database: pd.DataFrame, ids: Sequence[str], most: int = MOST) -> list[str]:
    """Choose example crystals: for each composition the crystal nearest to the hull.

    Args:
        database: Table with id, formula, e_above_hull.
        ids: Crystals that have a crystal graph.
        most: Number of crystals.

    Returns:
        Ids of the crystals, nearest to the hull first. If there are fewer compositions than ``most``, further crystals
        follow.
    """
    database = complete(database, "id", "formula", "e_above_hull")
    rows = database[database["id"].isin(set(ids)) & database["e_above_hull"].notna()]
    rows = rows.sort_values(["e_above_hull", "id"], kind="stable")
    repeat = rows.duplicated("formula")
    return [str(name) for name in pd.concat([rows[~repeat], rows[repeat]])["id"].head(most)]


@styled
def example_crystals(
    crystals: Sequence[Crystal], graphs: np.ndarray, elements: Sequence[str], latent_sites: int | None = None
) -> Figure:
    """Draw up to four crystals with their crystal graphs.

    Args:
        crystals: Crystals.
        graphs: Their crystal graphs, (n, side, side, 1), values in [-1, 1].
        elements: Elements in the order of the rows of a crystal graph.
        latent_sites: Length of a sites latent, to mark the parts of a crystal graph; None: no marks.
    """
    shown = list(zip(crystals, np.asarray(graphs), strict=True))[:MOST]
    if not shown:
        return empty_figure("no crystal has a crystal graph")
    n_rows, n_pairs = -(-len(shown) // 2), min(len(shown), 2)
    figure = new_figure(4.2 * n_pairs, 2.35 * n_rows + 0.35)
    grid = figure.add_gridspec(n_rows, 2 * n_pairs, width_ratios=[1, 1] * n_pairs)
    colours = element_colours(elements)
    pictures = []
    for number, (crystal, graph) in enumerate(shown):
        row, pair = divmod(number, 2)
        axes = figure.add_subplot(grid[row, 2 * pair])
        draw_crystal(axes, crystal, colours)
        axes.set_title(crystal_title(crystal), fontsize=9)
        axes = figure.add_subplot(grid[row, 2 * pair + 1])
        pictures.append(axes)
        image = axes.imshow(graph[..., 0], cmap="PuOr", vmin=-1, vmax=1, interpolation="nearest")
        axes.set(xlabel="column", ylabel="row")
        axes.spines[:].set_visible(True)
        if latent_sites:
            _mark_parts(axes, graph.shape[0], ["cell", *elements], latent_sites)
    figure.colorbar(image, ax=pictures, label="latent value (no unit)", shrink=0.7, pad=0.03, aspect=30)
    handles = [
        Line2D([], [], ls="", marker="o", ms=7, mfc=colour, mec="black", mew=0.6, label=name)
        for name, colour in colours.items()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handletextpad=0.1)
    return figure


def element_colours(elements: Sequence[str]) -> dict[str, str]:
    """Return the colour of each element, which depends on its position in the system."""
    return {name: ELEMENT_COLOURS[i % len(ELEMENT_COLOURS)] for i, name in enumerate(elements)}


def draw_crystal(axes: Axes, crystal: Crystal, colours: Mapping[str, str]) -> None:
    """Draw one cell in perspective, with atoms on its faces repeated on the opposite faces.

    Args:
        axes: Axes to draw on.
        crystal: The crystal.
        colours: Element -> colour; other elements are grey.
    """
    symbols, coords = with_images_on_faces(crystal.structure)
    atoms = Atoms(symbols, scaled_positions=coords, cell=crystal.structure.lattice.matrix, pbc=True)
    radii = [0.55 * covalent_radii[atomic_numbers[symbol]] for symbol in symbols]
    plot_atoms(
        atoms, axes, radii=radii, colors=[colours.get(symbol, DARK_GREY) for symbol in symbols],
        rotation="-80x,-20y,6z", show_unit_cell=2,
    )  # fmt: skip
    axes.set_axis_off()
    axes.set_anchor("N")  # aligns the titles


def crystal_title(crystal: Crystal) -> str:
    """Return formula, space group and formation energy of a crystal, as far as known."""
    group = crystal.info.get("space_group", "")
    name = pretty_formula(crystal.formula) + (f", {pretty_group(group)}" if group else "")
    energy = crystal.info.get("formation_energy", "")
    return f"{name}\n{signed(float(energy))} eV/atom" if energy != "" and np.isfinite(float(energy)) else name


def with_images_on_faces(structure: Structure) -> tuple[list[str], np.ndarray]:
    """Return the atoms of a cell with their images on opposite faces, edges and corners.

    Returns:
        Symbols and fractional coordinates, (n, 3).
    """
    symbols: list[str] = []
    coords: list[np.ndarray] = []
    for site in structure:
        frac = np.asarray(site.frac_coords) % 1.0
        frac[frac > 1 - FACE] -= 1
        for shift in itertools.product(*[(0, 1) if abs(x) < FACE else (0,) for x in frac]):
            symbols.append(site.specie.symbol)
            coords.append(frac + shift)
    return symbols, np.array(coords).reshape(-1, 3)


def _mark_parts(axes: Axes, side: int, names: Sequence[str], latent_sites: int) -> None:
    """Draw lines between the parts of a crystal graph and label the parts at its right edge."""
    for number, name in enumerate(names):
        start, end = number * latent_sites, (number + 1) * latent_sites
        row, column = divmod(end, side)
        x = [side - 0.5, column - 0.5, column - 0.5, -0.5]
        y = [row - 0.5, row - 0.5, row + 0.5, row + 0.5]
        axes.plot(x, y, color="black", lw=0.8)
        middle = (start + end) / 2 / side - 0.5
        axes.text(side + 0.3, middle, name, fontsize=7, va="center", ha="left", rotation=90)
    axes.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))
