"""Which candidates are worth a relaxation, and why samples were lost."""

from collections.abc import Sequence

import pandas as pd

from ccdcgan.structures import Crystal

COUNT_COLUMNS = ["reason", "count", "within_selection"]


def select(
    shards: Sequence[Sequence[Crystal]], samples: Sequence[pd.DataFrame], limit: int | None
) -> tuple[list[Crystal], pd.DataFrame]:
    """Take the first ``limit`` candidates in the order of their samples (all if None).

    shards, samples: the candidates and the sample tables of every shard, in order. Returns the selected
    candidates, and how many samples ended for each reason ("" for candidates): ``count`` of all samples,
    ``within_selection`` of the samples up to the last selected candidate. The latter are the images that the
    relaxed candidates stand for, the denominator of everything counted per image.
    """
    candidates = [crystal for shard in shards for crystal in shard]
    selected = candidates if limit is None else candidates[:limit]
    every = pd.concat(samples, ignore_index=True)
    successes = every.index[every["status"] == "ok"]
    complete = len(selected) == len(candidates)
    part = every if complete else every.loc[: successes[len(selected) - 1]]
    counts = pd.DataFrame(
        {
            "count": every["reason"].value_counts(),
            "within_selection": part["reason"].value_counts(),
        }
    )
    counts = counts.fillna(0).astype(int).rename_axis("reason").reset_index().sort_values("reason")
    return selected, counts[COUNT_COLUMNS]
