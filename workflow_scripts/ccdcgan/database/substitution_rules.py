"""Rules of substitution: which assignments of a system's elements to a prototype's species are accepted.

``all`` (Long et al.) accepts every assignment. ``oxidation_states`` requires that common oxidation states of the new
crystal can add up to zero. ``probability`` requires in addition that known ionic crystals exchange these ions often
enough (Hautier et al., Inorg. Chem. 50, 656 (2011); data of pymatgen).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import prod

from pymatgen.core import Composition, Species
from pymatgen.core.structure_prediction.substitution_probability import SubstitutionProbability


@dataclass(frozen=True)
class SubstitutionRules:
    """The ``substitution`` section of the configuration.

    Args:
        assignments: ``all``, ``oxidation_states`` or ``probability``.
        threshold: Smallest probability that ``probability`` accepts.
        volume: How :func:`ccdcgan.database.substitution.estimate_volume` proceeds, ``bonds`` or ``elements``.
    """

    assignments: str = "all"
    threshold: float = 1e-3
    volume: str = "bonds"

    def refusal(self, prototype: Composition, replaced: Mapping[str, str]) -> tuple[str, str] | None:
        """Return why an assignment is refused: the reason and a detail in words; None if it is accepted.

        A crystal of one element is always accepted, since it contains no ions.

        Args:
            prototype: Composition of the prototype.
            replaced: Element of the prototype -> element that replaces it.
        """
        if self.assignments == "all" or len(prototype) == 1:
            return None
        target = _replaced_composition(prototype, replaced)
        if not _charges(target.reduced_formula):
            return "no_charge_balance", f"no common oxidation states of {target.reduced_formula} add up to zero"
        if self.assignments == "oxidation_states":
            return None
        if not _ions(prototype.reduced_formula) or not _ions(target.reduced_formula):
            unbalanced = prototype if not _ions(prototype.reduced_formula) else target
            return "unknown_ions", f"{unbalanced.reduced_formula} cannot be described by ions in the data"
        probability = substitution_probability(prototype, replaced)
        if probability < self.threshold:
            return "improbable", f"probability {probability:.1e}, at least {self.threshold:g}"
        return None


DEFAULT_RULES = SubstitutionRules()
"""Rules of Long et al.: every assignment."""


def substitution_probability(prototype: Composition, replaced: Mapping[str, str]) -> float:
    """Return the probability that the ions of a prototype are exchanged as ``replaced`` says.

    It is the product over the elements of the conditional probability of the new ion given the old one (Hautier et al.,
    Eq. 1). The oxidation states of both crystals are those with the largest product. An element that stays contributes
    a factor of 1.

    Args:
        prototype: Composition of the prototype.
        replaced: Element of the prototype -> element that replaces it.

    Returns:
        The probability; 0 if one of the crystals cannot be described by ions in the data.
    """
    target = _replaced_composition(prototype, replaced)
    data = _data()
    return max(
        (
            prod(
                1.0 if new == old else data.cond_prob(Species(new, after[new]), Species(old, before[old]))
                for old, new in replaced.items()
            )
            for before in _ions(prototype.reduced_formula)
            for after in _ions(target.reduced_formula)
        ),
        default=0.0,
    )


def _replaced_composition(prototype: Composition, replaced: Mapping[str, str]) -> Composition:
    return Composition({replaced[element]: amount for element, amount in prototype.as_dict().items()})


@cache
def _charges(formula: str) -> tuple[Mapping[str, float], ...]:
    """Return the combinations of common oxidation states (ICSD, pymatgen) that add up to zero.

    Each maps an element to its mean oxidation state. An alloy of metals, whose states are all positive, has no such
    combination.
    """
    return tuple(Composition(formula).oxi_state_guesses(max_sites=-1))


@cache
def _ions(formula: str) -> tuple[Mapping[str, int], ...]:
    """Return the combinations of :func:`_charges` with integer charges whose ions are all in the data."""
    known = _data().species
    return tuple(
        {element: int(charge) for element, charge in guess.items()}
        for guess in _charges(formula)
        if all(charge == int(charge) and Species(element, charge) in known for element, charge in guess.items())
    )


@cache
def _data() -> SubstitutionProbability:
    """Return the data of Hautier et al., with 230 ions."""
    return SubstitutionProbability()
