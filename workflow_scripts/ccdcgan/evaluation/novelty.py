"""Novelty of candidates: repeats and variants of the database or of other candidates, and known phases."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.crystals.variants import VariantLimits
from ccdcgan.database.energies import to_table


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
        known: Known phases, or structures from :func:`known_structures`.
        uniqueness: Compares crystals.

    Returns:
        For each candidate, in order, the id of the known structure; "" if there is no match or the candidate failed.
    """
    formulas = {crystal.formula for crystal in known}
    relaxed = [i for i, one in enumerate(candidates) if one.info["status"] == "ok" and one.formula in formulas]
    verdicts = uniqueness.first_of_kind(
        [candidates[i].structure for i in relaxed], [crystal.structure for crystal in known]
    )
    names = [""] * len(candidates)
    for i, verdict in zip(relaxed, verdicts, strict=True):
        kind, k = verdict or ("", 0)
        names[i] = known[k].id if kind == "known" else names[relaxed[k]] if kind == "self" else ""
    return names


def known_phases_table(
    phases: Sequence[Crystal], database: Sequence[Crystal], elements: Sequence[str], uniqueness: Uniqueness
) -> pd.DataFrame:
    """Return the table of the known phases, one row per phase in order, including failures.

    Args:
        phases: Known phases with formation energies and hull distances.
        database: Relaxed crystals of the database.
        elements: Elements of the system.
        uniqueness: Compares crystals.

    Returns:
        Table of :func:`~ccdcgan.database.energies.to_table` with the columns source, source_formation_energy (eV/atom;
        NaN if the source has none) and repeats, the id of the crystal of the database that equals the phase.
    """
    return to_table(phases, elements).assign(
        source=[phase.info["source"] for phase in phases],
        source_formation_energy=[phase.info.get("source_formation_energy", float("nan")) for phase in phases],
        repeats=find_known(phases, database, uniqueness),
    )


def find_repeats(
    candidates: Sequence[Crystal], database: Sequence[Crystal], uniqueness: Uniqueness
) -> tuple[list[str], list[bool]]:
    """Find the crystals that candidates repeat.

    Only relaxed candidates (status "ok", with ``formation_energy`` in eV/atom) are compared. They are sorted by energy,
    so that the result does not depend on the order of the input.

    Args:
        candidates: Relaxed candidates, failed ones included.
        database: Crystals of the database and known phases; of equal ones the first is named.
        uniqueness: Compares crystals.

    Returns:
        For each candidate, in order, the id of the crystal that it repeats ("" if it repeats no crystal), and whether
        it equals no crystal of ``database``. Failed candidates have "" and False.
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


def with_variants(
    table: pd.DataFrame, candidates: Sequence[Crystal], database: Sequence[Crystal], limits: VariantLimits
) -> pd.DataFrame:
    """Add the variants to a table of candidates: near-duplicates that StructureMatcher takes for other crystals.

    Args:
        table: Table of the candidates, in their order, with repeats and novel from :func:`find_repeats`.
        candidates: Relaxed candidates, failed ones included, with formation energies (eV/atom).
        database: Crystals of the database and known phases. Those that did not relax have no energy; their structure
            alone is compared.
        limits: Limits of fingerprint distance and energy.

    Returns:
        The table with ``variant``, the id of the crystal of the database, known phase or candidate of lower energy of
        which the candidate, or the candidate that it repeats, is a variant ("": none); ``novel``, false for variants of
        the database and known phases, too; and ``novel_by_matcher``, which is ``novel`` as it was.
    """
    place = {crystal.id: i for i, crystal in enumerate(candidates)}
    matched = table["novel"].to_numpy(dtype=bool)
    repeats = table["repeats"].tolist()
    first = sorted(
        (i for i, name in enumerate(repeats) if matched[i] and name == ""),
        key=lambda i: (candidates[i].info["formation_energy"], candidates[i].id),
    )
    verdicts = limits.first_of_kind(
        [candidates[i].structure for i in first],
        [candidates[i].info["formation_energy"] for i in first],
        [crystal.structure for crystal in database],
        [crystal.info.get("formation_energy", np.nan) for crystal in database],
    )
    variant, novel = [""] * len(candidates), matched.copy()
    for i, verdict in zip(first, verdicts, strict=True):
        if verdict is not None:
            kind, k = verdict
            variant[i] = database[k].id if kind == "known" else candidates[first[k]].id
            novel[i] = kind != "known"
    for i, name in enumerate(repeats):
        if matched[i] and name in place:
            variant[i], novel[i] = variant[place[name]], novel[place[name]]
    return table.assign(variant=variant, novel=novel, novel_by_matcher=matched)


def equal_or_variant(
    structure: Structure, energy: float, database: Sequence[Crystal], uniqueness: Uniqueness, limits: VariantLimits
) -> str:
    """Return the id of the relaxed crystal that a crystal equals, or of which it is a variant; "" if there is none.

    Args:
        structure: The crystal.
        energy: Its formation energy, eV/atom.
        database: Crystals of the database and known phases; only relaxed ones are compared.
        uniqueness: Compares crystals.
        limits: Limits of fingerprint distance and energy.
    """
    formula = structure.composition.reduced_formula
    near = [crystal for crystal in database if crystal.info["status"] == "ok" and crystal.formula == formula]
    others = [crystal.structure for crystal in near]
    energies = [crystal.info["formation_energy"] for crystal in near]
    [verdict] = uniqueness.first_of_kind([structure], others)
    if verdict is None:
        [verdict] = limits.first_of_kind([structure], [energy], others, energies)
    return near[verdict[1]].id if verdict is not None else ""
