"""What formation energy a crystal will have once it is relaxed, from what similar crystals had: no network, no graph.

The crystals of the database are known as they were before their relaxation, as candidates are, and with their energy
after it. A Gaussian process on these (:mod:`ccdcgan.crystals.gaussian_process`) predicts that of a decoded candidate.
The constraint reads a crystal graph, which it has to, for only a graph has a slope back to the noise; here the atoms
themselves are seen. Candidates of an earlier run that joined the database are learned from as well.
"""

from collections.abc import Sequence

import numpy as np

from ccdcgan.crystals.gaussian_process import CrystalRegression
from ccdcgan.crystals.structures import Crystal
from ccdcgan.utils.errors import InputError


def learn_expected_energies(
    substituted: Sequence[Crystal], relaxed: Sequence[Crystal], elements: Sequence[str], seed: int
) -> CrystalRegression:
    """Learn from the database.

    substituted: its crystals before relaxation, and maybe others; relaxed: those to learn from, with their
    formation_energy (eV/atom); seed: draws from more crystals than can be learned from. Raises InputError if there is
    none.
    """
    energies = {crystal.id: float(crystal.info["formation_energy"]) for crystal in relaxed}
    known = [crystal for crystal in substituted if crystal.id in energies]
    if not known:
        raise InputError("the database has no relaxed crystal to learn from; run the target database again.")
    values = np.array([energies[crystal.id] for crystal in known])
    return CrystalRegression.fit([crystal.structure for crystal in known], values, elements, values.mean(), seed)
