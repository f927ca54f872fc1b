"""Attrition from samples to distinct meta-stable crystals: the count at each stage, and the reasons of rejection."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ccdcgan import columns, quantities, reasons
from ccdcgan.columns import in_order
from ccdcgan.database.thermodynamics import ON_HULL, compounds
from ccdcgan.evaluation.best import classify
from ccdcgan.reasons import OTHER_COMPOSITION, REPEAT, reason_label
from ccdcgan.schemes import screening
from ccdcgan.utils.tables import complete

STAGES = {
    "crystal graphs": (quantities.SUCCESS_RATE, "denominator"),
    "candidates": (quantities.SUCCESS_RATE, "numerator"),
    "of the requested compositions": (quantities.ASKED, "numerator"),
    "sent to relaxation": (quantities.RELAXED, "denominator"),
    "relaxed": (quantities.RELAXED, "numerator"),
    "formation energy < 0": (quantities.NEGATIVE, "numerator"),
    "meta-stable": (quantities.META_STABLE, "numerator"),
    "distinct meta-stable": (quantities.DISTINCT_META_STABLE, "numerator"),
}
"""Stage -> quantity of the summary, and the column of the summary, with its count."""


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: Name of the stage.
        left: Number of crystals that reached it.
        lost: (reason, count) of the rejections since the previous stage, sorted by count.
    """

    name: str
    left: int
    lost: tuple[tuple[str, int], ...]


def funnels(
    summary: pd.DataFrame, losses: pd.DataFrame, candidates: pd.DataFrame, meta_stable: float
) -> dict[str, list[Stage]]:
    """Return the stages of every scheme.

    Args:
        summary: The summary: scheme, quantity, numerator, denominator.
        losses: Rejections during generation and failures of relaxation: scheme, reason, count.
        candidates: Evaluated candidates: scheme, status, reason. They separate failures of relaxation from rejections.
        meta_stable: Hull distance below which a crystal is meta-stable, eV/atom.

    Returns:
        Scheme -> its stages; the schemes are in the order of all tables.
    """
    counts = stage_counts(summary)
    losses = complete(losses, "scheme", "reason", "count")
    candidates = complete(candidates, "scheme", "status", "reason")
    result = {}
    for scheme in in_order(counts["scheme"]):
        left = counts[counts["scheme"] == scheme].set_index("stage")["count"].to_dict()
        every = losses[(losses["scheme"] == scheme) & (losses["reason"] != "")].groupby("reason")["count"].sum()
        failed = candidates[(candidates["scheme"] == scheme) & (candidates["status"] != "ok")]
        relaxing = failed["reason"].value_counts()
        generating = every.sub(relaxing, fill_value=0)
        repeats = int(generating.get(REPEAT, 0))
        asked = next(stage for stage in ("of the requested compositions", "candidates", *left) if stage in left)
        reasons = {
            "candidates": generating.drop([REPEAT, OTHER_COMPOSITION], errors="ignore").to_dict(),
            "of the requested compositions": {OTHER_COMPOSITION: _missing(left, "candidates", asked)},
            "sent to relaxation": {
                REPEAT: repeats,
                "beyond the number to be relaxed": _missing(left, asked, "sent to relaxation") - repeats,
            },
            "relaxed": relaxing.to_dict(),
            "formation energy < 0": {"formation energy not below 0": _missing(left, "relaxed", "formation energy < 0")},
            "meta-stable": {
                f"hull distance of {meta_stable:.3f} eV/atom or more": _missing(
                    left, "formation energy < 0", "meta-stable"
                )
            },
            "distinct meta-stable": {
                "in the database, known, a repeat, or a variant": _missing(left, "meta-stable", "distinct meta-stable")
            },
        }
        result[scheme] = [Stage(name, count, _sorted(reasons.get(name, {}))) for name, count in left.items()]
    return result


def _missing(left: dict[str, int], before: str, after: str) -> int:
    """Return the difference of the counts of two stages."""
    return left.get(before, 0) - left.get(after, 0)


def _sorted(reasons: dict[str, float]) -> tuple[tuple[str, int], ...]:
    """Return the labels and counts of the reasons that occur, the most frequent first."""
    named = [(reason_label(reason), int(count)) for reason, count in reasons.items() if count > 0]
    return tuple(sorted(named, key=lambda item: (-item[1], item[0])))


def stage_counts(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the number of crystals of each scheme at each stage.

    Args:
        summary: The summary: scheme, quantity, numerator, denominator.

    Returns:
        Table with scheme, stage and count, in the order of STAGES. A quantity that is absent has no row.
    """
    rows = []
    summary = complete(summary, "scheme", "quantity", "numerator", "denominator")
    for scheme in columns.in_order(summary["scheme"]):
        of_scheme = summary[summary["scheme"] == scheme].set_index("quantity")
        for stage, (quantity, part) in STAGES.items():
            if quantity in of_scheme.index and pd.notna(of_scheme.loc[quantity, part]):
                rows.append({"scheme": scheme, "stage": stage, "count": int(of_scheme.loc[quantity, part])})
    return pd.DataFrame(rows, columns=["scheme", "stage", "count"])


def database_counts(
    prototypes: pd.DataFrame,
    substituted: pd.DataFrame,
    database: pd.DataFrame,
    thresholds: Mapping[str, float],
    known: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Count the crystals at each step from the prototypes to the database, and the known phases.

    Args:
        prototypes: Table of the prototypes: status, reason.
        substituted: Table of the substituted crystals: status, reason.
        database: Table of the database: status, reason, formation_energy and e_above_hull (eV/atom).
        thresholds: Hull distances (eV/atom) of ``stable`` and ``meta_stable`` crystals.
        known: Tables of the known phases found in the sources (status, reason), and of the relaxed ones (also formula,
            repeats and e_above_hull); None: there are none.

    Returns:
        Table with stage, outcome (found, kept, a reason of rejection, or a kind of stability) and count.
    """
    rows: list[dict[str, Any]] = []
    stages = [("prototypes", prototypes), ("substituted", substituted), ("relaxed", database)]
    stages += zip(("known phases", "known phases, relaxed"), known or (), strict=False)
    for stage, table in stages:
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
    if known:
        kept = compounds(known[1][known[1]["status"] == "ok"])
        counts = {
            "compounds": len(kept),
            "compounds not in the database": (kept["repeats"] == "").sum(),
            "compounds on the hull": (kept["e_above_hull"] <= ON_HULL).sum(),
        }
        rows += [{"stage": "known phases, relaxed", "outcome": name, "count": int(n)} for name, n in counts.items()]
    return pd.DataFrame(rows)


def count_losses(candidates: pd.DataFrame, counts: Mapping[str, pd.DataFrame], summary: pd.DataFrame) -> pd.DataFrame:
    """Count the rejected samples and candidates of each scheme by reason.

    Args:
        candidates: Evaluated candidates of all schemes.
        counts: Scheme -> table of :func:`ccdcgan.candidates.selection.select`.
        summary: The summary, with the numbers of candidates that passed the screen and that have a requested
            composition.

    Returns:
        Table with scheme, reason and count.
    """
    made = summary[summary["quantity"] == quantities.SUCCESS_RATE].set_index("scheme")["numerator"]
    asked = summary[summary["quantity"] == quantities.ASKED].set_index("scheme")
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
        {"scheme": scheme, "reason": reasons.OTHER_COMPOSITION, "count": int(n)} for scheme, n in others.items() if n
    ]
    failed = candidates[candidates["status"] != "ok"].groupby(["scheme", "reason"]).size()
    rows += [{"scheme": scheme, "reason": reason, "count": int(n)} for (scheme, reason), n in failed.items()]
    return pd.DataFrame(rows, columns=["scheme", "reason", "count"])
