"""How far candidates are from what is known, and from what was generated: known structures of the sources, RMSD."""

from collections.abc import Collection, Sequence

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness


def known_structures(prototypes: Sequence[Crystal], elements: Collection[str]) -> list[Crystal]:
    """Return the prototypes that consist of the system's elements: structures that its sources know as they are."""
    found = [(crystal, {site.specie.symbol for site in crystal.structure}) for crystal in prototypes]
    return [crystal for crystal, symbols in found if len(symbols) > 1 and symbols <= set(elements)]


def find_known(candidates: Sequence[Crystal], known: Sequence[Crystal], uniqueness: Uniqueness) -> list[str]:
    """Return for each candidate the id of the known structure that it is, "" for none or if it was not relaxed."""
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
