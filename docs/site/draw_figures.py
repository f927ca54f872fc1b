"""Draw docs/images/representation.png from a finished run: voxels and crystal graph of a crystal.

Usage: PYTHONPATH=workflow_scripts python docs/site/draw_figures.py results/Bi-Se Bi2Se3
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ccdcgan.crystals.structures import Crystal, read_set
from ccdcgan.figures.style import DPI, new_figure, styled
from ccdcgan.representation.crystal_graph import CrystalGraphs, load_graphs
from ccdcgan.representation.voxels import encode_crystal

IMAGES = Path(__file__).resolve().parents[1] / "images"


def lowest(crystals: list[Crystal], formula: str) -> Crystal:
    """Return the relaxed crystal of a formula that is nearest to the hull."""
    found = [crystal for crystal in crystals if crystal.formula == formula and crystal.info["status"] == "ok"]
    return min(found, key=lambda crystal: crystal.info["e_above_hull"])


@styled
def representation(crystal: Crystal, graphs: CrystalGraphs) -> Figure:
    """Draw the lattice voxel, the sites voxels and the crystal graph of a crystal."""
    lattice, sites = encode_crystal(crystal.structure, graphs.elements, graphs.geometry)
    graph = graphs.graphs[list(graphs.ids).index(crystal.id), ..., 0]
    half = graphs.geometry.box / 2
    figure = new_figure(3.0 * (2 + len(sites)), 3.3)
    first, *middle, last = figure.subplots(1, 2 + len(sites))
    first.imshow(lattice[len(lattice) // 2].T, origin="lower", extent=(0, 1, 0, 1), cmap="viridis", vmin=0, vmax=1)
    first.set(title="lattice voxel\n(section through its centre)", xlabel="b (fraction of the cell)", ylabel="c")
    for axes, element, voxel in zip(middle, graphs.elements, sites, strict=True):
        axes.imshow(voxel.max(axis=0).T, origin="lower", extent=(-half, half) * 2, cmap="viridis", vmin=0, vmax=1)
        axes.set(title=f"sites voxel of {element}\n(maximum along x)", xlabel="y (Å)", ylabel="z (Å)")
    picture = last.imshow(graph, cmap="PuOr", vmin=-1, vmax=1)
    last.set(title=f"crystal graph\n{graph.shape[0]} × {graph.shape[1]}", xlabel="column", ylabel="row")
    figure.colorbar(picture, ax=last, shrink=0.75, label="latent value")
    for axes in (first, *middle, last):
        axes.spines[:].set_visible(True)
        axes.tick_params(labelsize=7)
    return figure


if __name__ == "__main__":
    run, formula = Path(sys.argv[1]), sys.argv[2]
    graphs = load_graphs(run / "representation/crystal_graphs.npz")
    known = set(np.asarray(graphs.ids).tolist())
    crystals = [crystal for crystal in read_set(run / "database/database.extxyz") if crystal.id in known]
    figure = representation(lowest(crystals, formula), graphs)
    figure.savefig(IMAGES / "representation.png", dpi=DPI, metadata={"Software": None})
