"""Crystal graphs of database and candidates in a plane: principal components (Long et al., Fig. 2C) and t-SNE."""

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

COMPONENTS = 50
"""Number of principal components that enter the map; the others are mostly noise."""
PERPLEXITY = 30
"""Approximate number of neighbours of a crystal graph that count."""
FEWEST = 8
"""Number of crystal graphs below which their main components are used."""
NEIGHBOURS = 5
"""Number of neighbours for the trustworthiness of a map."""


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


def neighbour_map(graphs: np.ndarray, seed: int = 0) -> tuple[np.ndarray, float, float]:
    """Map crystal graphs to two dimensions.

    The two main components of crystal graphs hold a tenth of their variance, so that different crystals overlap in
    their plane. t-distributed stochastic neighbour embedding (t-SNE, van der Maaten and Hinton, 2008) keeps neighbours
    together instead; distances between groups have no meaning.

    Args:
        graphs: Crystal graphs, (n, ...), n >= 3.
        seed: Seed of the embedding; the same graphs and seed give the same map.

    Returns:
        Positions (n, 2), and the trustworthiness (Venna and Kaski, 2001) of the map and of the plane of the two main
        components: 1 if all neighbours are neighbours in the latent space, about 0.5 by chance, NaN for fewer than
        FEWEST graphs.
    """
    from sklearn.decomposition import PCA  # here, since only this map needs scikit-learn
    from sklearn.manifold import TSNE, trustworthiness

    flat = np.asarray(graphs, dtype=float).reshape(len(graphs), -1)
    n_components = min(COMPONENTS, *flat.shape)
    reduced = PCA(n_components, svd_solver="full" if len(flat) < 1000 else "randomized", random_state=seed)
    points = reduced.fit_transform(flat)
    plane = points[:, :2]
    if len(flat) < FEWEST or n_components < 2:
        return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1]))), float("nan"), float("nan")
    perplexity = min(PERPLEXITY, (len(flat) - 1) / 3)
    places = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(points)
    few = min(NEIGHBOURS, len(flat) // 2 - 1)
    return places, *(float(trustworthiness(flat, made, n_neighbors=few)) for made in (places, plane))
