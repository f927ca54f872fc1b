"""Which assignments of a system's elements to a prototype's species make chemical sense.

``all`` (Long et al.) asks nothing. ``oxidation_states`` asks that usual oxidation states of the new crystal can add
up to zero. ``probability`` asks for more: that known ionic crystals exchange these ions for one another often enough
(Hautier et al., Inorg. Chem. 50, 656 (2011); pymatgen's data).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import prod

from pymatgen.core import Composition, Species
from pymatgen.core.structure_prediction.substitution_probability import SubstitutionProbability


@dataclass(frozen=True)
class Assignments:
    """Which assignments are made.

    kind: ``all``, ``oxidation_states`` or ``probability``; threshold: of ``probability``, the smallest that passes.
    """

    kind: str = "all"
    threshold: float = 1e-3

    def refusal(self, prototype: Composition, replaced: Mapping[str, str]) -> tuple[str, str] | None:
        """Say why an assignment is not made, in a reason and in words; None if it is.

        prototype: its composition; replaced: each of its elements -> the element put in its place. A crystal of one
        element always passes: it holds no ions.
        """
        if self.kind == "all" or len(prototype) == 1:
            return None
        target = Composition({replaced[element]: amount for element, amount in prototype.as_dict().items()})
        if not _charges(target.reduced_formula):
            return "no_charge_balance", f"no usual oxidation states of {target.reduced_formula} add up to zero"
        if self.kind == "oxidation_states":
            return None
        if not _ions(prototype.reduced_formula) or not _ions(target.reduced_formula):
            unbalanced = prototype if not _ions(prototype.reduced_formula) else target
            return "unknown_ions", f"{unbalanced.reduced_formula} is not made of ions that the data know"
        found = substitution_probability(prototype, replaced)
        if found < self.threshold:
            return "improbable", f"probability {found:.1e}, at least {self.threshold:g}"
        return None


def substitution_probability(prototype: Composition, replaced: Mapping[str, str]) -> float:
    """Return how probable it is to find the ions of ``replaced`` in place of the prototype's.

    The product over the elements of the probability of the new ion given the old one, for the oxidation states of both
    crystals that make it largest; an element that stays contributes 1. Zero where either is not made of ions that the
    data know.
    """
    target = Composition({replaced[element]: amount for element, amount in prototype.as_dict().items()})
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


@cache
def _charges(formula: str) -> tuple[Mapping[str, float], ...]:
    """Return the usual oxidation states (those common in the ICSD, by pymatgen) that add up to zero, as one mean state
    for each element; an alloy of metals, which have positive ones only, has none."""
    return tuple(Composition(formula).oxi_state_guesses(max_sites=-1))


@cache
def _ions(formula: str) -> tuple[Mapping[str, int], ...]:
    """Return those of the same whose ions, of whole charges, all stand in the data."""
    known = _data().species
    return tuple(
        {element: int(charge) for element, charge in guess.items()}
        for guess in _charges(formula)
        if all(charge == int(charge) and Species(element, charge) in known for element, charge in guess.items())
    )


@cache
def _data() -> SubstitutionProbability:
    """Return the data of Hautier et al., 230 ions."""
    return SubstitutionProbability()
