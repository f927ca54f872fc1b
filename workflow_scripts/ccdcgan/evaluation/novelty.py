"""Novelty of candidates: repeats of the database and of one another, and structures that the sources know."""

from collections.abc import Collection, Sequence

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness


def known_structures(prototypes: Sequence[Crystal], elements: Collection[str]) -> list[Crystal]:
    """Return the prototypes that consist of the elements of the system: its structures that the sources know."""
    symbols = [{site.specie.symbol for site in crystal.structure} for crystal in prototypes]
    return [crystal for crystal, own in zip(prototypes, symbols, strict=True) if len(own) > 1 and own <= set(elements)]


def find_known(candidates: Sequence[Crystal], known: Sequence[Crystal], uniqueness: Uniqueness) -> list[str]:
    """Return for each candidate the id of the known structure that it matches, "" if none or if it did not relax."""
    relaxed = [i for i, crystal in enumerate(candidates) if crystal.info["status"] == "ok"]
    verdicts = uniqueness.first_of_kind(
        [candidates[i].structure for i in relaxed], [crystal.structure for crystal in known]
    )
    names = [""] * len(candidates)
    for i, verdict in zip(relaxed, verdicts, strict=True):
        kind, k = verdict or ("", 0)
        names[i] = known[k].id if kind == "known" else names[relaxed[k]] if kind == "self" else ""
    return names


def find_repeats(
    candidates: Sequence[Crystal], database: Sequence[Crystal], uniqueness: Uniqueness
) -> tuple[list[str], list[bool]]:
    """Find the crystals that candidates repeat.

    Only relaxed candidates (status "ok", with ``formation_energy``) are compared, the lowest energy first, so that the
    result does not depend on their order.

    Args:
        candidates: Relaxed candidates, failed ones included.
        database: Relaxed crystals of the database.
        uniqueness: Compares crystals.

    Returns:
        For each candidate the id of the crystal that it repeats ("" if none), and whether it is not in the database;
        "" and False for failed ones.
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
