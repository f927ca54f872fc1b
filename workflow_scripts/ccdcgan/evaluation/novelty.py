"""How far candidates are from what is known, and from what was generated: known structures of the sources, RMSD."""

from collections.abc import Collection, Sequence

import numpy as np
from pymatgen.core import Structure

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


def displacement(generated: Structure, relaxed: Structure) -> float:
    """Return the root mean square displacement (angstrom) of the atoms from a generated to its relaxed crystal.

    Both hold the same atoms in the same order. Fractional displacements, without the common drift, are measured in
    the relaxed cell: a change of the cell alone counts nothing. NaN if the atoms are not the same.
    """
    if [site.specie for site in generated] != [site.specie for site in relaxed]:
        return float("nan")
    moved = relaxed.frac_coords - generated.frac_coords
    moved -= np.round(moved - moved[0]) + moved[0]  # nearest images with the first atom at rest
    moved -= moved.mean(axis=0)
    return float(np.sqrt(((moved @ relaxed.lattice.matrix) ** 2).sum(axis=1).mean()))
