"""Tables of the report, and the results of Long et al. for comparison."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from ccdcgan import columns, quantities
from ccdcgan.columns import scheme_label, title
from ccdcgan.database.thermodynamics import compounds, hull_vertices
from ccdcgan.evaluation.constraint_accuracy import parity_metrics
from ccdcgan.reasons import reason_label
from ccdcgan.report.formatting import NO_BREAK, formula_html, group_html, number, percent, ratio, text, words
from ccdcgan.schemes import PAPER as PAPER_SCHEMES
from ccdcgan.utils.tables import is_true

_RATIOS = (
    (quantities.SUCCESS_RATE, (2397, 13000), (1998, 13000), (3106, 13000)),
    (quantities.NEGATIVE, (2183, 2397), (1887, 1998), (2918, 3106)),
    (quantities.META_STABLE, (1110, 2397), (1028, 1998), (1417, 3106)),
    (quantities.STABLE, (21, 2397), (8, 1998), (21, 3106)),
    (quantities.DISTINCT, (313, 2397), (151, 1998), (373, 3106)),
    (quantities.DISTINCT_META_STABLE_PER_GRAPH, (47, 13000), (35, 13000), (90, 13000)),
    (quantities.DISTINCT_STABLE_PER_GRAPH, (6, 13000), (2, 13000), (5, 13000)),
    (quantities.DISTINCT_META_STABLE, (47, 2397), (35, 1998), (90, 3106)),
    (quantities.DISTINCT_STABLE, (6, 2397), (2, 1998), (5, 3106)),
)
PAPER: Mapping[tuple[str, str], tuple[int, int]] = {
    (quantity, scheme): ratio
    for quantity, *ratios in _RATIOS
    for scheme, ratio in zip(PAPER_SCHEMES, ratios, strict=True)
}
"""(quantity, scheme) -> numerator and denominator for Bi-Se of Long et al., Results."""
PAPER_MEANS: Mapping[str, float] = {"dcgan": -0.0788, "dcgan+constraint": -0.0868, "ccdcgan": -0.0895}
"""Scheme -> mean formation energy (eV/atom) for Bi-Se of Long et al., Results."""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        caption: Caption.
        heads: Heads of the columns.
        rows: Rows of cells, text or Markup.
        numeric: Indices of right-aligned columns.
        empty: Text in place of a table without rows.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    empty: str = "none."


def summary_table(summary: pd.DataFrame, schemes: Sequence[str], paper: bool) -> Table:
    """Return the summary, one column for each scheme.

    Args:
        summary: The summary of the run.
        schemes: Schemes to show.
        paper: Whether to show the values of Long et al. as well.
    """
    entries = {(row.quantity, row.scheme): row for row in summary.itertuples()}
    rows = []
    for quantity in dict.fromkeys(summary["quantity"]):
        cells = []
        for scheme in schemes:
            row = entries.get((quantity, scheme))
            if row is None:
                cells.append("–")
            elif pd.isna(row.numerator):
                unit = f"{NO_BREAK}{row.unit}" if isinstance(row.unit, str) and row.unit else ""
                count = "" if pd.isna(row.denominator) else f", n{NO_BREAK}={NO_BREAK}{int(row.denominator):,}"
                cells.append("–" if pd.isna(row.value) else f"{number(row.value, 4)}{unit}{count}")
            else:
                cells.append(ratio(row.numerator, row.denominator))
            if paper and (quantity, scheme) in PAPER:
                cells[-1] = _with_paper(cells[-1], ratio(*PAPER[quantity, scheme]))
            elif paper and quantity == quantities.MEAN_ENERGY and scheme in PAPER_MEANS:
                cells[-1] = _with_paper(cells[-1], f"{number(PAPER_MEANS[scheme], 4)} eV/atom")
        rows.append([words(quantity), *cells])
    heads = ("quantity", *map(scheme_label, schemes))
    numeric = frozenset(range(1, len(heads)))
    return Table("Results of each scheme", heads, rows, numeric, "no scheme was evaluated.")


def scatter_table(scatter: pd.DataFrame | None, schemes: Sequence[str]) -> Table:
    """Return mean and standard deviation of every quantity over runs with other seeds, one column for each scheme."""
    rows = pd.DataFrame() if scatter is None else scatter
    n_runs = int(rows["n_runs"].max()) if len(rows) else 0
    entries = {(row.quantity, row.scheme): row for row in rows.itertuples()}
    names = dict.fromkeys(rows["quantity"]) if len(rows) else ()
    cells = [[words(name), *(_scattered(entries.get((name, scheme)), n_runs) for scheme in schemes)] for name in names]
    caption = f"Mean and standard deviation of {n_runs} runs with different seeds (lowest to highest)"
    heads = ("quantity", *map(scheme_label, schemes))
    return Table(caption, heads, cells, frozenset(range(1, len(heads))), "no runs with other seeds were given.")


def _scattered(row: Any, n_runs: int) -> str:
    """Return mean, standard deviation and range, fractions in percent, and the number of runs if below ``n_runs``."""
    if row is None or not row.n_runs:
        return "–"
    has_unit = isinstance(row.unit, str) and row.unit
    scale, digits, unit = (1, 3, row.unit) if has_unit else (100, 2 if row.highest < 0.05 else 1, "%")
    mean, deviation, lowest, highest = (
        number(scale * value, digits) for value in (row.mean, row.standard_deviation, row.lowest, row.highest)
    )
    of = f", {int(row.n_runs)} runs" if row.n_runs < n_runs else ""
    return f"{mean}{NO_BREAK}±{NO_BREAK}{deviation}{NO_BREAK}{unit} ({lowest} to {highest}{of})"


def _with_paper(cell: str, value: str) -> Markup:
    return Markup("{} <small>paper: {}</small>").format(cell, value)


def losses_table(losses: pd.DataFrame, schemes: Sequence[str]) -> Table:
    """Return the number of rejected crystals of each scheme by reason, the most frequent first."""
    lost = losses[losses["scheme"].isin(schemes) & (losses["reason"] != "")]
    table = lost.pivot_table(index="reason", columns="scheme", values="count", aggfunc="sum", fill_value=0)
    table = table.reindex(columns=list(schemes), fill_value=0)
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    rows = [
        (reason_label(reason), *(f"{int(n):,}" for n in row))
        for reason, row in zip(table.index, table.values, strict=True)
    ]
    if rows:
        rows.append(("all", *(f"{int(n):,}" for n in table.sum())))
    heads = ("reason", *map(scheme_label, schemes))
    return Table("Rejected or failed, by reason", heads, rows, frozenset(range(1, len(heads))), "nothing was rejected.")


def database_table(database: pd.DataFrame, thresholds: Mapping[str, float]) -> Table:
    """Return the numbers of relaxed and of stable crystals of the database."""
    relaxed = database[database["status"] == "ok"]
    negative = relaxed["formation_energy"] < 0
    counts = [("relaxed", len(relaxed), len(database)), ("formation energy < 0", negative.sum(), len(relaxed))]
    for name, key in (("meta-stable", "meta_stable"), ("stable", "stable")):
        counts.append((name, (negative & (relaxed["e_above_hull"] < thresholds[key])).sum(), len(relaxed)))
    rows = [(name, ratio(numerator, denominator)) for name, numerator, denominator in counts]
    rows = rows if len(database) else []
    return Table("Crystals of the database", ("crystals", "number"), rows, frozenset({1}), "it is empty.")


def hull_table(phases: pd.DataFrame, elements: Sequence[str]) -> Table:
    """Return the compounds on the hull.

    Args:
        phases: Crystals of the database and known phases, from :func:`ccdcgan.database.thermodynamics.hull_phases`.
        elements: Elements of the system.
    """
    heads = ("formula", f"atomic fraction of {elements[-1]}", title("formation_energy"), "id", title("known"))
    known = phases.drop_duplicates("id").set_index("id").get("known", pd.Series(dtype=str))
    rows = [
        (formula_html(row.formula), number(row.fraction), number(row.formation_energy))
        + (str(row.id), text(known.get(row.id, "")))
        for row in hull_vertices(phases).itertuples()
    ]
    return Table("Compounds on the convex hull", heads, rows, frozenset({1, 2}))


def known_table(known: pd.DataFrame) -> Table:
    """Return the known compounds, nearest to the hull first, and which crystal of the database each of them equals."""
    columns_shown = ("formula", "space_group", "e_above_hull", "formation_energy", "source_formation_energy")
    rows = [
        (formula_html(row["formula"]), group_html(text(row["space_group"])))
        + tuple(number(row[name]) for name in columns_shown[2:])
        + (str(row["id"]), _in_database(row))
        for row in compounds(known).sort_values(["e_above_hull", "id"]).to_dict("records")
    ]
    heads = (*(title(name) for name in columns_shown), title("id"), "in the database")
    return Table("Known compounds, relaxed with the same engine", heads, rows, frozenset({2, 3, 4}), "there are none.")


def _in_database(row: Mapping[str, Any]) -> str:
    """Return the crystal of the database that a known phase equals, "no", or why the phase was not relaxed."""
    if row["status"] != "ok":
        return f"not relaxed: {reason_label(row['reason'])}"
    return row["repeats"] or "no"


def references_table(references: pd.DataFrame) -> Table:
    """Return the elemental references."""
    names = ("element", "prototype", "energy_per_atom", "id")
    rows = [
        (str(row.element), str(row.prototype), number(row.energy_per_atom, 4), str(row.id))
        for row in references.itertuples()
    ]
    return Table(
        "Reference crystals of the elements, with formation energy zero",
        [title(n) for n in names],
        rows,
        frozenset({2}),
    )


def reasons_table(caption: str, frame: pd.DataFrame) -> Table:
    """Return how often each reason occurs in a table of crystals, the commonest first."""
    reasons = frame["reason"].fillna("")
    counts = reasons[reasons != ""].value_counts(sort=True)
    rows = [(reason_label(reason), f"{count:,}") for reason, count in counts.items()]
    return Table(caption, ("reason", "number"), rows, frozenset({1}))


def reconstruction_table(reconstruction: pd.DataFrame) -> Table:
    """Return the numbers of reconstructed crystals of each split."""
    rows = []
    for split, name in (*columns.SPLITS.items(), (None, "all")):
        part = reconstruction if split is None else reconstruction[reconstruction["split"] == split]
        if part.empty:
            rows.append((name, "no crystals", "–", "–", "–"))
            continue
        voxels = is_true(part["voxels_matched"]).sum() if "voxels_matched" in part else None
        rms = part["rms"].median() if "rms" in part else math.nan
        error = part["sites_error"].mean() / part["sites_all_zero"].mean() if "sites_all_zero" in part else math.nan
        through = "–" if voxels is None else ratio(voxels, len(part))
        beside = "–" if pd.isna(error) else percent(error)
        rows.append((name, ratio(is_true(part["matched"]).sum(), len(part)), through, number(rms), beside))
    heads = (
        "split",
        "reconstructed from crystal graphs",
        "reconstructed from voxels alone",
        "median rms (no unit)",
        "error of the sites voxels relative to that of empty ones",
    )
    rows = rows if len(reconstruction) else []
    return Table("Reconstructed crystals", heads, rows, frozenset({1, 2, 3, 4}), "no crystal was encoded.")


def latents_table(latents: pd.DataFrame) -> Table:
    """Return the value ranges of the latents."""
    rows = [
        (
            row.latent if row.latent == "lattice" else f"atoms of {row.latent}",
            f"{row.n:,}",
            number(row.least),
            number(row.largest),
            number(row.spread),
            f"{100 * row.saturated_share:.2f} %",
            ratio(row.idle, row.components),
        )
        for row in latents.itertuples()
    ]
    heads = ("latent", "crystals", "least", "largest", "mean spread", "saturated values", "idle components")
    return Table("Value ranges of the latents", heads, rows, frozenset(range(1, 7)), "not measured.")


def latent_tests_table(tests: pd.DataFrame) -> Table:
    """Return the numbers of crystals decoded from latents with noise and from interpolated latents."""
    rows = []
    for row in tests.itertuples():
        noise = row.test == "noise"
        point = f"noise of {100 * row.level:g} %" if noise else f"{100 * row.level:g} % of the way to another crystal"
        counts = [ratio(part, row.n) for part in (row.n_decoded, row.n_valid, row.n_matched)]
        rows.append((point, *counts, number(row.mean_rms)))
    heads = ("latents", "decode to a crystal", "satisfy the distance rule", "equal the original", "mean rms (no unit)")
    caption = "Latents with noise, in standard deviations over the crystals, and between two crystals"
    return Table(caption, heads, rows, frozenset({1, 2, 3, 4}), "not measured.")


def constraint_table(parity: pd.DataFrame) -> Table:
    """Return the errors of the constraint on each split."""
    rows = [
        (
            columns.SPLITS[row.split],
            f"{row.n:,}",
            number(row.r2),
            number(row.mae, 4),
            number(row.baseline_mae, 4),
        )
        for row in parity_metrics(parity).itertuples()
    ]
    heads = ("split", "crystals", "R²", "MAE (eV/atom)", "MAE of the training mean (eV/atom)")
    rows = rows if len(parity) else []
    return Table(
        "Accuracy of the constraint",
        heads,
        rows,
        frozenset({1, 2, 3, 4}),
        "not trained.",
    )


def constraint_metrics_table(metrics: pd.DataFrame | None) -> Table:
    """Return the errors of the constraint and of its baselines on held-out crystals, by how these were held out."""
    rows = pd.DataFrame() if metrics is None else metrics[metrics["split"] == "held_out"]
    cells = [
        (row.method, row.held_out_by, f"{int(row.n):,}", number(row.r2), number(row.mae, 4))
        for row in rows.itertuples()
    ]
    heads = ("method", "held out by", "crystals", "R²", "MAE (eV/atom)")
    return Table("Constraint and baselines", heads, cells, frozenset({2, 3, 4}), "not measured; run snakemake models.")


def verified_table(verified: pd.DataFrame | None) -> Table:
    """Return the results of both engines for every verified crystal."""
    caption = "Both engines: candidates, competing phases and elements"
    if verified is None or verified.empty:
        return Table(caption, (), [], empty="not verified with a second engine.")
    heads = (
        "formula",
        "role",
        "formation energy (eV/atom)",
        "verified",
        "hull distance (eV/atom)",
        "verified",
        "same structure",
        "change of volume",
        "id",
    )
    rows = []
    for row in verified.to_dict("records"):
        ok = row["status"] == "ok"
        energies = ("formation_energy", "verified_formation_energy", "e_above_hull", "verified_e_above_hull")
        same = {"True": "yes", "False": "no"}.get(str(row.get("same_structure")), "–")
        same = same if ok else reason_label(row["reason"])
        change = "–" if pd.isna(row.get("volume_change")) else f"{number(100 * row['volume_change'], 1)} %"
        cells = (formula_html(row["formula"]), row["role"], *(number(row[name]) for name in energies))
        rows.append((*cells, same, change, str(row["id"])))
    return Table(caption, heads, rows, frozenset({2, 3, 4, 5, 7}))
