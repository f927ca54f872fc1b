"""The one place for one row per candidate: which are stable, which are distinct, and which are the best."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ccdcgan.columns import complete, in_order, is_true, scheme_labels
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness


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


def with_distinct(placed: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the placed candidates of all trained schemes in one table, with ``scheme`` and ``distinct``."""
    tables = [table.assign(scheme=scheme, distinct=distinct_among(table)) for scheme, table in placed.items()]
    return pd.concat(tables, ignore_index=True)


def best_distinct(
    candidates: pd.DataFrame,
    crystals: Mapping[str, Crystal],
    top: int,
    uniqueness: Uniqueness,
    max_atoms: int | None = None,
) -> list[Crystal]:
    """Return the ``top`` distinct candidates nearest to the hull, one of each kind whatever its scheme.

    candidates: see :func:`with_distinct`; crystals: their relaxed structures by id; max_atoms: of those with at most
    this many atoms in their cell, None for all.
    """
    rows = candidates[is_true(candidates["distinct"]) & (candidates["status"] == "ok")]
    if max_atoms is not None:
        rows = rows[[len(crystals[name].structure) <= max_atoms for name in rows["id"]]]
    rows = rows.sort_values(["e_above_hull", "id"], kind="stable").drop_duplicates("id")
    ordered = [crystals[row.id].updated(scheme=row.scheme) for row in rows.itertuples()]
    kinds = uniqueness.first_of_kind([crystal.structure for crystal in ordered])
    return [crystal for crystal, repeat in zip(ordered, kinds, strict=True) if repeat is None][:top]


def best_of(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the distinct candidates that are meta-stable or stable."""
    chosen = is_true(candidates["distinct"]) & candidates["stability"].isin(["stable", "meta-stable"])
    return candidates[chosen]


def once_each(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each candidate, whichever schemes have it, with the columns ``best`` and ``schemes``.

    DCGAN + constraint keeps some of DCGAN's: these are not other crystals. ``scheme`` is then the one that made it,
    ``schemes`` a tuple of all; distinct, and best (distinct and meta-stable too), if it is for any of them. Order: the
    best first, nearest to the hull first; the failed last.
    """
    names = ("id", "formula", "scheme", "distinct", "stability", "e_above_hull", "formation_energy", "status", "reason")
    rows = complete(candidates, *names).reset_index(drop=True)
    rows = rows.assign(best=rows.index.isin(best_of(rows).index), distinct=is_true(rows["distinct"]))
    if rows.empty:
        return rows.assign(schemes=pd.Series(dtype=object))
    groups = rows.groupby(["id", "formula"], sort=False)
    rows = rows.drop(columns="scheme").assign(best=groups["best"].transform("any"))
    rows["distinct"] = groups["distinct"].transform("any")
    owners = groups["scheme"].agg(lambda schemes: tuple(in_order(schemes))).rename("schemes")
    rows = rows.drop_duplicates(["id", "formula"]).join(owners, on=["id", "formula"])
    rows = rows.assign(scheme=rows["schemes"].str[0])
    rows = rows.sort_values(["best", "e_above_hull", "id"], ascending=[False, True, True], kind="stable")
    return rows.reset_index(drop=True)


def best_candidates(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the distinct meta-stable candidates once each, nearest to the hull first; ``scheme`` names all."""
    rows = once_each(candidates)
    rows = rows[rows["best"]]
    return rows.assign(scheme=[scheme_labels(schemes) for schemes in rows["schemes"]]).reset_index(drop=True)
