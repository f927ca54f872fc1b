"""Novelty of candidates: repeats of the database or of other candidates, and known structures from the sources."""

from collections.abc import Collection, Sequence

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness


def known_structures(prototypes: Sequence[Crystal], elements: Collection[str]) -> list[Crystal]:
    """Return the prototypes that are compounds of the elements of the system.

    Args:
        prototypes: Crystals from the prototype sources.
        elements: Elements of the system.
    """
    symbols = [{site.specie.symbol for site in crystal.structure} for crystal in prototypes]
    return [crystal for crystal, own in zip(prototypes, symbols, strict=True) if len(own) > 1 and own <= set(elements)]


def find_known(candidates: Sequence[Crystal], known: Sequence[Crystal], uniqueness: Uniqueness) -> list[str]:
    """Find the known structures that candidates match.

    Args:
        candidates: Relaxed candidates, failed ones included.
        known: Structures from :func:`known_structures`.
        uniqueness: Compares crystals.

    Returns:
        For each candidate, in order, the id of the known structure; "" if there is no match or the candidate failed.
    """
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

    Only relaxed candidates (status "ok", with ``formation_energy`` in eV/atom) are compared. They are sorted by energy,
    so that the result does not depend on the order of the input.

    Args:
        candidates: Relaxed candidates, failed ones included.
        database: Relaxed crystals of the database.
        uniqueness: Compares crystals.

    Returns:
        For each candidate, in order, the id of the crystal that it repeats ("" if it repeats no crystal), and whether
        it is not in the database. Failed candidates have "" and False.
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
