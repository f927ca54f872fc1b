"""Selection of the candidates to relax, and the numbers of rejected samples by reason."""

from collections.abc import Collection, Sequence

import pandas as pd

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.reasons import REPEAT

COUNT_COLUMNS = ["reason", "count", "within_selection"]
CHUNK = 50
"""Number of candidates that are compared together."""


def select(
    shards: Sequence[Sequence[Crystal]],
    samples: Sequence[pd.DataFrame],
    limit: int | None,
    *,
    uniqueness: Uniqueness | None = None,
    database: Sequence[Crystal] = (),
    compositions: Collection[str] | None = None,
    order: Sequence[int] | None = None,
) -> tuple[list[Crystal], pd.DataFrame]:
    """Select the candidates to relax.

    Args:
        shards: Candidates of every shard, in order.
        samples: Sample tables of every shard, in order.
        limit: Maximum number of selected candidates; None: all.
        uniqueness: Excludes candidates that equal a crystal of ``database`` or an earlier candidate, before any
            relaxation; None: they are selected too.
        database: Relaxed crystals of the database.
        compositions: Reduced formulas to which the selection is restricted (Long et al., Fig. 3C: Bi2Se3); None: any.
        order: Indices of all candidates, the best first; None: the order in which they were generated.

    Returns:
        The selected candidates, and the number of samples for each reason ("" for candidates, REPEAT for excluded
        ones): ``count`` of all samples, ``within_selection`` of the samples up to the last selected candidate, or of
        all samples if all were ranked. The latter is the denominator of all ratios per generated crystal graph.
    """
    candidates = [crystal for shard in shards for crystal in shard]
    ranked = range(len(candidates)) if order is None else order
    eligible = [i for i in ranked if compositions is None or candidates[i].formula in compositions]
    if uniqueness is None:
        repeats: list[int] = []
        chosen = eligible[:limit]
    else:
        chosen, repeats = _without_repeats(candidates, eligible, limit, uniqueness, database)
    every = pd.concat(samples, ignore_index=True)
    successes = every.index[every["status"] == "ok"]
    every.loc[successes[repeats], "reason"] = REPEAT
    complete = order is not None or len(chosen) + len(repeats) == len(eligible)
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
    eligible: Sequence[int],
    limit: int | None,
    uniqueness: Uniqueness,
    database: Sequence[Crystal],
) -> tuple[list[int], list[int]]:
    """Return the first ``limit`` of the ``eligible`` candidates that are no repeats, and the repeats before the last of
    them."""
    wanted = len(eligible) if limit is None else limit
    known = [crystal.structure for crystal in database]
    chosen: list[int] = []
    repeats: list[int] = []
    for start in range(0, len(eligible), CHUNK):
        part = eligible[start : start + CHUNK]
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
