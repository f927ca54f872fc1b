"""Placement of relaxed candidates on the hull of the database."""

import numpy as np
from pymatgen.core import Structure


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
