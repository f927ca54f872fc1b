"""Tables that answer a referee: methods compared, phonons, symmetry, and the thresholds."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ccdcgan import quantities
from ccdcgan.columns import scheme_label
from ccdcgan.evaluation.best import once_each
from ccdcgan.reasons import reason_label
from ccdcgan.report.formatting import NO_BREAK, describe_phonons, formula_html, number, percent, ratio
from ccdcgan.report.tables import Table
from ccdcgan.utils.tables import is_true

COMPARED = {
    quantities.ENHANCEMENT: "enhancement over random",
    quantities.DISTINCT_META_STABLE: "distinct meta-stable / relaxations",
    quantities.DISTINCT_STABLE: "distinct stable / relaxations",
    quantities.NEGATIVE: "formation energy < 0 / relaxed",
    quantities.META_STABLE: "meta-stable / relaxed",
    quantities.ACCELERATION: "acceleration over random",
    quantities.P1: "P1 / relaxed",
}
"""Quantity of the summary -> head of its column, in the order of the columns."""
STEPS = (0.0, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2)
"""Hull distances (eV/atom) below which crystals are counted."""


def methods_table(summary: pd.DataFrame, schemes: Sequence[str]) -> Table:
    """Return the main results, one row for each scheme: the enhancement over random crystals first.

    Args:
        summary: The summary of the run.
        schemes: Schemes to show.
    """
    entries = {(row.quantity, row.scheme): row for row in summary.itertuples()}
    present = [name for name in COMPARED if any((name, scheme) in entries for scheme in schemes)]
    rows = [(scheme_label(scheme), *(_cell(entries.get((name, scheme))) for name in present)) for scheme in schemes]
    heads = ("method", *(COMPARED[name] for name in present))
    rows = rows if present else []
    return Table("Methods compared", heads, rows, frozenset(range(1, len(heads))), "no scheme was evaluated.")


def _cell(row: object) -> str:
    """Return a ratio, or a factor; a dash if it is not known."""
    if row is None or (pd.isna(row.numerator) and pd.isna(row.value)):
        return "–"
    if pd.isna(row.numerator):
        return f"{number(row.value, 2)}{NO_BREAK}×"
    return ratio(row.numerator, row.denominator)


def thresholds_table(candidates: pd.DataFrame, thresholds: Mapping[str, float]) -> Table:
    """Return the numbers of distinct crystals with a negative formation energy below several hull distances.

    Args:
        candidates: Evaluated candidates.
        thresholds: Hull distances, eV/atom, of ``stable`` and ``meta_stable`` crystals.
    """
    rows = once_each(candidates)
    rows = rows[(rows["status"] == "ok") & (pd.to_numeric(rows["formation_energy"]) < 0)]
    names = {thresholds["stable"]: "stable", thresholds["meta_stable"]: "meta-stable"}
    counts = []
    for limit in sorted({*STEPS, *names}):
        below = rows[pd.to_numeric(rows["e_above_hull"]) < limit]
        head = f"{limit:.3f}" + (f" ({names[limit]})" if limit in names else "")
        by_matcher = is_true(below["distinct_by_matcher"]) if "distinct_by_matcher" in below else below["distinct"]
        counts.append((head, f"{len(below):,}", f"{int(by_matcher.sum()):,}", f"{int(below['distinct'].sum()):,}"))
    heads = ("hull distance below (eV/atom)", "candidates", "distinct by StructureMatcher alone", "distinct")
    counts = counts if len(rows) else []
    return Table("Counts at other thresholds", heads, counts, frozenset({1, 2, 3}), "no candidate has E_f < 0.")


def phonons_table(phonons: pd.DataFrame | None) -> Table:
    """Return the dynamical stability of every candidate whose phonons were computed.

    Args:
        phonons: Table of phonons, None if not computed.
    """
    rows = [
        (
            formula_html(row["formula"]) if "formula" in row else str(row["id"]),
            number(row["lowest_frequency"], 2) if row["status"] == "ok" else "–",
            describe_phonons(row) if row["status"] == "ok" else f"not computed: {reason_label(row['reason'])}",
            str(row["id"]),
        )
        for row in (pd.DataFrame() if phonons is None else phonons).to_dict("records")
    ]
    heads = ("formula", "lowest frequency (THz)", "dynamical stability", "id")
    return Table("Phonons of the candidates nearest to the hull", heads, rows, frozenset({1}), "not computed.")


def symmetry_words(candidates: pd.DataFrame) -> str:
    """Return the share of the relaxed and of the best candidates that have no symmetry, in words; "" if unknown."""
    rows = once_each(candidates)
    if "space_group" not in rows or not (rows["status"] == "ok").any():
        return ""
    relaxed, best = rows[rows["status"] == "ok"], rows[rows["first"]]
    words = f"{percent((relaxed['space_group'] == 'P1').mean())} of the relaxed candidates are P1"
    return f"{words}, {percent((best['space_group'] == 'P1').mean())} of the best" if len(best) else words
