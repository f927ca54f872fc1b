"""Summary of a run, as the table in Results of Long et al.; every ratio has a numerator and a denominator."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ccdcgan import quantities
from ccdcgan.crystals.symmetry import NOT_META_STABLE, SYMMETRISED
from ccdcgan.evaluation.best import THRESHOLDS, classify, distinct_among
from ccdcgan.reasons import REPEAT
from ccdcgan.schemes import screening


def summarise(
    candidates: pd.DataFrame,
    n_graphs: int,
    n_candidates: int,
    n_graphs_relaxed: int,
    sun: float,
    msun: float = THRESHOLDS["meta_stable"],
) -> list[dict[str, Any]]:
    """Return the rows of the summary for one scheme.

    Args:
        candidates: Candidates selected for relaxation: status, formula, formation_energy and e_above_hull (eV/atom),
            distinct, stability, space_group, known, repaired, rmsd (angstrom), and the columns of
            ``quantities.GUESSES``.
        n_graphs: Number of generated crystal graphs ("images" in Long et al.).
        n_candidates: Number of candidates among them.
        n_graphs_relaxed: Number of crystal graphs that the relaxed candidates represent: the denominator of all ratios
            per image. It is smaller than ``n_graphs`` if only the first candidates were relaxed.
        sun: Hull distance (eV/atom) below which a distinct candidate is S.U.N. (stable, unique, novel). The formation
            energy may be positive.
        msun: The same for mSUN (meta-stable, unique, novel).

    Returns:
        Rows with quantity, numerator, denominator, value and unit.
    """
    n_sent = len(candidates)
    relaxed = candidates[candidates["status"] == "ok"]
    n_relaxed = len(relaxed)
    meta = relaxed["stability"].isin(["stable", "meta-stable"])
    stable = relaxed["stability"] == "stable"
    distinct = relaxed["distinct"].astype(bool)
    negative = relaxed["formation_energy"] < 0
    best = distinct & meta
    n_sun, n_msun = ((distinct & (relaxed["e_above_hull"] < limit)).sum() for limit in (sun, msun))

    return [
        _ratio(quantities.SUCCESS_RATE, n_candidates, n_graphs),
        _ratio(quantities.RELAXED, n_relaxed, n_sent),
        _ratio(quantities.NEGATIVE, negative.sum(), n_relaxed),
        _ratio(quantities.META_STABLE, meta.sum(), n_relaxed),
        _ratio(quantities.STABLE, stable.sum(), n_relaxed),
        _ratio(quantities.DISTINCT, distinct.sum(), n_relaxed),
        _ratio(quantities.DISTINCT_META_STABLE_PER_GRAPH, (distinct & meta).sum(), n_graphs_relaxed),
        _ratio(quantities.DISTINCT_STABLE_PER_GRAPH, (distinct & stable).sum(), n_graphs_relaxed),
        _ratio(quantities.DISTINCT_META_STABLE, (distinct & meta).sum(), n_sent),
        _ratio(quantities.DISTINCT_STABLE, (distinct & stable).sum(), n_sent),
        *_by_matcher(relaxed, meta, stable, n_sent),
        _average(quantities.MEAN_ENERGY, relaxed["formation_energy"].mean(), n_relaxed, "eV/atom"),
        _ratio(quantities.SUN_PER_GRAPH, n_sun, n_graphs_relaxed),
        _ratio(quantities.SUN, n_sun, n_sent),
        _ratio(quantities.MSUN, n_msun, n_sent),
        _ratio(quantities.UNKNOWN, (best & (relaxed["known"] == "")).sum(), best.sum()),
        _ratio(quantities.COMPOSITIONS, relaxed["formula"].nunique(), n_relaxed),
        _ratio(quantities.P1, (relaxed["space_group"] == "P1").sum(), n_relaxed),
        _ratio(quantities.P1_BEST, (best & (relaxed["space_group"] == "P1")).sum(), best.sum()),
        _ratio(quantities.REPAIRED, (candidates["repaired"] != "").sum(), n_sent),
        _average(quantities.RMSD, relaxed["rmsd"].median(), n_relaxed, "angstrom"),
        *_symmetry(relaxed),
        *(
            _average(quantity, (relaxed[guess] - relaxed["formation_energy"]).abs().mean(), n_relaxed, "eV/atom")
            for quantity, guess in quantities.GUESSES.items()
        ),
    ]


def _by_matcher(relaxed: pd.DataFrame, meta: pd.Series, stable: pd.Series, n_sent: int) -> list[dict[str, Any]]:
    """Return the counts of earlier versions, in which variants are distinct, and the number of variants."""
    if "distinct_by_matcher" not in relaxed:
        return []
    distinct = relaxed["distinct_by_matcher"].astype(bool)
    return [
        _ratio(quantities.DISTINCT_META_STABLE_BY_MATCHER, (distinct & meta).sum(), n_sent),
        _ratio(quantities.DISTINCT_STABLE_BY_MATCHER, (distinct & stable).sum(), n_sent),
        _ratio(quantities.VARIANTS, (relaxed["variant"] != "").sum(), len(relaxed)),
    ]


def _symmetry(relaxed: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows on symmetrisation and on the RMSD by the definition of MatterGen, if the table has them."""
    rows = []
    if "rmsd_matched" in relaxed:
        rows.append(_average(quantities.RMSD_MATCHED, relaxed["rmsd_matched"].mean(), len(relaxed), "angstrom"))
    if "symmetrisation" in relaxed and (relaxed["symmetrisation"] != "").any():
        tried = relaxed.loc[relaxed["symmetrisation"] != NOT_META_STABLE, "symmetrisation"]
        rows.append(_ratio(quantities.SYMMETRISED, (tried == SYMMETRISED).sum(), len(tried)))
    return rows


def _ratio(quantity: str, numerator: int, denominator: int) -> dict[str, Any]:
    """Return a row that counts ``numerator`` crystals out of ``denominator``."""
    return {
        "quantity": quantity,
        "numerator": int(numerator),
        "denominator": int(denominator),
        "value": numerator / denominator if denominator else np.nan,
        "unit": "",
    }


def _average(quantity: str, value: float, denominator: int, unit: str) -> dict[str, Any]:
    """Return a row with an average over ``denominator`` crystals; NaN for zero crystals."""
    value = float(value) if denominator else np.nan
    return {"quantity": quantity, "numerator": np.nan, "denominator": denominator, "value": value, "unit": unit}


def in_order_of_quantities(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a summary, those of a scheme together; its comparison with random crystals comes second.

    The success rate is the first row of a scheme.

    Args:
        rows: Rows of all schemes, in any order of the schemes.
    """
    first = {quantities.SUCCESS_RATE: 0} | dict.fromkeys(
        (quantities.ENHANCEMENT, quantities.ACCELERATION, quantities.AREA), 1
    )
    schemes = {scheme: number for number, scheme in enumerate(dict.fromkeys(rows["scheme"]))}
    place = pd.DataFrame({"scheme": rows["scheme"].map(schemes), "quantity": rows["quantity"].map(first).fillna(2)})
    return rows.loc[place.sort_values(["scheme", "quantity"], kind="stable").index].reset_index(drop=True)


def evaluate_scheme(
    scheme: str,
    placed: pd.DataFrame,
    predicted: pd.DataFrame,
    losses: pd.DataFrame,
    screen: float,
    thresholds: Mapping[str, float],
    compositions: Collection[str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluate one scheme, and the scheme that screens its candidates.

    Args:
        scheme: Name of the scheme.
        placed: Table of the candidates selected for relaxation.
        predicted: Table of all candidates: id, formula, and predictions (eV/atom), among them the columns of
            ``quantities.GUESSES``. Of a campaign, whose other proposals have no prediction, those selected for
            relaxation.
        losses: Counts from :func:`ccdcgan.candidates.selection.select`: reason, count, within_selection.
        screen: Maximum predicted formation energy of the screening scheme, eV/atom; 0.3 in Long et al.
        thresholds: Hull distances (eV/atom) of ``stable`` and ``meta_stable`` crystals.
        compositions: Reduced formulas to which the relaxation was restricted; None: no restriction. With a restriction,
            one more row counts the candidates of these compositions.

    Returns:
        The table of the candidates and the rows of the summary.
    """
    placed = placed.merge(predicted.drop(columns="formula"), on="id", how="left", validate="one_to_one")
    n_graphs, n_graphs_relaxed = int(losses["count"].sum()), int(losses["within_selection"].sum())
    made = losses[losses["reason"].isin(["", REPEAT])]["count"].sum()
    selections = {scheme: (placed, predicted, int(made))}
    screen_scheme = screening(scheme)
    if screen_scheme:
        kept, made = (table[table["predicted_formation_energy"] <= screen] for table in (placed, predicted))
        selections[screen_scheme] = kept, made, len(made)
    tables, rows = [], []
    for name, (table, predictions, n_made) in selections.items():
        table = table.assign(
            scheme=name,
            distinct=distinct_among(table),
            **({"distinct_by_matcher": distinct_among(table, by_matcher=True)} if "variant" in table else {}),
            stability=classify(table["formation_energy"], table["e_above_hull"], thresholds),
        )
        tables.append(table)
        limits = thresholds["stable"], thresholds["meta_stable"]
        summary = summarise(table, n_graphs, n_made, n_graphs_relaxed, *limits)
        if compositions is not None:
            asked = predictions["formula"].isin(compositions).mean() if len(predictions) else 0
            summary.insert(1, _ratio(quantities.ASKED, round(asked * n_made), n_made))
        rows.append(pd.DataFrame(summary).assign(scheme=name))
    return pd.concat(tables, ignore_index=True), pd.concat(rows, ignore_index=True)
