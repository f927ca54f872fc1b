"""Cards of the best candidates: what is said about a crystal at first sight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from ccdcgan.report.candidates import distance_text
from ccdcgan.report.formatting import formula_html, group_html, number, text
from ccdcgan.report.overview.drawing import drawing
from ccdcgan.report.plots import MOST_NUMBERED

CARDS = MOST_NUMBERED
"""Number of cards; as many candidates are numbered in the plot of the hull."""


@dataclass(frozen=True)
class Card:
    """One of the best candidates.

    Attributes:
        id: Id of the candidate.
        rank: Place among the best candidates, from 1.
        formula: Formula.
        space_group: Space group.
        phonons: Its dynamical stability in a few words.
        verdict: ``good``, ``bad`` or ``open``, after its phonons.
        distance: Distance from the hull, eV/atom, with its uncertainty.
        verified: Hull distance with a second engine, "" if not verified.
        novelty: Nearest known crystal.
        source: Schemes that have it, and who proposed it.
        drawing: The relaxed crystal as SVG, "" without a view.
    """

    id: str
    rank: int
    formula: Markup
    space_group: Markup
    phonons: str
    verdict: str
    distance: str
    verified: str
    novelty: Markup
    source: str
    drawing: Markup | str


def best_cards(
    best: pd.DataFrame,
    crystals: Sequence[Mapping[str, Any]],
    elements: Mapping[str, Mapping[str, Any]],
    phonons: pd.DataFrame | None,
    verified: pd.DataFrame | None,
) -> list[Card]:
    """Return the cards of the best candidates, nearest to the hull first.

    Args:
        best: Table of :func:`ccdcgan.evaluation.best.best_candidates`.
        crystals: Views of candidates, from :func:`ccdcgan.report.candidates.views`.
        elements: Element -> ``colour`` and ``radius`` (angstrom) of its atoms.
        phonons: Table of phonons, None if not computed.
        verified: Table of the verification, None if not run.
    """
    dynamics, second = _by_id(phonons), _by_id(verified)
    viewed = {crystal["id"]: crystal for crystal in crystals}
    cards = []
    for rank, row in enumerate(best.head(CARDS).to_dict("records"), start=1):
        name = str(row["id"])
        words, verdict = phonon_verdict(dynamics.get(name))
        entry = viewed.get(name, {})
        relaxed = [view for view in entry.get("views", ()) if view["title"] == "relaxed"]
        label = f"{row['formula']}, relaxed crystal"
        proposer = text(row.get("proposed_by"))
        checked = second.get(name, {})
        cards.append(
            Card(
                id=name,
                rank=rank,
                formula=formula_html(row["formula"]),
                space_group=group_html(text(row.get("space_group"))),
                phonons=words,
                verdict=verdict,
                distance=_beside_hull(row),
                verified=number(checked["verified_e_above_hull"]) if checked.get("status") == "ok" else "",
                novelty=_novelty(row, entry.get("nearest")),
                source=row["scheme"] + (f" ({proposer})" if proposer != "–" else ""),
                drawing=drawing(relaxed[0], elements, label) if relaxed else "",
            )
        )
    return cards


def phonon_verdict(row: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return the dynamical stability in a few words, and whether it is ``good``, ``bad`` or ``open``."""
    if row is None:
        return "phonons not computed", "open"
    if row["status"] != "ok":
        return "phonons failed", "open"
    lowest = f"{number(row['lowest_frequency'], 2)} THz"
    if str(row["dynamically_stable"]) == "True":
        return f"dynamically stable ({lowest})", "good"
    return f"saddle point ({lowest})", "bad"


def _beside_hull(row: Mapping[str, Any]) -> str:
    """Return the distance from the hull (eV/atom) with its uncertainty, and its side."""
    side = "below" if row["e_above_hull"] < 0 else "above"
    return f"{distance_text({**row, 'e_above_hull': abs(row['e_above_hull'])})} {side} the hull"


def _novelty(row: Mapping[str, Any], nearest: Mapping[str, Any] | None) -> Markup:
    """Return the nearest known crystal and the distance of its fingerprint."""
    if not nearest:
        return Markup("neither in the database nor known")
    pattern = (
        '<span title="Fingerprint distance in brackets. 0: the same, 0.5: unrelated.">nearest known: {} {} ({})</span>'
    )
    return Markup(pattern).format(
        formula_html(nearest["formula"]), group_html(nearest["space_group"]), number(nearest["distance"], 2)
    )


def _by_id(table: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    rows = pd.DataFrame() if table is None else table
    return {str(row["id"]): row for row in rows.to_dict("records")}
