"""Interactive plots of the report, with plotly: formation energies with the hull, and the map of the latent space.

The page sets the colour of text and of lines marked ``meta: ink``, so that the plots work in light and dark mode. The
first entry of the ``customdata`` of a point is the id of the crystal, which is shown when the point is clicked.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.graph_objects import Figure, Scatter, Scatterternary
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from ccdcgan.columns import scheme_label, scheme_labels, title
from ccdcgan.database.thermodynamics import compounds, hull_phases, hull_vertices, with_energy
from ccdcgan.evaluation.best import once_each
from ccdcgan.figures.energies import energy_limits
from ccdcgan.figures.style import GREY, scheme_style
from ccdcgan.report.formatting import formula_html
from ccdcgan.schemes import is_screen
from ccdcgan.utils.tables import complete

COMPONENTS = 50
"""Number of principal components that enter the map; the others are mostly noise."""


PERPLEXITY = 30
"""Approximate number of neighbours of a crystal graph that count."""


FEWEST = 8
"""Number of crystal graphs below which their main components are used."""


NEIGHBOURS = 5
"""Number of neighbours for the trustworthiness of a map."""


SYMBOLS = {"^": "triangle-up", "s": "square", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x", "*": "star"}
"""Marker of matplotlib -> symbol of plotly."""
KNOWN_STYLE = "#8a5a00", "hexagon-open"
"""Colour and symbol of the known phases; the colour is legible on light and dark pages."""
MOST_POINTS = 6000
"""Maximum number of database crystals in the hull plot, those nearest to the hull; more would be slow."""
MOST_MAPPED = 3000
"""Maximum number of database crystals on the latent map, those nearest to the hull."""
MOST_OTHERS = 200
"""Maximum number of unrelaxed candidates of each scheme on the latent map."""
_COLUMNS = ("id", "formula", "fraction", "formation_energy", "e_above_hull", "space_group")
_INK = {"ink": True}


def hull_plot(
    database: pd.DataFrame,
    candidates: pd.DataFrame,
    elements: Sequence[str],
    schemes: Sequence[str],
    meta_stable: float,
    known: pd.DataFrame | None = None,
) -> Figure | None:
    """Plot the formation energies of database, known phases and candidates with the hull.

    Two elements: versus composition. Three: in the triangle of compositions, coloured by hull distance. More: versus
    hull distance.

    Args:
        database: Table of the database.
        candidates: Evaluated candidates.
        elements: Elements of the system.
        schemes: Schemes to plot.
        meta_stable: Hull distance of meta-stable crystals, eV/atom.
        known: Table of the known phases.

    Returns:
        The figure, None if nothing was relaxed.
    """
    known = pd.DataFrame() if known is None else known
    phases, vertices = with_energy(compounds(complete(known, *_COLUMNS))), hull_vertices(hull_phases(database, known))
    crystals = with_energy(complete(database, *_COLUMNS))
    made = with_energy(once_each(complete(candidates, *_COLUMNS)))
    if crystals.empty and made.empty:
        return None
    crystals = crystals.nsmallest(MOST_POINTS, "e_above_hull")
    made = made[made["schemes"].map(lambda owners: any(scheme in schemes for scheme in owners)).astype(bool)]
    best = made["best"].astype(bool)
    sets = [("database", crystals, GREY, "circle-open", 6), ("known phases", phases, *KNOWN_STYLE, 11)]
    for scheme in schemes:
        colour, marker = scheme_style(scheme)
        label, symbol = scheme_label(scheme), SYMBOLS[marker]
        of_scheme = made["scheme"] == scheme
        sets.append((label, made[of_scheme & ~best], colour, f"{symbol}-open", 7))
        sets.append((f"{label}: distinct meta-stable", made[of_scheme & best], colour, symbol, 10))
    sets = [entry for entry in sets if len(entry[1])]
    if len(elements) == 3:
        return _triangle(sets, elements, vertices)
    return _plane(sets, elements, vertices, meta_stable)


def _hover(rows: pd.DataFrame) -> dict:
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


def _plane(sets: list, elements: Sequence[str], vertices: pd.DataFrame, meta_stable: float) -> Figure:
    binary = len(elements) == 2
    x = "fraction" if binary else "e_above_hull"
    figure = Figure()
    for name, rows, colour, symbol, size in sets:
        figure.add_trace(
            Scatter(
                x=rows[x].tolist(),
                y=rows["formation_energy"].tolist(),
                mode="markers",
                name=f"{name} ({len(rows):,})",
                marker={"color": colour, "symbol": symbol, "size": size},
                **_hover(rows),
            )  # fmt: skip
        )
    if binary:
        points = np.concatenate([[0.0], vertices["fraction"], [1.0]])
        energies = np.concatenate([[0.0], vertices["formation_energy"], [0.0]])
        dense = np.linspace(0, 1, 101)
        limit = np.interp(dense, points, energies) + meta_stable
        names = ["", *map(str, map(formula_html, vertices["formula"])), ""]
        line = {"mode": "lines", "hoverinfo": "skip", "meta": _INK}
        figure.add_trace(
            Scatter(
                x=points.tolist(),
                y=energies.tolist(),
                name="convex hull",
                text=names,
                textposition="bottom center",
                **(line | {"mode": "lines+text"}),
            )  # fmt: skip
        )
        limits = np.where(limit < 0, limit, np.nan)
        figure.add_trace(
            Scatter(
                x=dense.tolist(),
                y=[None if np.isnan(value) else value for value in limits.tolist()],
                line={"dash": "dash", "width": 1},
                name=f"hull + {meta_stable:.3f} eV/atom",
                **line,
            )  # fmt: skip
        )
    else:
        figure.add_vline(x=meta_stable, line={"dash": "dash", "color": GREY, "width": 1})
    low, high = energy_limits(pd.concat([rows["formation_energy"] for _, rows, *_ in sets]))
    figure.update_yaxes(title=title("formation_energy"), range=[low, high], zeroline=True)
    figure.update_xaxes(title=f"atomic fraction of {elements[-1]}" if binary else title("e_above_hull"))
    if binary:
        figure.update_xaxes(range=[-0.04, 1.04])
    else:
        distances = pd.concat([rows["e_above_hull"] for _, rows, *_ in sets])
        figure.update_xaxes(range=[min(distances.min(), 0) - 0.03, distances.quantile(0.97) + 0.03])
    return _laid_out(figure)


def _triangle(sets: list, elements: Sequence[str], vertices: pd.DataFrame) -> Figure:
    figure = Figure()
    corners = dict(zip("abc", elements, strict=True))

    def where(formulas: pd.Series | Sequence[str]) -> dict[str, list[float]]:
        compositions = [Composition(formula) for formula in formulas]
        return {key: [c.get_atomic_fraction(element) for c in compositions] for key, element in corners.items()}

    for start, end in _edges(elements, vertices):
        figure.add_trace(
            Scatterternary(
                **where([start, end]), mode="lines", line={"width": 1}, showlegend=False, hoverinfo="skip", meta=_INK
            )
        )
    for number, (name, rows, _, symbol, size) in enumerate(sets):
        rows = rows.sort_values("e_above_hull", ascending=False)  # draws the lowest crystal of a composition on top
        bar = {"title": {"text": "hull distance<br>(eV/atom)"}, "thickness": 12, "len": 0.7}
        marker = {"color": rows["e_above_hull"].tolist(), "colorscale": "Cividis", "cmin": 0, "cmax": 0.3}
        marker |= {"symbol": symbol.removesuffix("-open"), "size": size + 2, "line": {"width": 0.6, "color": GREY}}
        marker |= {"showscale": number == 0, "colorbar": bar}
        figure.add_trace(
            Scatterternary(
                **where(rows["formula"]), mode="markers", name=f"{name} ({len(rows):,})", marker=marker, **_hover(rows)
            )
        )
    axes = {f"{key}axis": {"title": {"text": element}, "min": 0} for key, element in corners.items()}
    figure.update_layout(ternary={**axes, "bgcolor": "rgba(0,0,0,0)"}, height=560)
    return _laid_out(figure).update_layout(margin_t=60)  # the label of the upper corner is above the triangle


def _edges(elements: Sequence[str], vertices: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the tie lines of the hull as pairs of reduced formulas."""
    entries = [PDEntry(element, 0.0) for element in elements]
    for row in vertices.itertuples():
        composition = Composition(row.formula)
        entries.append(PDEntry(composition, row.formation_energy * composition.num_atoms))
    diagram = PhaseDiagram(entries)
    names = [entry.composition.reduced_formula for entry in diagram.qhull_entries]
    pairs = {tuple(sorted((facet[i], facet[i - 1]))) for facet in diagram.facets for i in range(len(facet))}
    return [(names[i], names[j]) for i, j in sorted(pairs)]


def generated_graphs(
    shards: Iterable[tuple[str, Mapping[str, np.ndarray]]],
) -> dict[str, tuple[list[str], np.ndarray]]:
    """Return scheme -> ids and crystal graphs of its candidates, joined from its shards."""
    parts: dict[str, list[Mapping[str, np.ndarray]]] = {}
    for scheme, arrays in shards:
        parts.setdefault(scheme, []).append(arrays)
    return {
        scheme: (
            [str(name) for arrays in found for name in arrays["ids"]],
            np.concatenate([arrays["graphs"] for arrays in found]),
        )
        for scheme, found in parts.items()
    }


def latent_plot(
    known: Mapping[str, np.ndarray],
    generated: Mapping[str, tuple[Sequence[str], np.ndarray]],
    database: pd.DataFrame,
    candidates: pd.DataFrame,
) -> Figure | None:
    """Plot a map of the crystal graphs of database and candidates, see :func:`neighbour_map`.

    Relaxed crystals are coloured by formation energy; some of the unrelaxed candidates are shown in grey. A candidate
    of several schemes is drawn once, for the scheme that generated it.

    Args:
        known: ``ids`` and ``graphs`` (n, side, side, 1) of the database.
        generated: Scheme -> ids and crystal graphs of its candidates.
        database: Table of the database.
        candidates: Evaluated candidates.

    Returns:
        The figure; ``layout.meta`` has the trustworthiness of the map and of the plane of the first two principal
        components. None if the database has fewer than three crystal graphs.
    """
    if len(known["graphs"]) < 3:
        return None
    database, candidates = complete(database, *_COLUMNS), once_each(complete(candidates, *_COLUMNS))
    sets = [("", _to_map(known["ids"], known["graphs"], database, MOST_MAPPED, 0), database, "circle")]
    for scheme, (ids, graphs) in generated.items():
        rows = candidates[candidates["scheme"] == scheme]
        if not is_screen(scheme) and len(graphs):
            symbol = SYMBOLS[scheme_style(scheme)[1]]
            sets.append((scheme, _to_map(ids, graphs, rows, len(rows), MOST_OTHERS), rows, symbol))
    places, *trusted = neighbour_map(np.concatenate([graphs for _, (_, graphs), _, _ in sets]))
    energies = with_energy(pd.concat([database, candidates]))["formation_energy"]
    low, high = (float(energies.quantile(q)) for q in (0, 0.9)) if len(energies) else (0.0, 1.0)
    bar = {"title": {"text": "formation energy<br>(eV/atom)"}, "thickness": 12, "len": 0.8}
    scale = {"colorscale": "Cividis", "cmin": low, "cmax": high, "colorbar": bar}
    figure, start, front = Figure(), 0, []
    for name, (ids, _), table, symbol in sets:
        place = pd.DataFrame(np.round(places[start : start + len(ids)], 3), index=pd.Index(ids), columns=["x", "y"])
        start += len(ids)
        rows = with_energy(table[table["id"].isin(place.index)]).drop_duplicates("id")
        at, others = place.loc[rows["id"]], place.drop(index=rows["id"])
        label = scheme_label(name) if name else "database"
        if len(others) and name:
            marker = {"color": GREY, "symbol": f"{symbol}-open", "size": 5}
            style = {"mode": "markers", "hoverinfo": "skip", "opacity": 0.45, "marker": marker}
            figure.add_trace(
                Scatter(
                    x=list(others["x"]), y=list(others["y"]), name=f"{label}, not relaxed ({len(others):,})", **style
                )
            )
        marker = {"color": list(rows["formation_energy"]), "symbol": symbol, "size": 8, **scale}
        marker |= {"showscale": not front, "line": {"width": 0.6, "color": GREY}}
        label = f"{label}, relaxed ({len(rows):,})" if name else f"{label} ({len(rows):,})"
        front.append(
            Scatter(x=list(at["x"]), y=list(at["y"]), mode="markers", name=label, marker=marker, **_hover(rows))
        )
    figure.add_traces(front[::-1])  # the database on top, because it is the smaller set
    figure.update_xaxes(title="map coordinate 1 (no unit)", showticklabels=False)
    figure.update_yaxes(title="map coordinate 2 (no unit)", showticklabels=False)
    figure.update_layout(meta=dict(zip(("map", "plane"), trusted, strict=True)))
    return _laid_out(figure)


def _to_map(
    ids: Sequence[str], graphs: np.ndarray, table: pd.DataFrame, most: int, others: int
) -> tuple[list[str], np.ndarray]:
    """Return ids and graphs of ``most`` crystals of the table, nearest to the hull, and of ``others`` others."""
    row = {str(name): number for number, name in enumerate(ids)}
    wanted = table.sort_values("e_above_hull", kind="stable")["id"].drop_duplicates()
    chosen = [name for name in wanted if name in row][:most]
    chosen += [name for name in row if name not in set(chosen)][:others]
    return chosen, np.asarray(graphs)[[row[name] for name in chosen]]


def _laid_out(figure: Figure) -> Figure:
    """Set the layout that all plots share: no background, legend below, narrow margins."""
    figure.update_layout(
        template=go.layout.Template(),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        legend={"orientation": "h", "y": -0.18, "yanchor": "top", "x": 0},
        hovermode="closest",
        dragmode="pan",
    )
    figure.update_layout(height=figure.layout.height or 520)
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
