"""Uniqueness of crystals by StructureMatcher of pymatgen, most pairs decided without calling it.

Crystals with the same composition and the same size of the reduced cell form a bucket. Within a bucket each crystal is
compared with the distinct ones before it, as in StructureMatcher's own grouping;
:mod:`ccdcgan.crystals.matcher_prefilter` decides most pairs. Buckets are independent and are distributed to processes.

StructureMatcher is neither symmetric (a pair near a tolerance may match in one order only) nor transitive (a matching b
and b matching c does not imply a matching c). Two crystals therefore count as the same only if they match in both
orders, and a crystal that matches several distinct ones is assigned to the first. The caller chooses the order by a
quantity that does not depend on the input's order: ids for the database, energies for candidates.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from ccdcgan.crystals.matcher_prefilter import MatcherPrefilter, ReducedCell
from ccdcgan.utils.parallel import parallel_map

Verdict = tuple[str, int] | None
"""What a structure repeats: ("known", i), ("self", i), or None for a new structure."""


class Uniqueness:
    """Equality of crystals by StructureMatcher within one composition.

    Args:
        config: Tolerances of StructureMatcher: ``ltol`` (fraction of the length), ``stol`` (fraction of the mean
            spacing), ``angle_tol`` (degree). Long et al. use 0.2, 0.3 and 5.
        processes: Number of processes; the result does not depend on it.
    """

    def __init__(self, config: dict[str, Any], processes: int = 1) -> None:
        tolerances = {name: config[name] for name in ("ltol", "stol", "angle_tol")}
        self._matcher = StructureMatcher(**tolerances)
        self._prefilter = MatcherPrefilter(**tolerances)
        self._processes = processes

    def equal(self, first: Structure, second: Structure) -> bool:
        """Return whether two crystals are the same."""
        one, other = ReducedCell.of(first), ReducedCell.of(second)
        return one.bucket == other.bucket and self._equal(one, other)

    def _equal(self, first: ReducedCell, second: ReducedCell) -> bool:
        """Return whether two crystals of one bucket match in both orders."""
        orders = ((first, second), (second, first))
        verdicts = []
        for order in orders:
            verdicts.append(self._prefilter.verdict(*order))
            if verdicts[-1] is False:
                return False
        return all(
            verdict or self._matcher.fit(one.structure, other.structure, skip_structure_reduction=True)
            for verdict, (one, other) in zip(verdicts, orders, strict=True)
        )

    def first_of_kind(self, structures: Sequence[Structure], known: Sequence[Structure] = ()) -> list[Verdict]:
        """Return for each structure what it repeats.

        Structures sorted by energy keep the lowest one of each kind.

        Args:
            structures: Structures to compare with those before them.
            known: Further structures to compare with.

        Returns:
            In order, ``None`` for a new structure, ``("known", i)`` if it equals ``known[i]``, or ``("self", i)`` if it
            equals the earlier new ``structures[i]``.
        """
        formulas = {structure.composition.reduced_formula for structure in structures}
        relevant = [i for i, structure in enumerate(known) if structure.composition.reduced_formula in formulas]
        cells = parallel_map(
            ReducedCell.of, [*(known[i] for i in relevant), *structures], "reducing cells", self._processes, chunk=50
        )
        names = [("known", i) for i in relevant] + [("self", i) for i in range(len(structures))]
        buckets: dict[Any, list[int]] = defaultdict(list)
        for number, cell in enumerate(cells):
            buckets[cell.bucket].append(number)
        work = sorted(buckets.values(), key=len, reverse=True)
        verdicts: list[Verdict] = [None] * len(structures)
        jobs = [[(names[number], cells[number]) for number in members] for members in work]
        for part in parallel_map(self._compare_bucket, jobs, "comparing crystals", self._processes, weight=len):
            for i, verdict in part:
                verdicts[i] = verdict
        return verdicts

    def _compare_bucket(self, members: list[tuple[tuple[str, int], ReducedCell]]) -> list[tuple[int, Verdict]]:
        """Return the verdicts on the "self" crystals of one bucket, each compared with the distinct ones before it."""
        distinct: list[tuple[tuple[str, int], ReducedCell]] = []
        minima = np.empty((len(members), 3))
        verdicts = []
        for name, cell in members:
            match = None
            if name[0] == "self":
                near = np.flatnonzero(self._prefilter.alike(cell, minima[: len(distinct)]))
                match = next((distinct[k][0] for k in near if self._equal(distinct[k][1], cell)), None)
                verdicts.append((name[1], match))
            if match is None:
                minima[len(distinct)] = cell.minima
                distinct.append((name, cell))
        return verdicts
