"""Which candidates are worth a relaxation, and why samples were lost."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.core import Composition

from ccdcgan.columns import REPEAT
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness

COUNT_COLUMNS = ["reason", "count", "within_selection"]
WANTED = 0.100
"""Hull distance (eV/atom) below which a candidate is wanted: the paper's for stable crystals. It is not the
configuration's, which may be counted with anew without another choice and its relaxations."""
CHUNK = 50
"""Candidates compared at a time, until enough are found."""


def select(
    shards: Sequence[Sequence[Crystal]],
    samples: Sequence[pd.DataFrame],
    limit: int | None,
    uniqueness: Uniqueness | None = None,
    database: Sequence[Crystal] = (),
    compositions: Collection[str] | None = None,
    order: Sequence[int] | None = None,
) -> tuple[list[Crystal], pd.DataFrame]:
    """Take the first ``limit`` candidates in the order of their samples, or in another one (all if None).

    shards, samples: the candidates and the sample tables of every shard, in order; uniqueness: leaves out candidates
    that equal a crystal of ``database``, or an earlier candidate, before any relaxation; None: they are taken too;
    compositions: reduced formulas that alone are taken (Long et al., Fig. 3C: of 1,000,000 images those of Bi2Se3),
    None: any; order: the places of all candidates, best first; None: as they were generated.
    Returns the selected candidates, and how many samples ended for each reason ("" for candidates, REPEAT for those
    left out): ``count`` of all samples, ``within_selection`` of the samples up to the last selected candidate, or all
    where all were looked at for the best. The latter are the images that the relaxed candidates stand for, the
    denominator of everything counted per image.
    """
    candidates = [crystal for shard in shards for crystal in shard]
    places = range(len(candidates)) if order is None else order
    asked = [i for i in places if compositions is None or candidates[i].formula in compositions]
    if uniqueness is None:
        repeats: list[int] = []
        chosen = asked[:limit]
    else:
        chosen, repeats = _without_repeats(candidates, asked, limit, uniqueness, database)
    every = pd.concat(samples, ignore_index=True)
    successes = every.index[every["status"] == "ok"]
    every.loc[successes[repeats], "reason"] = REPEAT
    complete = order is not None or len(chosen) + len(repeats) == len(asked)
    part = every if complete else every.loc[: successes[chosen[-1]]]
    counts = pd.DataFrame(
        {
            "count": every["reason"].value_counts(),
            "within_selection": part["reason"].value_counts(),
        }
    )
    counts = counts.fillna(0).astype(int).rename_axis("reason").reset_index().sort_values("reason")
    return [candidates[i] for i in chosen], counts[COUNT_COLUMNS]


def most_promising(formulas: Sequence[str], energies: np.ndarray, hull: PhaseDiagram) -> list[int]:
    """Return the places of all candidates, the best of every composition first, then the second ones, and so on.

    The best is the one predicted lowest; among the best, what is predicted furthest below the energy at which it would
    be stable comes first: E_f < 0 and a distance to ``hull`` below ``WANTED``. Compositions take turns, for
    the lowest predictions of all come from few compositions, those about which a prediction errs most.
    formulas: reduced; energies: (n,), predicted formation energies, eV/atom; both in the order of the candidates.
    """
    heights = {name: hull.get_hull_energy_per_atom(Composition(name)) for name in set(formulas)}
    limits = np.minimum(0, np.array([heights[name] for name in formulas], dtype=float) + WANTED)
    ranked = pd.DataFrame({"formula": list(formulas), "above": energies - limits})
    ranked = ranked.sort_values("above", kind="stable")
    ranked["turn"] = ranked.groupby("formula").cumcount()
    return ranked.sort_values(["turn", "above"], kind="stable").index.tolist()


def _without_repeats(
    candidates: Sequence[Crystal],
    asked: Sequence[int],
    limit: int | None,
    uniqueness: Uniqueness,
    database: Sequence[Crystal],
) -> tuple[list[int], list[int]]:
    """Return the first ``limit`` of the candidates ``asked`` that repeat nothing, and those before the last of them
    that do."""
    wanted = len(asked) if limit is None else limit
    known = [crystal.structure for crystal in database]
    chosen: list[int] = []
    repeats: list[int] = []
    for start in range(0, len(asked), CHUNK):
        part = asked[start : start + CHUNK]
        verdicts = uniqueness.first_of_kind([candidates[i].structure for i in part], known)
        for i, verdict in zip(part, verdicts, strict=True):
            if len(chosen) == wanted:
                return chosen, repeats
            if verdict is None:
                chosen.append(i)
                known.append(candidates[i].structure)
            else:
                repeats.append(i)
    return chosen, repeats
