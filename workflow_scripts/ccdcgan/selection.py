"""Which candidates are worth a relaxation, and why samples were lost."""

from collections.abc import Collection, Sequence

import pandas as pd

from ccdcgan.columns import REPEAT
from ccdcgan.structures import Crystal
from ccdcgan.uniqueness import Uniqueness

COUNT_COLUMNS = ["reason", "count", "within_selection"]
CHUNK = 50
"""Candidates compared at a time, until enough are found."""


def select(
    shards: Sequence[Sequence[Crystal]],
    samples: Sequence[pd.DataFrame],
    limit: int | None,
    uniqueness: Uniqueness | None = None,
    database: Sequence[Crystal] = (),
    compositions: Collection[str] | None = None,
) -> tuple[list[Crystal], pd.DataFrame]:
    """Take the first ``limit`` candidates in the order of their samples (all if None).

    shards, samples: the candidates and the sample tables of every shard, in order; uniqueness: leaves out candidates
    that equal a crystal of ``database``, or an earlier candidate, before any relaxation; None: they are taken too;
    compositions: reduced formulas that alone are taken (Long et al., Fig. 3C: of 1,000,000 images those of Bi2Se3),
    None: any.
    Returns the selected candidates, and how many samples ended for each reason ("" for candidates, REPEAT for those
    left out): ``count`` of all samples, ``within_selection`` of the samples up to the last selected candidate. The
    latter are the images that the relaxed candidates stand for, the denominator of everything counted per image.
    """
    candidates = [crystal for shard in shards for crystal in shard]
    asked = [i for i, crystal in enumerate(candidates) if compositions is None or crystal.formula in compositions]
    if uniqueness is None:
        repeats: list[int] = []
        chosen = asked[:limit]
    else:
        chosen, repeats = _without_repeats(candidates, asked, limit, uniqueness, database)
    every = pd.concat(samples, ignore_index=True)
    successes = every.index[every["status"] == "ok"]
    every.loc[successes[repeats], "reason"] = REPEAT
    complete = len(chosen) + len(repeats) == len(asked)
    part = every if complete else every.loc[: successes[chosen[-1]]]
    counts = pd.DataFrame(
        {
            "count": every["reason"].value_counts(),
            "within_selection": part["reason"].value_counts(),
        }
    )
    counts = counts.fillna(0).astype(int).rename_axis("reason").reset_index().sort_values("reason")
    return [candidates[i] for i in chosen], counts[COUNT_COLUMNS]


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
