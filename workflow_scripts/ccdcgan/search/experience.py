"""What a campaign knows: the relaxations of the database and its own, and which of their ends are the same crystal."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from pymatgen.analysis.phase_diagram import PhaseDiagram

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness, Verdict
from ccdcgan.crystals.variants import VariantLimits
from ccdcgan.database.energies import (
    EnergyReferences,
    hull_of,
    relaxed_not_held_out,
    with_formation_energies,
    with_hull_distances,
)
from ccdcgan.database.thermodynamics import near_hull

TARGETS = MappingProxyType({"stable": 0.100, "meta_stable": 0.150})
"""Hull distances (eV/atom) of Long et al. Fixed here rather than read from the configuration, so that changing the
reporting thresholds does not change which crystals are relaxed."""
SAME_ENERGY = 0.001
"""Distance below the hull (eV/atom) from which a crystal lowers it."""
PROPOSED_BY = "proposed_by"
"""Key of a crystal's info: who proposed it."""


@dataclass(frozen=True)
class Alike:
    """Equality of relaxed crystals: they match, or one is a variant of the other.

    Attributes:
        uniqueness: Compares structures.
        variants: Limits of variants.
    """

    uniqueness: Uniqueness
    variants: VariantLimits

    def __call__(self, crystals: Sequence[Crystal], known: Sequence[Crystal]) -> list[Verdict]:
        """Return for each crystal what it repeats, as :meth:`Uniqueness.first_of_kind` does.

        Args:
            crystals: Relaxed crystals with formation_energy, eV/atom.
            known: Further crystals to compare with.
        """
        structures, others = ([crystal.structure for crystal in one] for one in (crystals, known))
        energies, known_energies = ([c.info.get("formation_energy", np.nan) for c in one] for one in (crystals, known))
        repeats = self.uniqueness.first_of_kind(structures, others)
        variants = self.variants.first_of_kind(structures, energies, others, known_energies)
        return [repeat or variant for repeat, variant in zip(repeats, variants, strict=True)]


@dataclass(frozen=True)
class Attempt:
    """One relaxation.

    Attributes:
        start: The crystal before relaxation.
        end: The same crystal after it: status ok or failed, formation_energy and e_above_hull, eV/atom. The latter is
            relative to the hull without the crystals of the campaign, as in the tables, and can be negative.
        is_new: Whether the end equals no crystal that was known before it; False for failed ones.
    """

    start: Crystal
    end: Crystal
    is_new: bool

    @property
    def relaxed(self) -> bool:
        """Whether the relaxation succeeded."""
        return self.end.info["status"] == "ok"


@dataclass(frozen=True)
class Experience:
    """All relaxations so far. Compositions that are held out are missing from it.

    Attributes:
        database: Relaxations of the database. ``is_new`` of one is whether no other of them has the same end.
        campaign: Relaxations of the campaign, in order.
        phases: Known phases, which are part of the hull and are not found again.
        hull: Convex hull of the database, the known phases and the crystals of the campaign.
        elements: Elements of the system.
    """

    database: tuple[Attempt, ...]
    campaign: tuple[Attempt, ...]
    phases: tuple[Crystal, ...]
    hull: PhaseDiagram = field(repr=False)
    elements: tuple[str, ...]

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Relaxations of the database and of the campaign."""
        return (*self.database, *self.campaign)

    @property
    def known(self) -> list[Crystal]:
        """Ends of all relaxations that succeeded, and the known phases."""
        return [*(attempt.end for attempt in self.attempts if attempt.relaxed), *self.phases]

    def explored_formulas(self) -> set[str]:
        """Return the reduced formulas of which the database has a crystal, relaxed or failed, or of a known phase."""
        return {attempt.start.formula for attempt in self.database} | {phase.formula for phase in self.phases}

    def relaxations_by_formula(self) -> Counter[str]:
        """Return the number of the campaign's relaxations of each reduced formula."""
        return Counter(attempt.start.formula for attempt in self.campaign)

    def formulas_below_hull(self) -> set[str]:
        """Return the reduced formulas at which the campaign found a crystal below the hull without its crystals."""
        return {a.start.formula for a in self.campaign if a.relaxed and a.end.info["e_above_hull"] < -SAME_ENERGY}

    def most_by_formula(self, per_composition: int) -> defaultdict[str, int]:
        """Return the largest number of relaxations of each reduced formula: twice as many where the hull was lowered.

        Args:
            per_composition: Largest number of the other compositions.
        """
        return defaultdict(lambda: per_composition, dict.fromkeys(self.formulas_below_hull(), 2 * per_composition))

    def finds_by_proposer(self) -> dict[str, tuple[int, int]]:
        """Return for each proposer the number of its distinct meta-stable crystals and that of its relaxations."""
        counts: dict[str, tuple[int, int]] = {}
        for attempt in self.campaign:
            found, tried = counts.get(name := str(attempt.start.info[PROPOSED_BY]), (0, 0))
            counts[name] = found + is_find(attempt), tried + 1
        return counts


def is_find(attempt: Attempt) -> bool:
    """Return whether a relaxation ended in a crystal that was not known and is meta-stable."""
    info = attempt.end.info
    return attempt.is_new and near_hull(info["formation_energy"], info["e_above_hull"], TARGETS["meta_stable"])


def gather_experience(
    substituted: Sequence[Crystal],
    database: Sequence[Crystal],
    phases: Sequence[Crystal],
    rounds: Sequence[tuple[Sequence[Crystal], Sequence[Crystal]]],
    references: EnergyReferences,
    alike: Alike,
    holdout: Collection[str] = (),
) -> Experience:
    """Gather all relaxations so far.

    Args:
        substituted: Crystals of the database before relaxation.
        database: The same after relaxation, with formation_energy and e_above_hull, failed ones included.
        phases: Known phases of the system, relaxed with the same engine, failed ones included.
        rounds: Crystals before and after relaxation of each earlier round, in the same order.
        references: Energies of the elements, energy scheme and correction.
        alike: Compares relaxed crystals.
        holdout: Reduced formulas that the campaign must not know.
    """
    elements = list(references.elements)
    database = [crystal for crystal in database if crystal.formula not in holdout]
    phases = relaxed_not_held_out(phases, holdout)
    hull_before = hull_of([*database, *phases], elements)
    database = with_hull_distances(database, hull_before)  # without what is held out
    starts = {crystal.id: crystal for crystal in substituted}
    pairs = [(starts.get(crystal.id, crystal), crystal) for crystal in database]
    of_database = _with_repeats_among_themselves(pairs, alike)
    in_rounds = [pair for starts, relaxed in rounds for pair in zip(starts, relaxed, strict=True)]
    ends = with_formation_energies([end for _, end in in_rounds], references)
    ends = with_hull_distances(ends, hull_before)
    known = [*(end for _, end in pairs if end.info["status"] == "ok"), *phases]
    relaxed = [end for end in ends if end.info["status"] == "ok"]
    hull = hull_of([*database, *phases, *relaxed], elements)
    verdicts = alike(relaxed, known)
    new = {end.id for end, verdict in zip(relaxed, verdicts, strict=True) if verdict is None}
    campaign = tuple(Attempt(start, end, end.id in new) for (start, _), end in zip(in_rounds, ends, strict=True))
    return Experience(of_database, campaign, tuple(phases), hull, tuple(elements))


def _with_repeats_among_themselves(pairs: Sequence[tuple[Crystal, Crystal]], alike: Alike) -> tuple[Attempt, ...]:
    """Return the relaxations of the database; an end is new if no other one equals it."""
    relaxed = [end for _, end in pairs if end.info["status"] == "ok"]
    verdicts = alike(relaxed, [])
    sizes = Counter(k if verdict is None else verdict[1] for k, verdict in enumerate(verdicts))
    alone = {
        end.id
        for k, (end, verdict) in enumerate(zip(relaxed, verdicts, strict=True))
        if verdict is None and sizes[k] == 1
    }
    return tuple(Attempt(start, end, end.id in alone) for start, end in pairs)
