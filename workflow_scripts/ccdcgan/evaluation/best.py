"""Selection of candidates: stability, distinct candidates, and one row per candidate, the best first."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from ccdcgan.columns import in_order, scheme_labels
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.crystals.variants import VariantLimits
from ccdcgan.database.thermodynamics import near_hull
from ccdcgan.utils.tables import complete, is_true

THRESHOLDS = MappingProxyType({"stable": 0.100, "meta_stable": 0.150})
"""Hull distances (eV/atom) of Long et al. and of the default configuration."""


def classify(formation_energies: pd.Series, hull_distances: pd.Series, thresholds: Mapping[str, float]) -> pd.Series:
    """Label each crystal as stable, meta-stable or unstable.

    Counts of meta-stable crystals include the stable ones, as in Long et al.

    Args:
        formation_energies: Formation energies, (n,), eV/atom.
        hull_distances: Hull distances, (n,), eV/atom.
        thresholds: Hull distances (eV/atom) below which a crystal with a negative formation energy is ``stable`` or
            ``meta_stable``.

    Returns:
        The labels, (n,); "" for a crystal without an energy.
    """
    stable, meta_stable = (
        near_hull(formation_energies, hull_distances, thresholds[name]) for name in ("stable", "meta_stable")
    )
    labels = np.where(stable, "stable", np.where(meta_stable, "meta-stable", "unstable"))
    return pd.Series(np.where(formation_energies.notna(), labels, ""), index=formation_energies.index)


def distinct_among(candidates: pd.DataFrame, by_matcher: bool = False) -> pd.Series:
    """Mark distinct candidates: the lowest-energy candidate of each kind that is neither in the database nor known.

    Variants are of the kind of the crystal of which they are variants.

    Args:
        candidates: Placed candidates, or a selection of them: id, status, formation_energy (eV/atom), repeats, novel,
            and, if variants were searched for, variant and novel_by_matcher. Candidates of one kind have the same
            ``variant``, or else ``repeats``, so that a selection is marked independently of the rest.
        by_matcher: Whether StructureMatcher alone decides, and variants count as other crystals.

    Returns:
        Whether each candidate is distinct, (n,), with the index of ``candidates``.
    """
    kinds, novel = candidates["repeats"].where(candidates["repeats"] != "", candidates["id"]), candidates["novel"]
    if "variant" in candidates:
        if by_matcher:
            novel = candidates["novel_by_matcher"]
        else:
            kinds = candidates["variant"].where(candidates["variant"] != "", kinds)
    new = (candidates["status"] == "ok") & novel
    order = candidates.assign(kind=kinds)[new].sort_values(["formation_energy", "id"])
    chosen = order.drop_duplicates("kind").index
    return pd.Series(candidates.index.isin(chosen), index=candidates.index)


def best_distinct(
    placed: Mapping[str, pd.DataFrame],
    crystals: Mapping[str, Crystal],
    top: int,
    uniqueness: Uniqueness,
    max_atoms: int | None = None,
    limits: VariantLimits | None = None,
) -> list[Crystal]:
    """Return the distinct candidates nearest to the hull, one of each kind over all schemes.

    Args:
        placed: Scheme -> table of its placed candidates, as for :func:`distinct_among`, with e_above_hull (eV/atom).
        crystals: Relaxed candidates by id.
        top: Largest number of candidates to return.
        uniqueness: Compares crystals.
        max_atoms: Largest number of atoms in the cell; None: no limit.
        limits: Limits of variants of one another; None: variants are different crystals.

    Returns:
        At most ``top`` crystals, sorted by hull distance, each with its scheme.
    """
    rows = pd.concat([table[distinct_among(table)].assign(scheme=scheme) for scheme, table in placed.items()])
    if max_atoms is not None:
        small = [len(crystals[name].structure) <= max_atoms for name in rows["id"]]
        rows = rows[np.array(small, dtype=bool)]
    rows = rows.sort_values(["e_above_hull", "id"], kind="stable").drop_duplicates("id")
    ordered = [crystals[row.id].updated(scheme=row.scheme) for row in rows.itertuples()]
    repeats = _repeats(ordered, uniqueness, limits)
    return [crystal for crystal, repeat in zip(ordered, repeats, strict=True) if repeat is None][:top]


def _repeats(
    ordered: Sequence[Crystal], uniqueness: Uniqueness, limits: VariantLimits | None = None
) -> list[int | None]:
    """Return for each crystal the number of the earlier one that it repeats or of which it is a variant, or None."""
    structures = [crystal.structure for crystal in ordered]
    repeats = [None if verdict is None else verdict[1] for verdict in uniqueness.first_of_kind(structures)]
    if limits is not None:
        first = [k for k, repeat in enumerate(repeats) if repeat is None]
        energies = [ordered[k].info["formation_energy"] for k in first]
        for k, verdict in zip(first, limits.first_of_kind([structures[k] for k in first], energies), strict=True):
            repeats[k] = None if verdict is None else first[verdict[1]]
    # a crystal may repeat a variant, and a variant is always one of a crystal that is none
    return [k if k is None or repeats[k] is None else repeats[k] for k in repeats]


def same_as(
    candidates: pd.DataFrame, crystals: Mapping[str, Crystal], uniqueness: Uniqueness, limits: VariantLimits
) -> pd.Series:
    """Return for each candidate the one of another scheme, nearer to the hull, that is the same crystal.

    Candidates are distinct within a scheme; several schemes may find one crystal. Only those of :func:`best_of` are
    compared.

    Args:
        candidates: Evaluated candidates of all schemes, (n,).
        crystals: Relaxed candidates by id.
        uniqueness: Compares crystals.
        limits: Limits of variants, which count as the same.

    Returns:
        Identifiers, (n,), with the index of ``candidates``; "" if there is none.
    """
    rows = best_of(candidates).sort_values(["e_above_hull", "id"], kind="stable").drop_duplicates("id")
    names = rows["id"].tolist()
    repeats = _repeats([crystals[name] for name in names], uniqueness, limits)
    same = {name: names[k] for name, k in zip(names, repeats, strict=True) if k is not None}
    return candidates["id"].map(same).fillna("").astype(str)


def best_of(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the distinct candidates that are stable or meta-stable.

    Args:
        candidates: Evaluated candidates: distinct, stability.
    """
    chosen = is_true(candidates["distinct"]) & candidates["stability"].isin(["stable", "meta-stable"])
    return candidates[chosen]


def once_each(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each candidate, the best first.

    A candidate belongs to several schemes if it passed the screen of a second scheme.

    Args:
        candidates: Evaluated candidates of all schemes, one row for each scheme that has the candidate.

    Returns:
        Table with ``scheme`` (the one that generated the candidate), ``schemes`` (a tuple of all its schemes),
        ``distinct``, ``best`` (distinct, and stable or meta-stable), and ``first`` (best, and not the same as a better
        one of another scheme). ``distinct`` and ``best`` are true if they are true for any scheme. The best candidates
        come first, sorted by hull distance. Failed candidates come last.
    """
    names = ("id", "formula", "scheme", "distinct", "stability", "e_above_hull", "formation_energy", "status", "reason")
    rows = complete(candidates, *names).reset_index(drop=True)
    rows = rows.assign(best=rows.index.isin(best_of(rows).index), distinct=is_true(rows["distinct"]))
    if rows.empty:
        return rows.assign(schemes=pd.Series(dtype=object), first=pd.Series(dtype=bool), same_as="")
    groups = rows.groupby(["id", "formula"], sort=False)
    rows = rows.drop(columns="scheme").assign(best=groups["best"].transform("any"))
    rows["distinct"] = groups["distinct"].transform("any")
    owners = groups["scheme"].agg(lambda schemes: tuple(in_order(schemes))).rename("schemes")
    rows = rows.drop_duplicates(["id", "formula"]).join(owners, on=["id", "formula"])
    if "same_as" not in rows:  # of an earlier version
        rows["same_as"] = ""
    rows = rows.assign(scheme=rows["schemes"].str[0], first=rows["best"] & (rows["same_as"] == ""))
    rows = rows.sort_values(["best", "e_above_hull", "id"], ascending=[False, True, True], kind="stable")
    return rows.reset_index(drop=True)


def best_candidates(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each distinct candidate that is stable or meta-stable, and once each of several schemes.

    Args:
        candidates: Evaluated candidates of all schemes, one row for each scheme that has the candidate, with the column
            ``same_as`` of :func:`same_as` if there is one.

    Returns:
        Table as from :func:`once_each`, sorted by hull distance. ``scheme`` has the labels of all schemes that found
        the crystal.
    """
    rows = once_each(candidates)
    rows = rows[rows["best"]].reset_index(drop=True)
    found: dict[str, list[str]] = {}
    for name, schemes in zip(rows["id"].where(rows["first"], rows["same_as"]), rows["schemes"], strict=True):
        found.setdefault(name, []).extend(schemes)
    rows = rows[rows["first"]].reset_index(drop=True)
    owners = [tuple(in_order(found[name])) for name in rows["id"]]
    return rows.assign(schemes=pd.Series(owners, dtype=object), scheme=[scheme_labels(schemes) for schemes in owners])
