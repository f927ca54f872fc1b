"""A round of a campaign: proposals from all proposers, judged by what every relaxation so far has taught."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.search.acquisition import Budget, choose, trust
from ccdcgan.search.experience import PROPOSED_BY, Experience
from ccdcgan.search.judge import Judge
from ccdcgan.search.parents import Parents
from ccdcgan.search.proposals import Limits, Wanted, draw_pool, make_proposers, shares
from ccdcgan.utils.seeds import derive_seed

log = logging.getLogger(__name__)

SCHEME = "campaign"
"""Name of the scheme."""


@dataclass(frozen=True)
class Plan:
    """Settings of a campaign.

    Attributes:
        proposals: Proposers, values of ``proposals.PROPOSERS``.
        pool: Number of proposals of a round.
        numbers: Number of relaxations of each round.
        per_composition: Largest number of relaxations of one composition.
        floor: Smallest share of each proposer of the pool and of the relaxations.
        seed: Seed of the run.
        compositions: Reduced formulas to which the campaign is restricted; None: any.
    """

    proposals: Sequence[str]
    pool: int
    numbers: Sequence[int]
    per_composition: int
    floor: float
    seed: int
    compositions: Collection[str] | None = None

    @property
    def most_of_a_composition(self) -> int:
        """Largest number of relaxations of one composition: more if there are few compositions to choose from."""
        if self.compositions is None:
            return self.per_composition
        return max(self.per_composition, ceil(sum(self.numbers) / max(len(self.compositions), 1)))


def relaxations_by_round(relaxations: int, rounds: int) -> list[int]:
    """Divide the relaxations of a campaign into rounds that differ by one relaxation at most, larger ones first."""
    each, more = divmod(relaxations, rounds)
    return [each + (number < more) for number in range(rounds)]


def propose_round(
    number: int,
    plan: Plan,
    experience: Experience,
    generated: Mapping[str, Sequence[Crystal]],
    limits: Limits,
    thresholds: Mapping[str, float],
    uniqueness: Uniqueness,
) -> tuple[list[Crystal], Counter[str]]:
    """Choose the crystals that a round relaxes.

    Args:
        number: Number of the round, 0 for the first one.
        plan: Settings of the campaign.
        experience: The relaxations so far.
        generated: Scheme -> its candidates.
        limits: Limits of a candidate.
        thresholds: Hull distances (eV/atom) of ``stable`` and ``meta_stable`` crystals.
        uniqueness: Compares crystals.

    Returns:
        The crystals, named ``campaign-{round}-{rank}``, with ``scheme``, ``round`` (1 for the first one),
        ``proposed_by``, ``parent``, expectations and ``probability``; and the number of all proposals of the round by
        reason of rejection, "" for those that were judged.
    """
    elements = [element.symbol for element in experience.hull.elements]
    known = [attempt.end for attempt in experience.attempts if attempt.relaxed]
    compounds = [crystal for crystal in known if len(crystal.structure.composition) > 1]
    parents = Parents.of(compounds, elements, uniqueness)
    taken = experience.relaxations_by_formula()
    most = plan.most_of_a_composition
    full = frozenset(formula for formula, count in taken.items() if count >= most)
    wanted = Wanted(full, None if plan.compositions is None else frozenset(plan.compositions))
    templates = [attempt.start.structure for attempt in experience.database]
    proposers = make_proposers(plan.proposals, parents, templates, generated, wanted)
    finds = experience.finds_by_proposer(thresholds["meta_stable"])
    parts = shares(finds, list(proposers), plan.floor)
    for name, share in parts.items():
        found, tried = finds.get(name, (0, 0))
        log.info("%s: %.0f %% of the proposals; %d distinct meta-stable of %d so far", name, 100 * share, found, tried)
    seeds = {name: derive_seed(plan.seed, SCHEME, number, name) for name in proposers}
    rngs = {name: np.random.default_rng(seed) for name, seed in seeds.items()}
    sizes = {name: round(share * plan.pool) for name, share in parts.items()}
    pool, rejected = draw_pool(proposers, sizes, limits, rngs)
    judge = Judge(experience, elements, thresholds, derive_seed(plan.seed, SCHEME, "judge"))
    budget = Budget(plan.numbers[number], most, plan.floor)
    trusted = trust(experience, thresholds["meta_stable"])
    chosen = choose(pool, experience, judge, uniqueness, budget, trusted)
    if len(chosen) < budget.number:
        log.warning(
            "round %d relaxes %d crystals in place of %d: the pool has no more that are new and wanted; enlarge "
            "campaign.pool or campaign.per_composition",
            number + 1,
            len(chosen),
            budget.number,
        )
    info = {"scheme": SCHEME, "stage": "candidate", "status": "ok", "reason": "", "round": number + 1}
    named = [
        Crystal(f"{SCHEME}-{number + 1:02d}-{rank:03d}", crystal.structure, {**info, **crystal.info})
        for rank, crystal in enumerate(chosen)
    ]
    for crystal in named:
        log.info(
            "%s: %s, %s, expected %.3f ± %.3f eV/atom, probability %.2f",
            crystal.id,
            crystal.formula,
            crystal.info[PROPOSED_BY],
            crystal.info["expected_formation_energy"],
            crystal.info["expected_uncertainty"],
            crystal.info["probability"],
        )
    return named, rejected + Counter({"": len(pool)})
