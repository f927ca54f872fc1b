"""Choice of the crystals that a round of a campaign relaxes.

The value of a proposal is the chance that its relaxation succeeds and ends in a crystal that was not known, times the
mean of its chances to be meta-stable and to be stable and of a measure of its expected depth below the hull, times the
trust in its proposer, times a weight if it has no symmetry, since such a crystal is rarely one that can be made. The
chance of a new end is learned from the distance to known crystals and to those chosen before in the same round, so that
a round does not spend two relaxations on one crystal. Strained copies of a known crystal, whose descriptors may be far
from those of the crystal into which they relax, are left out. The lowest expected energies alone would lead back to the
known phases. Where the hull is known, hardly any proposal is expected below it; where it is not, many are certain to be
stable, and the depth decides.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

import numpy as np

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.symmetry import is_p1
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.energies import SPACE_GROUP_TOLERANCE
from ccdcgan.search.experience import PROPOSED_BY, Experience, is_find
from ccdcgan.search.judge import Judge
from ccdcgan.search.proposals import PROTOTYPE, kind_of

PROBABILITY = "probability"
"""Key of a crystal's info: the probability, when it was chosen, of a distinct meta-stable crystal."""
STRAINED = MappingProxyType({"ltol": 0.35, "stol": 0.2, "angle_tol": 12.0})
"""Tolerances of StructureMatcher within which a proposal is a strained copy of a crystal, into which it relaxes: wider
for the cell than those of Long et al., and narrower for the atoms. See docs/validation/discovery.md."""
DEPTH = 0.05
"""Expected depth below the hull (eV/atom) that counts one half."""
PROTOTYPE_FLOOR = 0.25
"""Smallest fraction of the relaxations for prototypes at compositions that the database lacks, as long as there are
any that are more likely meta-stable than not: a ground state is an exception among the prototypes of its composition,
and the judge expects too little of it."""
TRUST_WEIGHT = 2.0
"""Number of expected finds after which the finds of a proposer count as much as the expectation."""


@dataclass(frozen=True)
class Budget:
    """How many crystals are chosen.

    Attributes:
        number: Number of crystals of the round.
        per_composition: Largest number of one composition in the whole campaign; a round takes half of them at most.
            Where the campaign has lowered the hull, as many again that are prototypes or are expected to lower it
            further.
        floor: Smallest fraction of all relaxations for each kind of proposer; prototypes have PROTOTYPE_FLOOR.
        p1_weight: Factor on the value of a proposal without symmetry.
    """

    number: int
    per_composition: int
    floor: float
    p1_weight: float = 1.0


def trust(experience: Experience) -> dict[str, float]:
    """Return the trust in each proposer: its finds relative to those that were expected of it, at most 1.

    Args:
        experience: The relaxations so far.
    """
    found: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    for attempt in experience.campaign:
        name = str(attempt.start.info[PROPOSED_BY])
        found[name] += is_find(attempt)
        expected[name] += float(attempt.start.info[PROBABILITY])
    return {name: min(1.0, (TRUST_WEIGHT + found[name]) / (TRUST_WEIGHT + expected[name])) for name in expected}


class _Known:
    """Crystals that a proposal must not repeat: ends and starts of relaxations, and what was chosen before."""

    def __init__(self, experience: Experience, uniqueness: Uniqueness) -> None:
        self._uniqueness = uniqueness
        self._strained = Uniqueness(dict(STRAINED))
        self._ends, self._starts = defaultdict(list), defaultdict(list)
        for crystal in experience.known:
            self._ends[crystal.formula].append(crystal.structure)
        for attempt in experience.attempts:
            self._starts[attempt.start.formula].append(attempt.start.structure)

    def contains(self, crystal: Crystal) -> bool:
        """Tell whether a crystal equals a known one or an earlier start, or is a strained copy of a known one."""
        ends, starts = self._ends[crystal.formula], self._starts[crystal.formula]
        return any(self._uniqueness.equal(crystal.structure, other) for other in (*ends, *starts)) or any(
            self._strained.equal(crystal.structure, other) for other in ends
        )

    def add(self, crystal: Crystal) -> None:
        """Add a chosen crystal, before its relaxation."""
        self._ends[crystal.formula].append(crystal.structure)


class _Floors:
    """Which kinds of proposers have fewer relaxations than they must have."""

    def __init__(
        self, experience: Experience, kinds: Sequence[str], meta_stable: Sequence[float], budget: Budget
    ) -> None:
        self._kinds = kinds
        self._due = [kind != PROTOTYPE or chance > 0.5 for kind, chance in zip(kinds, meta_stable, strict=True)]
        relaxations = len(experience.campaign) + budget.number
        self._least = {
            kind: int((PROTOTYPE_FLOOR if kind == PROTOTYPE else budget.floor) * relaxations + 1e-9) for kind in kinds
        }
        self._tried = Counter(kind_of(str(attempt.start.info[PROPOSED_BY])) for attempt in experience.campaign)

    def best(self, value: np.ndarray, open_: np.ndarray) -> int:
        """Return the best open proposal of the kinds below their floor; of all kinds if none of these is open."""
        kinds = {kind for kind, least in self._least.items() if self._tried[kind] < least}
        below = [n for n in np.flatnonzero(open_) if self._due[n] and self._kinds[n] in kinds]
        return int(max(below, key=lambda n: value[n]) if below else np.argmax(value))

    def add(self, n: int) -> None:
        """Count a chosen proposal."""
        self._tried[self._kinds[n]] += 1


def choose(
    pool: Sequence[Crystal],
    experience: Experience,
    judge: Judge,
    uniqueness: Uniqueness,
    budget: Budget,
    trusted: Mapping[str, float],
) -> list[Crystal]:
    """Choose the crystals to relax.

    A kind of proposer with fewer relaxations than its floor has its best proposal chosen first; all schemes with a
    generator are one kind, since their candidates resemble each other. A proposal that equals a known crystal, an
    earlier start or a chosen proposal before any relaxation, or that is a strained copy of a known crystal or of a
    chosen proposal, is left out.

    Args:
        pool: Proposals with ``proposed_by``.
        experience: The relaxations so far.
        judge: Judge of the proposals; the chosen ones join its neighbours.
        uniqueness: Compares crystals.
        budget: How many are chosen.
        trusted: Proposer -> trust in it; 1 for others.

    Returns:
        At most ``budget.number`` crystals, in the order of their choice, with expected_formation_energy and
        expected_uncertainty (eV/atom), probability and acquisition.
    """
    if not pool:
        return []
    described = judge.describe(pool)
    judged = judge.judge(described, pool)
    names = [str(crystal.info[PROPOSED_BY]) for crystal in pool]
    kinds = [kind_of(name) for name in names]
    weights = judged.success * np.array([trusted.get(name, 1.0) for name in names])
    worth = weights * (judged.meta_stable + judged.stable + judged.depth / (judged.depth + DEPTH)) / 3
    if budget.p1_weight < 1:
        worth *= [budget.p1_weight if is_p1(crystal.structure, SPACE_GROUP_TOLERANCE) else 1.0 for crystal in pool]
    novelty = np.array([judge.novelty(c.formula, own) for c, own in zip(pool, described, strict=True)])
    taken = experience.relaxations_by_formula()
    allowed = experience.most_by_formula(budget.per_composition)
    most = [
        allowed[crystal.formula] if lower > 0.5 or kind == PROTOTYPE else budget.per_composition
        for crystal, kind, lower in zip(pool, kinds, judged.below_hull, strict=True)
    ]
    known = _Known(experience, uniqueness)
    floors = _Floors(experience, kinds, judged.meta_stable, budget)
    open_ = np.array([taken[crystal.formula] < limit for crystal, limit in zip(pool, most, strict=True)])
    now: Counter[str] = Counter()
    most_now = ceil(budget.per_composition / 2)  # what is learned of a composition decides on the rest
    chosen: list[Crystal] = []
    while len(chosen) < budget.number and open_.any():
        value = np.where(open_, worth * novelty, -1.0)
        k = floors.best(value, open_)
        open_[k] = False
        formula = pool[k].formula
        if known.contains(pool[k]):
            continue
        chosen.append(
            pool[k].updated(
                expected_formation_energy=float(judged.energy[k]),
                expected_uncertainty=float(judged.deviation[k]),
                **{PROBABILITY: float(weights[k] * judged.meta_stable[k] * novelty[k])},
                acquisition=float(value[k]),
            )
        )
        known.add(pool[k])
        taken[formula] += 1
        now[formula] += 1
        floors.add(k)
        judge.neighbours.add(formula, described[k])
        for n in (n for n, crystal in enumerate(pool) if open_[n] and crystal.formula == formula):
            novelty[n] = judge.novelty(formula, described[n])
            open_[n] = taken[formula] < most[n] and now[formula] < most_now
    return chosen
