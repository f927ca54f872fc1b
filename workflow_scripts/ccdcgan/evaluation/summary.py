"""The paper's table (Long et al., Results): every ratio with its numerator and its denominator."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ccdcgan import columns
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.schemes import screening


def classify(formation_energies: pd.Series, hull_distances: pd.Series, thresholds: Mapping[str, float]) -> pd.Series:
    """Label each crystal "stable", "meta-stable" or "unstable"; "" where it has no energy.

    Stable: E_f < 0 and hull distance below ``thresholds["stable"]`` (eV/atom); meta-stable: the same with
    ``thresholds["meta_stable"]``. As in the paper every stable crystal counts as meta-stable too when counted.
    """
    labels = np.where(
        (formation_energies < 0) & (hull_distances < thresholds["stable"]),
        "stable",
        np.where((formation_energies < 0) & (hull_distances < thresholds["meta_stable"]), "meta-stable", "unstable"),
    )
    return pd.Series(np.where(formation_energies.notna(), labels, ""), index=formation_energies.index)


def find_repeats(
    candidates: Sequence[Crystal], database: Sequence[Crystal], uniqueness: Uniqueness
) -> tuple[list[str], list[bool]]:
    """Say for each candidate which crystal it repeats (id, "" for none), and whether it is new to the database.

    Only relaxed candidates (status "ok", with ``formation_energy``) are compared, lowest energy first, so the
    result does not depend on their order; the others get "" and False.
    """
    relaxed = sorted(
        (i for i, crystal in enumerate(candidates) if crystal.info["status"] == "ok"),
        key=lambda i: (candidates[i].info["formation_energy"], candidates[i].id),
    )
    verdicts = uniqueness.first_of_kind(
        [candidates[i].structure for i in relaxed], [crystal.structure for crystal in database]
    )
    repeats, novel = [""] * len(candidates), [False] * len(candidates)
    for i, verdict in zip(relaxed, verdicts, strict=True):
        kind, k = verdict or ("", 0)
        novel[i] = kind != "known"
        if kind:
            repeats[i] = database[k].id if kind == "known" else candidates[relaxed[k]].id
    return repeats, novel


def distinct_among(candidates: pd.DataFrame) -> pd.Series:
    """Mark one candidate, the lowest in energy, of every kind that is not in the database.

    candidates: any selection of placed candidates with ``repeats`` and ``novel`` of :func:`find_repeats`,
    ``status`` and ``formation_energy``. Works on selections,
    because candidates of one kind name the same representative.
    """
    kinds = candidates["repeats"].where(candidates["repeats"] != "", candidates["id"])
    new = (candidates["status"] == "ok") & candidates["novel"]
    order = candidates.assign(kind=kinds)[new].sort_values(["formation_energy", "id"])
    chosen = order.drop_duplicates("kind").index
    return pd.Series(candidates.index.isin(chosen), index=candidates.index)


def summarise(
    candidates: pd.DataFrame, n_images: int, n_candidates: int, n_images_relaxed: int, sun: float
) -> list[dict[str, Any]]:
    """Return the paper's rows for one scheme.

    candidates: the candidates that were sent to relaxation, with status, formula, formation_energy, e_above_hull,
    distinct, stability, space_group, known, repaired, rmsd (angstrom), and the columns of ``columns.GUESSES``.
    n_images: crystal graphs generated; n_candidates: those that became candidates; n_images_relaxed: the images behind
    the relaxed candidates (fewer than n_images where a limit on the number of relaxations applies), the denominator of
    everything per image; sun: the hull distance (eV/atom) below which a distinct candidate is S.U.N. (stable, unique,
    novel), whatever its formation energy.
    """
    n_sent = len(candidates)
    relaxed = candidates[candidates["status"] == "ok"]
    n_relaxed = len(relaxed)
    meta = relaxed["stability"].isin(["stable", "meta-stable"])
    stable = relaxed["stability"] == "stable"
    distinct = relaxed["distinct"].astype(bool)
    negative = relaxed["formation_energy"] < 0
    best = distinct & meta
    n_sun = (distinct & (relaxed["e_above_hull"] < sun)).sum()

    return [
        _ratio(columns.IMAGES, n_candidates, n_images),
        _ratio(columns.RELAXED, n_relaxed, n_sent),
        _ratio(columns.NEGATIVE, negative.sum(), n_relaxed),
        _ratio(columns.META_STABLE, meta.sum(), n_relaxed),
        _ratio(columns.STABLE, stable.sum(), n_relaxed),
        _ratio(columns.DISTINCT, distinct.sum(), n_relaxed),
        _ratio(columns.DISTINCT_META_STABLE_PER_IMAGE, (distinct & meta).sum(), n_images_relaxed),
        _ratio(columns.DISTINCT_STABLE_PER_IMAGE, (distinct & stable).sum(), n_images_relaxed),
        _ratio(columns.DISTINCT_META_STABLE, (distinct & meta).sum(), n_sent),
        _ratio(columns.DISTINCT_STABLE, (distinct & stable).sum(), n_sent),
        _average(columns.MEAN_ENERGY, relaxed["formation_energy"].mean(), n_relaxed, "eV/atom"),
        _ratio(columns.SUN_PER_IMAGE, n_sun, n_images_relaxed),
        _ratio(columns.SUN, n_sun, n_sent),
        _ratio(columns.UNKNOWN, (best & (relaxed["known"] == "")).sum(), best.sum()),
        _ratio(columns.COMPOSITIONS, relaxed["formula"].nunique(), n_relaxed),
        _ratio(columns.P1, (relaxed["space_group"] == "P1").sum(), n_relaxed),
        _ratio(columns.REPAIRED, (candidates["repaired"] != "").sum(), n_sent),
        _average(columns.RMSD, relaxed["rmsd"].median(), n_relaxed, "angstrom"),
        *(
            _average(quantity, (relaxed[guess] - relaxed["formation_energy"]).abs().mean(), n_relaxed, "eV/atom")
            for quantity, guess in columns.GUESSES.items()
        ),
    ]


def _ratio(quantity: str, numerator: int, denominator: int) -> dict[str, Any]:
    """Return one row of the table that counts ``numerator`` crystals out of ``denominator``."""
    return {
        "quantity": quantity,
        "numerator": int(numerator),
        "denominator": int(denominator),
        "value": numerator / denominator if denominator else np.nan,
        "unit": "",
    }


def _average(quantity: str, value: float, denominator: int, unit: str) -> dict[str, Any]:
    """Return one row of the table that gives an average over ``denominator`` crystals, NaN of none."""
    value = float(value) if denominator else np.nan
    return {"quantity": quantity, "numerator": np.nan, "denominator": denominator, "value": value, "unit": unit}


def evaluate_scheme(
    scheme: str,
    placed: pd.DataFrame,
    predicted: pd.DataFrame,
    losses: pd.DataFrame,
    screen: float,
    thresholds: Mapping[str, float],
    compositions: Collection[str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return candidates and table rows of one scheme, and of the scheme that screens it.

    placed: candidates sent to relaxation; predicted: id, formula and what was predicted of all candidates, the columns
    of ``columns.GUESSES`` (eV/atom) among it; losses: counts of ``selection.select``; screen: highest predicted
    formation energy that the screening scheme keeps (eV/atom; 0.3 in the paper); compositions: reduced formulas that
    alone were sent to relaxation, None: any; with them the rows say how many candidates are of these.
    """
    placed = placed.merge(predicted.drop(columns="formula"), on="id", how="left", validate="one_to_one")
    n_images, n_images_relaxed = int(losses["count"].sum()), int(losses["within_selection"].sum())
    selections = {scheme: (placed, predicted)}
    screen_scheme = screening(scheme)
    if screen_scheme:
        selections[screen_scheme] = tuple(
            table[table["predicted_formation_energy"] <= screen] for table in (placed, predicted)
        )
    tables, rows = [], []
    for name, (table, made) in selections.items():
        table = table.assign(
            scheme=name,
            distinct=distinct_among(table),
            stability=classify(table["formation_energy"], table["e_above_hull"], thresholds),
        )
        tables.append(table)
        summary = summarise(table, n_images, len(made), n_images_relaxed, thresholds["stable"])
        if compositions is not None:
            summary.insert(1, _ratio(columns.ASKED, made["formula"].isin(compositions).sum(), len(made)))
        rows.append(pd.DataFrame(summary).assign(scheme=name))
    return pd.concat(tables, ignore_index=True), pd.concat(rows, ignore_index=True)


def database_counts(
    prototypes: pd.DataFrame,
    substituted: pd.DataFrame,
    database: pd.DataFrame,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Return the database's counts: stage, outcome, count; what was dropped at each step, and why."""
    rows: list[dict[str, Any]] = []
    for stage, table in (("prototypes", prototypes), ("substituted", substituted), ("relaxed", database)):
        kept = int((table["status"] == "ok").sum())
        rows += [{"stage": stage, "outcome": "found", "count": len(table)}]
        rows += [{"stage": stage, "outcome": "kept", "count": kept}]
        dropped = table.loc[table["status"] != "ok", "reason"].value_counts().sort_index()
        rows += [{"stage": stage, "outcome": reason, "count": int(n)} for reason, n in dropped.items()]
    relaxed = database[database["status"] == "ok"]
    stability = classify(relaxed["formation_energy"], relaxed["e_above_hull"], thresholds)
    counts = {
        "formation energy < 0": (relaxed["formation_energy"] < 0).sum(),
        "meta-stable": stability.isin(["stable", "meta-stable"]).sum(),
        "stable": (stability == "stable").sum(),
        "on the hull": (relaxed["e_above_hull"] < 1e-6).sum(),
    }
    rows += [{"stage": "database", "outcome": name, "count": int(n)} for name, n in counts.items()]
    return pd.DataFrame(rows)


def losses_by_reason(
    candidates: pd.DataFrame, counts: Mapping[str, pd.DataFrame], summary: pd.DataFrame
) -> pd.DataFrame:
    """Return how many samples and candidates each scheme lost for each reason: scheme, reason, count.

    candidates: evaluated candidates of all schemes; counts: per trained scheme those of ``selection.select``;
    summary: the paper's table, which counts the candidates that the screen let through, and those of the
    compositions asked for.
    """
    made = summary[summary["quantity"] == columns.IMAGES].set_index("scheme")["numerator"]
    asked = summary[summary["quantity"] == columns.ASKED].set_index("scheme")
    others = (asked["denominator"] - asked["numerator"]).to_dict()
    rows: list[dict[str, Any]] = []
    for scheme, table in counts.items():
        names = [name for name in (scheme, screening(scheme)) if name]
        lost = table[table["reason"] != ""]
        rows += [
            {"scheme": name, "reason": row.reason, "count": int(row.count_)}
            for name in names
            for row in lost.rename(columns={"count": "count_"}).itertuples()
        ]
        n_screened = int(made[scheme] - made[screening(scheme)]) if screening(scheme) else 0
        if n_screened:
            rows.append({"scheme": screening(scheme), "reason": "screened", "count": n_screened})
    rows += [
        {"scheme": scheme, "reason": columns.OTHER_COMPOSITION, "count": int(n)} for scheme, n in others.items() if n
    ]
    failed = candidates[candidates["status"] != "ok"].groupby(["scheme", "reason"]).size()
    rows += [{"scheme": scheme, "reason": reason, "count": int(n)} for (scheme, reason), n in failed.items()]
    return pd.DataFrame(rows, columns=["scheme", "reason", "count"])


def parity_metrics(parity: pd.DataFrame) -> pd.DataFrame:
    """Return how well the constraint predicts each split: split, n, r2, mae, baseline_mae (eV/atom).

    parity: id, split, formation_energy, predicted; rows with a missing number are left out. ``baseline_mae``
    is that of answering the training energies' mean. R2 is NaN for fewer than two different energies.
    """
    names = ["formation_energy", "predicted"]
    parity = columns.complete(parity, "split", *names).dropna(subset=names)
    pairs = {split: parity.loc[parity["split"] == split, names].to_numpy(dtype=float).T for split in columns.SPLITS}
    training = pairs["train"][0]
    guess = training.mean() if len(training) else np.nan
    rows = []
    for split, (true, predicted) in pairs.items():
        row = {"split": split, "n": len(true), "r2": np.nan, "mae": np.nan, "baseline_mae": np.nan}
        if len(true):
            total = float(((true - true.mean()) ** 2).sum())
            row["r2"] = 1 - float(((predicted - true) ** 2).sum()) / total if total > 0 else np.nan
            row["mae"] = float(np.abs(predicted - true).mean())
            row["baseline_mae"] = float(np.abs(true - guess).mean())
        rows.append(row)
    return pd.DataFrame(rows)
