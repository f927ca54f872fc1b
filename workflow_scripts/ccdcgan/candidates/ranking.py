"""Ranking of candidates before relaxation, by predicted formation energies.

Formation energies after relaxation are predicted from similar crystals of the database. A Gaussian process
(:mod:`ccdcgan.crystals.gaussian_process`) is trained on the crystals as they were before relaxation, which is how
candidates are, with their energies after it. The constraint predicts from the crystal graph, which is needed for a
gradient with respect to the noise; here the structure itself is used. Candidates of an earlier run that joined the
database are training data, too.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.core import Composition

from ccdcgan.crystals.gaussian_process import CrystalRegression
from ccdcgan.crystals.structures import Crystal
from ccdcgan.utils.errors import InputError

TARGET = 0.100
"""Hull distance (eV/atom) of stable crystals in Long et al. Fixed here rather than read from the configuration, so that
changing the reporting thresholds does not change which candidates are relaxed."""


def fit_relaxed_energies(
    substituted: Sequence[Crystal], relaxed: Sequence[Crystal], elements: Sequence[str], seed: int
) -> CrystalRegression:
    """Fit a regression of formation energies after relaxation.

    Args:
        substituted: Crystals of the database before relaxation, possibly with others.
        relaxed: Crystals of the database after relaxation, with formation_energy (eV/atom).
        elements: Elements of the system.
        seed: Decides which crystals are used if there are too many.

    Raises:
        InputError: There are no relaxed crystals.
    """
    energies = {crystal.id: float(crystal.info["formation_energy"]) for crystal in relaxed}
    known = [crystal for crystal in substituted if crystal.id in energies]
    if not known:
        raise InputError("the database has no relaxed crystal to train on; run the target database again.")
    values = np.array([energies[crystal.id] for crystal in known])
    return CrystalRegression.fit([crystal.structure for crystal in known], values, elements, values.mean(), seed)


def rank_by_composition(formulas: Sequence[str], energies: np.ndarray, hull: PhaseDiagram) -> list[int]:
    """Rank candidates: the best of every composition first, then the second ones, and so on.

    Within a composition the lowest prediction comes first. Among the best of all compositions, the first one is that
    furthest below the energy at which it would be stable: E_f < 0 and a distance to ``hull`` below TARGET. Compositions
    alternate because the lowest predictions of all come from the few compositions with the largest errors.

    Args:
        formulas: Reduced formulas of the candidates.
        energies: Their predicted formation energies, (n,), eV/atom.
        hull: Convex hull of the database.

    Returns:
        Indices of all candidates, the best first.
    """
    heights = {name: hull.get_hull_energy_per_atom(Composition(name)) for name in set(formulas)}
    limits = np.minimum(0, np.array([heights[name] for name in formulas], dtype=float) + TARGET)
    # Equal crystals are drawn more than once. The rounding errors of their predictions depend on the processor and the
    # number of threads, which must not decide between them.
    ranked = pd.DataFrame({"formula": list(formulas), "above": np.round(energies - limits, 6)})
    ranked = ranked.sort_values("above", kind="stable")
    ranked["turn"] = ranked.groupby("formula").cumcount()
    return ranked.sort_values(["turn", "above"], kind="stable").index.tolist()
