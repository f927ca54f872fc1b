"""From samples to distinct meta-stable crystals: what is left at each stage, and why the rest was lost."""

from dataclasses import dataclass

import pandas as pd

from ccdcgan.columns import OTHER_COMPOSITION, REPEAT, complete, in_order, reason_label
from ccdcgan.figures.attrition import stage_counts


@dataclass(frozen=True)
class Stage:
    """name: of the stage; left: crystals that reached it; lost: (reason, count) on the way to it, commonest
    first; the counts are what is missing to the stage above."""

    name: str
    left: int
    lost: tuple[tuple[str, int], ...]


def funnels(
    summary: pd.DataFrame, losses: pd.DataFrame, candidates: pd.DataFrame, meta_stable: float
) -> dict[str, list[Stage]]:
    """Return the stages of every scheme, in the order of all tables.

    summary: the paper's table; losses: scheme, reason, count, of generation and relaxation; candidates: the
    evaluated ones, which tell a relaxation's failures from those of generation; meta_stable: eV/atom.
    """
    counts = stage_counts(summary)
    losses = complete(losses, "scheme", "reason", "count")
    candidates = complete(candidates, "scheme", "status", "reason")
    result = {}
    for scheme in in_order(counts["scheme"]):
        left = counts[counts["scheme"] == scheme].set_index("stage")["count"].to_dict()
        every = losses[(losses["scheme"] == scheme) & (losses["reason"] != "")].groupby("reason")["count"].sum()
        failed = candidates[(candidates["scheme"] == scheme) & (candidates["status"] != "ok")]
        relaxing = failed["reason"].value_counts()
        generating = every.sub(relaxing, fill_value=0)
        repeats = int(generating.get(REPEAT, 0))
        asked = next(stage for stage in ("of the compositions asked for", "candidates", *left) if stage in left)
        reasons = {
            "candidates": generating.drop([REPEAT, OTHER_COMPOSITION], errors="ignore").to_dict(),
            "of the compositions asked for": {OTHER_COMPOSITION: _missing(left, "candidates", asked)},
            "sent to relaxation": {
                REPEAT: repeats,
                "beyond the number to be relaxed": _missing(left, asked, "sent to relaxation") - repeats,
            },
            "relaxed": relaxing.to_dict(),
            "formation energy < 0": {"formation energy not below 0": _missing(left, "relaxed", "formation energy < 0")},
            "meta-stable": {
                f"hull distance of {meta_stable:.3f} eV/atom or more": _missing(
                    left, "formation energy < 0", "meta-stable"
                )
            },
            "distinct meta-stable": {
                "in the database, or a repeat": _missing(left, "meta-stable", "distinct meta-stable")
            },
        }
        result[scheme] = [Stage(name, count, _sorted(reasons.get(name, {}))) for name, count in left.items()]
    return result


def _missing(left: dict[str, int], before: str, after: str) -> int:
    return left.get(before, 0) - left.get(after, 0)


def _sorted(reasons: dict[str, float]) -> tuple[tuple[str, int], ...]:
    named = [(reason_label(reason), int(count)) for reason, count in reasons.items() if count > 0]
    return tuple(sorted(named, key=lambda item: (-item[1], item[0])))
