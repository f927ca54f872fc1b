"""A map of crystal graphs on which neighbours stay neighbours.

The two main components of crystal graphs hold a tenth of their variance, so a plane of them puts unlike crystals on one
spot. t-distributed stochastic neighbour embedding (t-SNE, van der Maaten and Hinton 2008) keeps neighbours together
instead; distances between groups on such a map mean nothing.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness

COMPONENTS = 50
"""Principal components that enter the map: what is beyond them is mostly noise."""
PERPLEXITY = 30
"""About how many neighbours of a crystal graph count."""
FEWEST = 8
"""Crystal graphs below which there is nothing to map: their main components are taken."""
NEIGHBOURS = 5
"""Neighbours by which a map is judged."""


def neighbour_map(graphs: np.ndarray, seed: int = 0) -> tuple[np.ndarray, float, float]:
    """Return places (n, 2), no unit, and how far neighbours on the map can be trusted, on it and on the plane.

    graphs: (n, ...), n >= 3. The two last are ``trustworthiness`` (Venna and Kaski 2001) of this map and of the plane
    of the two main components: 1 if all neighbours there are neighbours in truth, about 0.5 if by chance; NaN if there
    are fewer than FEWEST. The same graphs and seed give the same map.
    """
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
