"""Which crystals are the same: the answer of pymatgen's StructureMatcher, without asking it about most pairs.

Crystals of one composition and one size of reduced cell are compared one after the other with those kept so far, as
StructureMatcher's own grouping does it; :mod:`ccdcgan.crystals.matcher_prefilter` knows its answer for most pairs. Such
a bucket is independent of every other, so buckets are shared out to processes.

StructureMatcher is neither symmetric (a pair near a tolerance may match one way round only) nor transitive (a like b
and b like c does not make a like c). So a pair counts as the same only if it matches both ways round, and a crystal
that matches several kept ones goes to the first of them. What comes first is for the caller to settle, by something
that the input's order does not change: ids for the database, energies for candidates.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from ccdcgan.crystals.matcher_prefilter import Screen, Shape
from ccdcgan.utils.parallel import parallel_map

Verdict = tuple[str, int] | None


class Uniqueness:
    """Equality of crystals by StructureMatcher within one composition.

    config: ``ltol`` (fraction of the length), ``stol`` (fraction of the mean spacing), ``angle_tol`` (degree);
    the paper's are 0.2, 0.3, 5. processes: how many to use; the answer does not depend on it.
    """

    def __init__(self, config: dict[str, Any], processes: int = 1) -> None:
        tolerances = {name: config[name] for name in ("ltol", "stol", "angle_tol")}
        self._matcher = StructureMatcher(**tolerances)
        self._screen = Screen(**tolerances)
        self._processes = processes

    def equal(self, first: Structure, second: Structure) -> bool:
        """Tell whether two crystals are the same."""
        one, other = Shape.of(first), Shape.of(second)
        return one.bucket == other.bucket and self._equal(one, other)

    def _equal(self, first: Shape, second: Shape) -> bool:
        """Tell whether two crystals of one bucket are the same: a match both ways round."""
        ways = ((first, second), (second, first))
        verdicts = []
        for way in ways:
            verdicts.append(self._screen.verdict(*way))
            if verdicts[-1] is False:
                return False
        return all(
            verdict or self._matcher.fit(one.structure, other.structure, skip_structure_reduction=True)
            for verdict, (one, other) in zip(verdicts, ways, strict=True)
        )

    def first_of_kind(self, structures: Sequence[Structure], known: Sequence[Structure] = ()) -> list[Verdict]:
        """Say for each structure what it repeats.

        Returns, in order, ``None`` for a structure that is new, ``("known", i)`` if it equals ``known[i]``,
        or ``("self", i)`` if it equals the earlier new ``structures[i]``. Sort by energy first to keep the
        lowest one of each kind.
        """
        formulas = {structure.composition.reduced_formula for structure in structures}
        asked = [i for i, structure in enumerate(known) if structure.composition.reduced_formula in formulas]
        shapes = parallel_map(
            Shape.of, [*(known[i] for i in asked), *structures], "reducing cells", self._processes, chunk=50
        )
        names = [*(("known", i) for i in asked), *(("self", i) for i in range(len(structures)))]
        buckets: dict[Any, list[int]] = defaultdict(list)
        for number, shape in enumerate(shapes):
            buckets[shape.bucket].append(number)
        work = sorted(buckets.values(), key=len, reverse=True)
        verdicts: list[Verdict] = [None] * len(structures)
        jobs = [[(names[number], shapes[number]) for number in members] for members in work]
        for found in parallel_map(self._settle, jobs, "comparing crystals", self._processes, weight=len):
            for i, verdict in found:
                verdicts[i] = verdict
        return verdicts

    def _settle(self, members: list[tuple[tuple[str, int], Shape]]) -> list[tuple[int, Verdict]]:
        """Return the verdicts on the "self" crystals of one bucket, each compared with those kept before it."""
        kept: list[tuple[tuple[str, int], Shape]] = []
        minima = np.empty((len(members), 3))
        verdicts = []
        for name, shape in members:
            match = None
            if name[0] == "self":
                near = np.flatnonzero(self._screen.alike(shape, minima[: len(kept)]))
                match = next((kept[k][0] for k in near if self._equal(kept[k][1], shape)), None)
                verdicts.append((name[1], match))
            if match is None:
                minima[len(kept)] = shape.minima
                kept.append((name, shape))
        return verdicts
