"""Which crystals are the same: pymatgen's StructureMatcher, asked only within one composition."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure


class Uniqueness:
    """Equality of crystals by StructureMatcher within one reduced composition.

    config: ``ltol`` (fraction of the length), ``stol`` (fraction of the mean spacing), ``angle_tol`` (degree);
    the paper's are 0.2, 0.3, 5. A pair counts as equal only if the matcher says so both ways round.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        # the primitive cell is found once a structure, not once a pair as the matcher would
        self._matcher = StructureMatcher(
            ltol=config["ltol"], stol=config["stol"], angle_tol=config["angle_tol"], primitive_cell=False
        )

    def equal(self, first: Structure, second: Structure) -> bool:
        """Tell whether two crystals are the same."""
        return self._equal_primitive(first.get_primitive_structure(), second.get_primitive_structure())

    def _equal_primitive(self, first: Structure, second: Structure) -> bool:
        return len(first) == len(second) and self._matcher.fit(first, second, symmetric=True)

    def first_of_kind(
        self, structures: Sequence[Structure], known: Sequence[Structure] = ()
    ) -> list[tuple[str, int] | None]:
        """Say for each structure what it repeats.

        Returns, in order, ``None`` for a structure that is new, ``("known", i)`` if it equals ``known[i]``,
        or ``("self", i)`` if it equals the earlier new ``structures[i]``. Sort by energy first to keep the
        lowest one of each kind.
        """
        representatives: dict[str, list[tuple[str, int, Structure]]] = defaultdict(list)
        formulas = {structure.composition.reduced_formula for structure in structures}
        for i, structure in enumerate(known):
            if structure.composition.reduced_formula in formulas:
                entry = ("known", i, structure.get_primitive_structure())
                representatives[structure.composition.reduced_formula].append(entry)
        verdicts: list[tuple[str, int] | None] = []
        for i, structure in enumerate(structures):
            bucket = representatives[structure.composition.reduced_formula]
            primitive = structure.get_primitive_structure()
            match = next(((kind, k) for kind, k, other in bucket if self._equal_primitive(primitive, other)), None)
            if match is None:
                bucket.append(("self", i, primitive))
            verdicts.append(match)
        return verdicts
