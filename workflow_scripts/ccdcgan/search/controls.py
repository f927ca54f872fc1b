"""Controls: candidates that do not come from a network, evaluated in the same way as those that do.

``random``: random symmetric crystals, each with the composition, number of atoms and volume of a randomly chosen
substituted crystal and a random compatible space group. ``mutation``: mutations of relaxed crystals of the database,
those near the hull more often. ``database``: the substituted crystals themselves before relaxation; by definition none
of them is new. Like all candidates they have a crystal graph. A crystal outside the voxel limits is rejected, with the
reason.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pymatgen.core import Structure

from ccdcgan.candidates.generation import Shard, ShardPlan, sample_table, select_candidates
from ccdcgan.representation.crystal_graph import CrystalCodec
from ccdcgan.representation.voxel_decoding import Decoded
from ccdcgan.representation.voxels import refusal
from ccdcgan.search.mutation import mutate
from ccdcgan.search.parents import Parents
from ccdcgan.search.random_crystals import random_crystal

CHUNK = 50
"""Number of samples between two lines of progress."""


@dataclass(frozen=True)
class Stock:
    """The crystals that controls start from.

    Attributes:
        substituted: The database before relaxation.
        parents: Relaxed crystals of the database; None: there are none, or the control does not use them.
    """

    substituted: Sequence[Structure]
    parents: Parents | None = None


def _random(stock: Stock, rng: np.random.Generator) -> Iterator[Decoded]:
    """Yield random crystals, endlessly."""
    while True:
        yield random_crystal(stock.substituted[rng.integers(len(stock.substituted))], rng)


def _mutation(stock: Stock, rng: np.random.Generator) -> Iterator[Decoded]:
    """Yield mutations, endlessly; those that are not possible are not counted as samples."""
    while True:
        structure = mutate(stock.parents.choose(rng), stock.parents, rng)
        if structure is not None:
            yield Decoded(structure)


def _database(stock: Stock, rng: np.random.Generator) -> Iterator[Decoded]:
    """Yield the substituted crystals in random order, endlessly; all of them before any is repeated."""
    while True:
        yield from (Decoded(stock.substituted[number]) for number in rng.permutation(len(stock.substituted)))


CONTROLS: MappingProxyType[str, Callable[[Stock, np.random.Generator], Iterator[Decoded]]]
CONTROLS = MappingProxyType({"random": _random, "mutation": _mutation, "database": _database})
"""Control -> function from the crystals to start from to its crystals."""
NEED_PARENTS = ("mutation",)
"""Controls that start from relaxed crystals."""


def control_shard(stock: Stock, codec: CrystalCodec, plan: ShardPlan) -> Shard:
    """Make the crystals of a control's shard.

    Args:
        stock: The crystals to start from.
        codec: Encodes the crystals.
        plan: The shard.

    Raises:
        ValueError: There are no crystals to start from.
    """
    if not stock.substituted:
        raise ValueError("the database has no substituted crystals")
    if plan.scheme in NEED_PARENTS and (stock.parents is None or not stock.parents.crystals):
        raise ValueError("the database has no relaxed crystals")
    crystals, progress = CONTROLS[plan.scheme](stock, plan.rng()), plan.progress()
    candidates, rows = [], []
    for start in range(0, plan.n_samples, CHUNK):
        size = min(CHUNK, plan.n_samples - start)
        drawn = [_small_enough(next(crystals), plan.rules.max_atoms) for _ in range(size)]
        new, new_rows = select_candidates(drawn, plan, start)
        refusals = {crystal.id: refusal(crystal.structure, codec.geometry) for crystal in new}
        reasons = iter(refusals.values())
        for row in new_rows:
            reason = next(reasons) if row["status"] == "ok" else ""
            if reason:
                row |= {"status": "failed", "reason": reason}
        candidates += [crystal for crystal in new if not refusals[crystal.id]]
        rows += new_rows
        rejected = [row["reason"] for row in new_rows if row["reason"]]
        progress.advance(size, f"{len(candidates)} candidates", rejected)
    return Shard(candidates, sample_table(rows), codec.encode(candidates).graphs)


def _small_enough(crystal: Decoded, max_atoms: int) -> Decoded:
    """Return a crystal, or the reason too_many_atoms if its cell has more than ``max_atoms`` atoms."""
    if crystal.structure is not None and len(crystal.structure) > max_atoms:
        return Decoded(None, "too_many_atoms")
    return crystal
