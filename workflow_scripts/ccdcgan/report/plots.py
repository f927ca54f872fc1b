"""Interactive plots of the report, with plotly: formation energies with the hull, and the map of the latent space.

The page sets the colour of text and of lines marked ``meta: ink``, so that the plots work in light and dark mode. The
first entry of the ``customdata`` of a point is the id of the crystal, which is shown when the point is clicked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.graph_objects import Figure, Scatter, Scatterternary
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from ccdcgan.columns import scheme_label, title
from ccdcgan.database.thermodynamics import compounds, hull_phases, hull_vertices, with_energy
from ccdcgan.evaluation.best import once_each
from ccdcgan.figures.energies import energy_limits
from ccdcgan.figures.latent import neighbour_map
from ccdcgan.figures.style import GREY, scheme_style
from ccdcgan.report.formatting import formula_html
from ccdcgan.report.overview.marks import INK, Marks, hover, ranks
from ccdcgan.schemes import SCHEMES, is_screen
from ccdcgan.utils.tables import complete

SYMBOLS = {
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "s": "square",
    "D": "diamond",
    "P": "cross",
    "X": "x",
    "*": "star",
    "p": "pentagon",
}
"""Marker of matplotlib -> symbol of plotly."""
KNOWN_STYLE = "#8a5a00", "hexagon-open"
"""Colour and symbol of the known phases; the colour is legible on light and dark pages."""
MOST_NUMBERED = 4
"""Number of the best candidates that are numbered in the hull plot, as on the cards of the page."""
LABEL = {"showarrow": True, "arrowhead": 0, "arrowwidth": 1, "borderpad": 2, "font": {"size": 12}}
"""Style of the rank of a candidate beside its mark; the page sets the colours."""
MOST_POINTS = 6000
"""Maximum number of database crystals in the hull plot, those nearest to the hull; more would be slow."""
MOST_MAPPED = 3000
"""Maximum number of database crystals on the latent map, those nearest to the hull."""
MOST_OTHERS = 200
"""Maximum number of unrelaxed candidates of each scheme on the latent map."""
_COLUMNS = ("id", "formula", "fraction", "formation_energy", "e_above_hull", "space_group")


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
    sets = [
        Marks(f"database ({len(crystals):,})", "crystals", crystals, GREY, "circle-open", 5),
        Marks(f"known phases ({len(phases):,})", "known", phases, *KNOWN_STYLE, 11),
    ]
    found = []
    for scheme in schemes:
        colour, marker = scheme_style(scheme)
        label, symbol = scheme_label(scheme), SYMBOLS[marker]
        size = 8 if symbol == "star" else 6
        rows = made[made["scheme"] == scheme]
        chosen, others = rows[rows["best"].astype(bool)], rows[~rows["best"].astype(bool)]
        name = f"{label} ({len(chosen):,} of {len(rows):,})"
        sets.append(Marks(name, scheme, others, colour, f"{symbol}-open", size, not len(chosen)))
        found.append(Marks(name, scheme, chosen, colour, symbol, size + 5))
    sets = [marks for marks in [*sets, *found] if len(marks.rows)]  # the best candidates are drawn on top
    numbered = made[made["first"].astype(bool)].head(MOST_NUMBERED)
    if len(elements) == 3:
        return _triangle(sets, elements, vertices, numbered)
    return _plane(sets, elements, vertices, meta_stable, numbered)


def _plane(
    sets: Sequence[Marks],
    elements: Sequence[str],
    vertices: pd.DataFrame,
    meta_stable: float,
    numbered: pd.DataFrame,
) -> Figure:
    binary = len(elements) == 2
    x = "fraction" if binary else "e_above_hull"
    figure = Figure()
    for marks in sets:
        marker = {"color": marks.colour, "symbol": marks.symbol, "size": marks.size}
        marker |= {"opacity": 0.5} if marks.symbol.endswith("-open") and marks.group in SCHEMES else {}
        places = {"x": marks.rows[x].tolist(), "y": marks.rows["formation_energy"].tolist()}
        figure.add_trace(Scatter(**places, marker=marker, **marks.trace()))
    if binary:
        points = np.concatenate([[0.0], vertices["fraction"], [1.0]])
        energies = np.concatenate([[0.0], vertices["formation_energy"], [0.0]])
        dense = np.linspace(0, 1, 101)
        limit = np.interp(dense, points, energies) + meta_stable
        names = ["", *map(str, map(formula_html, vertices["formula"])), ""]
        line = {"mode": "lines", "hoverinfo": "skip", "meta": INK}
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
    lowest = vertices.loc[vertices["formation_energy"].idxmin(), "fraction"] if binary and len(vertices) else 0.5
    for rank, row in enumerate(numbered.to_dict("records"), start=1):
        # outside the hull, where there are no marks; those of one composition beside each other
        side = -1 if binary and row[x] < lowest else 1
        same = int((numbered[x].iloc[: rank - 1] - row[x]).abs().lt(0.02).sum())
        shift = {"ax": side * (36 + 20 * same), "ay": 22}
        figure.add_annotation(x=row[x], y=row["formation_energy"], text=f"<b>{rank}</b>", **shift, **LABEL)
    low, high = energy_limits(pd.concat([marks.rows["formation_energy"] for marks in sets]))
    figure.update_yaxes(title=title("formation_energy"), range=[low, high], zeroline=True)
    figure.update_xaxes(title=f"atomic fraction of {elements[-1]}" if binary else title("e_above_hull"))
    if binary:
        figure.update_xaxes(range=[-0.03, 1.03])
    else:
        distances = pd.concat([marks.rows["e_above_hull"] for marks in sets])
        figure.update_xaxes(range=[min(distances.min(), 0) - 0.03, distances.quantile(0.97) + 0.03])
    return _laid_out(figure)


def _triangle(sets: Sequence[Marks], elements: Sequence[str], vertices: pd.DataFrame, numbered: pd.DataFrame) -> Figure:
    figure = Figure()
    corners = dict(zip("abc", elements, strict=True))

    def where(formulas: pd.Series | Sequence[str]) -> dict[str, list[float]]:
        compositions = [Composition(formula) for formula in formulas]
        return {key: [c.get_atomic_fraction(element) for c in compositions] for key, element in corners.items()}

    for start, end in _edges(elements, vertices):
        figure.add_trace(
            Scatterternary(
                **where([start, end]), mode="lines", line={"width": 1}, showlegend=False, hoverinfo="skip", meta=INK
            )
        )
    for place, marks in enumerate(sets):
        rows = marks.rows.sort_values("e_above_hull", ascending=False)  # the lowest crystal of a composition is on top
        bar = {"title": {"text": "hull distance<br>(eV/atom)"}, "thickness": 12, "len": 0.7}
        marker = {"color": rows["e_above_hull"].tolist(), "colorscale": "Cividis", "cmin": 0, "cmax": 0.3}
        marker |= {"symbol": marks.symbol.removesuffix("-open"), "size": marks.size + 2}
        marker |= {"line": {"width": 0.6, "color": GREY}, "showscale": place == 0, "colorbar": bar}
        trace = replace(marks, rows=rows).trace()
        figure.add_trace(Scatterternary(**where(rows["formula"]), marker=marker, cliponaxis=False, **trace))
    if len(numbered):
        figure.add_trace(Scatterternary(**where(numbered["formula"]), **ranks(numbered)))
    axes = {f"{key}axis": {"title": {"text": element}, "min": 0} for key, element in corners.items()}
    figure.update_layout(ternary={**axes, "bgcolor": "rgba(0,0,0,0)"})
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
            Scatter(x=list(at["x"]), y=list(at["y"]), mode="markers", name=label, marker=marker, **hover(rows))
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
    """Set the layout that all plots share: no background, narrow margins."""
    figure.update_layout(
        template=go.layout.Template(),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 12, "t": 12, "b": 45},
        showlegend=False,  # the page writes the legend below the plot, where it covers nothing
        hovermode="closest",
        dragmode="pan",
    )
    return figure
