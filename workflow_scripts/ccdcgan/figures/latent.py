"""Principal components of the crystal graphs of database and candidates (Long et al., Fig. 2C)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from scipy.linalg import eigh

from ccdcgan.columns import scheme_label
from ccdcgan.figures.style import (
    DARK_GREY,
    empty_figure,
    name_axes,
    one_legend,
    scheme_panels,
    scheme_style,
    styled,
)


def principal_axes(graphs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first two principal axes of crystal graphs.

    The largest entry of an axis is positive, which fixes the sign. For fewer than three crystal graphs the first two
    latent values are used instead.

    Args:
        graphs: Crystal graphs, (n, side, side, 1).

    Returns:
        Mean, (side^2,); axes, (2, side^2); their fractions of the variance, (2,).
    """
    flat = np.asarray(graphs, float).reshape(len(graphs), -1)
    mean = flat.mean(axis=0)
    flat = flat - mean
    if flat.shape[0] < 3 or not flat.any():
        return mean, np.eye(2, flat.shape[1]), np.zeros(2)
    # both matrices have the same non-zero eigenvalues; the two largest of the smaller matrix are computed
    few = flat.shape[0] < flat.shape[1]
    matrix = flat @ flat.T if few else flat.T @ flat
    last = len(matrix) - 1
    values, vectors = eigh(matrix, subset_by_index=[last - 1, last])
    axes = (flat.T @ vectors if few else vectors).T[::-1]
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    axes = axes / np.where(lengths > 0, lengths, 1)
    axes *= np.where(axes[np.arange(2), np.abs(axes).argmax(axis=1)] < 0, -1, 1)[:, None]
    return mean, axes, values[::-1] / (flat**2).sum()


@styled
def latent_map(database: np.ndarray, generated: Mapping[str, np.ndarray]) -> Figure:
    """Draw crystal graphs in the plane of the first two principal components of the database, one panel per scheme.

    Args:
        database: Crystal graphs of the database, (n, side, side, 1). If empty, the components of all generated crystal
            graphs are used.
        generated: Scheme -> generated crystal graphs, (m, side, side, 1).
    """
    filled = [np.asarray(graphs) for graphs in generated.values() if len(graphs)]
    basis, owner = (database, "database's") if len(database) else (None, "generated crystal graphs'")
    if basis is None and filled:
        basis = np.concatenate(filled)
    if basis is None:
        return empty_figure("no crystal graphs")
    figure, panels = scheme_panels(len(generated), 2.35, foot=0.4)
    mean, components, shares = principal_axes(basis)

    def project(graphs: np.ndarray) -> np.ndarray:
        return (np.asarray(graphs, float).reshape(len(graphs), -1) - mean) @ components.T

    for axes in panels:
        points = project(database) if len(database) else np.empty((0, 2))
        axes.scatter(
            *points.T, s=9, color=DARK_GREY, lw=0, alpha=0.85, label=f"database (n = {len(points):,})",
            rasterized=len(points) > 3000, zorder=3,  # above the candidates, because the database is the smaller set
        )  # fmt: skip
    for axes, (scheme, graphs) in zip(panels, generated.items(), strict=False):
        colour, marker = scheme_style(scheme)
        axes.set_title(f"{scheme_label(scheme)}\n{len(graphs):,} candidates", fontsize=9)
        if not len(graphs):
            axes.text(0.5, 0.97, "no candidates", transform=axes.transAxes, ha="center", va="top")
            continue
        axes.scatter(
            *project(graphs).T, s=9, color=colour, marker=marker, lw=0, alpha=0.55, rasterized=len(graphs) > 3000
        )
    words = [f"component {n + 1} (no unit)\n{shares[n]:.0%} of the {owner} variance" for n in (0, 1)]
    name_axes(panels, *words)
    one_legend(figure, panels)
    return figure
