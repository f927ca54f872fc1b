"""Stable, distinct and best candidates: one row per candidate, the best first."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from ccdcgan.columns import in_order, scheme_labels
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.utils.tables import complete, is_true

THRESHOLDS = MappingProxyType({"stable": 0.100, "meta_stable": 0.150})
"""Hull distances (eV/atom) of Long et al. and of the default configuration."""


def classify(formation_energies: pd.Series, hull_distances: pd.Series, thresholds: Mapping[str, float]) -> pd.Series:
    """Label each crystal as stable, meta-stable or unstable; "" if it has no energy.

    When crystals are counted, stable ones count as meta-stable, too, as in Long et al.

    Args:
        formation_energies: Formation energies, eV/atom.
        hull_distances: Hull distances, eV/atom.
        thresholds: Hull distances, eV/atom, below which a crystal with E_f < 0 is ``stable`` or ``meta_stable``.
    """
    labels = np.where(
        (formation_energies < 0) & (hull_distances < thresholds["stable"]),
        "stable",
        np.where((formation_energies < 0) & (hull_distances < thresholds["meta_stable"]), "meta-stable", "unstable"),
    )
    return pd.Series(np.where(formation_energies.notna(), labels, ""), index=formation_energies.index)


def distinct_among(candidates: pd.DataFrame) -> pd.Series:
    """Mark distinct candidates: of every kind that is not in the database, the one with the lowest energy.

    Args:
        candidates: Any selection of placed candidates: id, status, formation_energy, repeats, novel. Candidates of one
            kind have the same ``repeats``, so that a selection can be marked by itself.
    """
    kinds = candidates["repeats"].where(candidates["repeats"] != "", candidates["id"])
    new = (candidates["status"] == "ok") & candidates["novel"]
    order = candidates.assign(kind=kinds)[new].sort_values(["formation_energy", "id"])
    chosen = order.drop_duplicates("kind").index
    return pd.Series(candidates.index.isin(chosen), index=candidates.index)


def with_distinct(placed: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the placed candidates of all schemes in one table, with ``scheme`` and ``distinct``."""
    tables = [table.assign(scheme=scheme, distinct=distinct_among(table)) for scheme, table in placed.items()]
    return pd.concat(tables, ignore_index=True)


def best_distinct(
    candidates: pd.DataFrame,
    crystals: Mapping[str, Crystal],
    top: int,
    uniqueness: Uniqueness,
    max_atoms: int | None = None,
) -> list[Crystal]:
    """Return the distinct candidates nearest to the hull, one of each kind over all schemes.

    Args:
        candidates: Table of :func:`with_distinct`.
        crystals: Relaxed candidates by id.
        top: Number of candidates.
        uniqueness: Compares crystals.
        max_atoms: Maximum number of atoms in the cell; None: any.
    """
    rows = candidates[is_true(candidates["distinct"]) & (candidates["status"] == "ok")]
    if max_atoms is not None:
        rows = rows[[len(crystals[name].structure) <= max_atoms for name in rows["id"]]]
    rows = rows.sort_values(["e_above_hull", "id"], kind="stable").drop_duplicates("id")
    ordered = [crystals[row.id].updated(scheme=row.scheme) for row in rows.itertuples()]
    kinds = uniqueness.first_of_kind([crystal.structure for crystal in ordered])
    return [crystal for crystal, repeat in zip(ordered, kinds, strict=True) if repeat is None][:top]


def best_of(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of distinct candidates that are stable or meta-stable."""
    chosen = is_true(candidates["distinct"]) & candidates["stability"].isin(["stable", "meta-stable"])
    return candidates[chosen]


def once_each(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each candidate, the best first.

    A candidate of DCGAN is one of DCGAN + constraint, too, if it passed the screen.

    Args:
        candidates: Evaluated candidates of all schemes, one row for each scheme that has the candidate.

    Returns:
        Table with ``scheme`` (that generated it), ``schemes`` (a tuple of all), ``distinct`` and ``best`` (distinct and
        at least meta-stable), true if they are for any scheme. The best come first, ordered by hull distance; failed
        candidates come last.
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
    """Return the best candidates, one row each, nearest to the hull first; ``scheme`` has the labels of all schemes."""
    rows = once_each(candidates)
    rows = rows[rows["best"]]
    return rows.assign(scheme=[scheme_labels(schemes) for schemes in rows["schemes"]]).reset_index(drop=True)
