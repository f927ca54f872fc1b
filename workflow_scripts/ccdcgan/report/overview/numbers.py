"""The five numbers at the top of the report: relaxed, distinct meta-stable, enhancement, trust and cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ccdcgan.columns import scheme_label
from ccdcgan.evaluation.best import once_each
from ccdcgan.evaluation.discovery import REFERENCE
from ccdcgan.quantities import ENHANCEMENT
from ccdcgan.report.data import ReportData
from ccdcgan.report.formatting import NO_BREAK, number
from ccdcgan.report.reliability import UNCERTAINTY
from ccdcgan.schemes import SCHEMES, controls
from ccdcgan.utils.tables import is_true

MOST_NAMED = 3
"""Number of schemes whose enhancement the note names, beside the highest."""


@dataclass(frozen=True)
class KeyNumber:
    """One of the five numbers.

    Attributes:
        name: What it is.
        value: The number with its unit, a dash if it is not known.
        note: One or two short sentences beside it.
        meaning: Definition, shown when the number is pointed at.
    """

    name: str
    value: str
    note: str
    meaning: str


def key_numbers(
    data: ReportData, schemes: Sequence[str], thresholds: Mapping[str, float], cost: tuple[str, str]
) -> list[KeyNumber]:
    """Return the five numbers.

    Args:
        data: Tables of the run.
        schemes: Schemes of the report.
        thresholds: Hull distances, eV/atom, of ``stable`` and ``meta_stable`` crystals.
        cost: Cost of the run and a note, from :func:`ccdcgan.report.provenance.total_cost`.
    """
    return [
        _relaxed(data),
        _distinct(data, thresholds),
        _enhancement(data, schemes),
        _trust(data, thresholds["meta_stable"]),
        KeyNumber("cost", cost[0] or "–", cost[1] or "Not measured.", "Processor time of all jobs of this run."),
    ]


def _relaxed(data: ReportData) -> KeyNumber:
    rows = once_each(data.candidates)
    done, database = int((rows["status"] == "ok").sum()), int((data.database["status"] == "ok").sum())
    note = f"of {len(rows):,} candidates; beside them {database:,} crystals of the database."
    meaning = "Candidates whose relaxation converged, of those sent to relaxation."
    return KeyNumber("relaxed", f"{done:,}", note, meaning)


def _distinct(data: ReportData, thresholds: Mapping[str, float]) -> KeyNumber:
    best, rows = data.best, once_each(data.candidates)
    meaning = (
        f"Formation energy below zero and hull distance below {thresholds['meta_stable']:.3f} eV/atom; after "
        "relaxation neither in the database nor a known phase nor a repeat or variant of another candidate."
    )
    stable = int((best["stability"] == "stable").sum()) if len(best) else 0
    note = f"{stable:,} of them stable (below {thresholds['stable']:.3f} eV/atom)."
    meta = rows[rows["stability"].isin(["stable", "meta-stable"])]
    n_variants = (
        int((~meta["distinct"] & is_true(meta["distinct_by_matcher"])).sum()) if "distinct_by_matcher" in rows else 0
    )
    if n_variants:
        note += f" {n_variants:,} {'variant is' if n_variants == 1 else 'variants are'} not counted."
    return KeyNumber("distinct meta-stable", f"{len(best):,}", note, meaning)


def _enhancement(data: ReportData, schemes: Sequence[str]) -> KeyNumber:
    meaning = (
        "Distinct meta-stable crystals per relaxation, divided by those of random symmetric crystals under the same "
        "number of relaxations."
    )
    name = "enhancement over random"
    rows = data.summary[(data.summary["quantity"] == ENHANCEMENT) & data.summary["scheme"].isin(schemes)]
    if rows.empty:
        note = "Not measured: this run has no random crystals. Add random to schemes."
        return KeyNumber(name, "–", note, meaning)
    known = set(SCHEMES)
    compared = rows[~rows["scheme"].isin(controls([scheme for scheme in rows["scheme"] if scheme in known]))]
    compared = compared[compared["value"].notna()].sort_values("value", ascending=False, kind="stable")
    if compared.empty:
        found = data.counts[(data.counts["scheme"] == REFERENCE) & (data.counts["stage"] == "distinct meta-stable")]
        none = len(found) and not found["count"].sum()
        note = "Random crystals found none, so there is no factor." if none else "No other method was evaluated."
        return KeyNumber(name, "–", note, meaning)
    first, *others = compared.itertuples()
    note = scheme_label(first.scheme)
    if others:
        named = [f"{scheme_label(row.scheme)} {number(row.value, 1)}" for row in others[:MOST_NAMED]]
        note += f"; {', '.join(named)}"
    return KeyNumber(name, f"{number(first.value, 1)}{NO_BREAK}×", f"{note}.", meaning)


def _trust(data: ReportData, meta_stable: float) -> KeyNumber:
    best = data.best
    meaning = (
        "Median uncertainty of the hull distances of the best candidates, one standard deviation; and the checks with "
        "phonons and with a second engine."
    )
    value, parts = "unknown", []
    if UNCERTAINTY in best and best[UNCERTAINTY].notna().any():
        values = pd.to_numeric(best[UNCERTAINTY], errors="coerce")
        safe = int((best["e_above_hull"] + values < meta_stable).sum())
        value = f"±{NO_BREAK}{number(values.median())}"
        parts.append(f"eV/atom; {safe:,} of {int(values.notna().sum()):,} stay meta-stable with it")
    parts.append(phonon_words(data.phonons))
    parts.append(_verified(data.verified, meta_stable))
    first, *others = parts if value != "unknown" else [parts[0].capitalize(), *parts[1:]]
    note = ". ".join([first, *(part[0].upper() + part[1:] for part in others)])
    return KeyNumber("trust", value, f"{note}.", meaning)


def phonon_words(phonons: pd.DataFrame | None) -> str:
    """Return the number of candidates that are dynamically stable, in words."""
    rows = pd.DataFrame() if phonons is None else phonons
    done = rows[rows["status"] == "ok"] if "status" in rows else rows
    if done.empty:
        return "phonons not computed"
    return f"phonons: {int(is_true(done['dynamically_stable']).sum()):,} of {len(done):,} stable"


def _verified(verified: pd.DataFrame | None, meta_stable: float) -> str:
    """Return the number of candidates that a second engine confirms, in words."""
    rows = pd.DataFrame() if verified is None else verified
    rows = rows[(rows["role"] == "candidate") & (rows["status"] == "ok")] if "role" in rows else rows
    if rows.empty:
        return "no check with DFT"
    distance, energy = (pd.to_numeric(rows[f"verified_{name}"]) for name in ("e_above_hull", "formation_energy"))
    confirmed = int(((distance < meta_stable) & (energy < 0)).sum())
    return f"{rows['verified_engine'].iloc[0]} confirms {confirmed:,} of {len(rows):,}"
