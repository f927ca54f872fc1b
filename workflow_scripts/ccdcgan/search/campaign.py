"""A round of a campaign: proposals from all proposers, judged by a model trained on all relaxations so far."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ccdcgan.candidates.selection import COUNT_COLUMNS
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.energies import with_hull_distances
from ccdcgan.search.acquisition import PROBABILITY, Budget, choose, trust
from ccdcgan.search.experience import PROPOSED_BY, Experience
from ccdcgan.search.judge import Judge
from ccdcgan.search.parents import Parents
from ccdcgan.search.proposals import Limits, Wanted, draw_pool, make_proposers, pool_sizes, shares
from ccdcgan.utils.seeds import derive_seed

log = logging.getLogger(__name__)

SCHEME = "campaign"
"""Name of the scheme."""
ROUND = "round"
"""Key of a crystal's info: the number of its round."""
PROPOSAL_COLUMNS = (ROUND, PROPOSED_BY, "parent", PROBABILITY, "acquisition")
"""Keys of a chosen crystal's info that its tables show, besides the expected energy."""


@dataclass(frozen=True)
class Plan:
    """Settings of one round of a campaign.

    Attributes:
        round: Number of the round, 1 for the first one.
        relaxations: Number of relaxations of the round.
        proposals: Proposers, values of ``proposals.PROPOSERS``.
        pool: Number of proposals that are judged.
        per_composition: Largest number of relaxations of one composition in the whole campaign.
        floor: Smallest share of each proposer of the pool, and of each kind of proposer of the relaxations.
        p1_weight: Factor on the value of a proposal without symmetry.
        seed: Seed of the run.
        compositions: Reduced formulas to which the campaign is restricted; None: any.
    """

    round: int
    relaxations: int
    proposals: Sequence[str]
    pool: int
    per_composition: int
    floor: float
    p1_weight: float
    seed: int
    compositions: Collection[str] | None = None


def propose_round(
    plan: Plan,
    experience: Experience,
    generated: Mapping[str, Sequence[Crystal]],
    limits: Limits,
    uniqueness: Uniqueness,
) -> tuple[list[Crystal], Counter[str]]:
    """Choose the crystals that a round relaxes.

    Args:
        plan: Settings of the round.
        experience: The relaxations so far.
        generated: Scheme -> its candidates.
        limits: Limits of a candidate.
        uniqueness: Compares crystals.

    Returns:
        The crystals, named ``campaign-{round}-{rank}``, with ``scheme``, ``round``, ``proposed_by``, ``parent``,
        expectations and ``probability``; and the number of all proposals of the round by reason of rejection, "" for
        those that were judged.
    """
    pool, rejected = _draw(plan, experience, generated, limits, uniqueness)
    judge = Judge(experience, experience.elements, derive_seed(plan.seed, SCHEME, "judge"))
    budget = Budget(plan.relaxations, plan.per_composition, plan.floor, plan.p1_weight)
    chosen = choose(pool, experience, judge, uniqueness, budget, trust(experience))
    if len(chosen) < plan.relaxations:
        log.warning(
            "round %d relaxes %d crystals in place of %d: no more of its proposals are new and of a wanted formula; "
            "enlarge campaign.pool or campaign.per_composition",
            plan.round,
            len(chosen),
            plan.relaxations,
        )
    info = {"scheme": SCHEME, "stage": "candidate", "status": "ok", "reason": "", ROUND: plan.round}
    named = [
        Crystal(f"{SCHEME}-{plan.round:02d}-{rank:03d}", crystal.structure, {**info, **crystal.info})
        for rank, crystal in enumerate(chosen)
    ]
    for crystal in named:
        log.info(
            "%s: %s by %s, expected %.3f ± %.3f eV/atom, probability %.2f",
            crystal.id,
            crystal.formula,
            crystal.info[PROPOSED_BY],
            crystal.info["expected_formation_energy"],
            crystal.info["expected_uncertainty"],
            crystal.info[PROBABILITY],
        )
    return named, rejected + Counter({"": len(pool)})


def _draw(
    plan: Plan,
    experience: Experience,
    generated: Mapping[str, Sequence[Crystal]],
    limits: Limits,
    uniqueness: Uniqueness,
) -> tuple[list[Crystal], Counter[str]]:
    """Draw the proposals of a round, and count the rejected ones by reason."""
    relaxed = [attempt.end for attempt in experience.attempts if attempt.relaxed]
    compounds = [crystal for crystal in relaxed if len(crystal.structure.composition) > 1]
    compounds = with_hull_distances(compounds, experience.hull)
    parents = Parents.of(compounds, experience.elements, uniqueness)
    taken = experience.relaxations_by_formula()
    most = experience.most_by_formula(plan.per_composition)
    full = frozenset(formula for formula, count in taken.items() if count >= most[formula])
    wanted = Wanted(full, None if plan.compositions is None else frozenset(plan.compositions))
    templates = [attempt.start for attempt in experience.database]
    proposers = make_proposers(plan.proposals, parents, templates, generated, wanted, experience.explored_formulas())
    finds = experience.finds_by_proposer()
    parts = shares(finds, list(proposers), plan.floor)
    for name, share in parts.items():
        found, tried = finds.get(name, (0, 0))
        log.info("%s: share %.0f %%; %d of %d relaxations found a crystal so far", name, 100 * share, found, tried)
    rngs = {name: np.random.default_rng(derive_seed(plan.seed, SCHEME, plan.round, name)) for name in proposers}
    return draw_pool(proposers, pool_sizes(parts, plan.pool), limits, rngs)


def proposal_table(crystals: Sequence[Crystal]) -> pd.DataFrame:
    """Return who proposed the crystals of a round and what was expected of them, one row per crystal in order.

    Args:
        crystals: Crystals from :func:`propose_round`.
    """
    names = (*PROPOSAL_COLUMNS, "expected_formation_energy", "expected_uncertainty")
    rows = [
        {"id": crystal.id, "formula": crystal.formula} | {name: crystal.info.get(name, "") for name in names}
        for crystal in crystals
    ]
    return pd.DataFrame(rows, columns=["id", "formula", *names])


def count_table(counts: Mapping[str, int]) -> pd.DataFrame:
    """Return the number of proposals by reason of rejection, as :func:`ccdcgan.candidates.selection.select` does.

    Args:
        counts: Reason -> number of proposals, "" for those that were judged.
    """
    rows = [(reason, count, count) for reason, count in sorted(counts.items())]
    return pd.DataFrame(rows, columns=COUNT_COLUMNS)
