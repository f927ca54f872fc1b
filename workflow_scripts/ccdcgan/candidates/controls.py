"""Controls: candidates that do not come from a network, evaluated in the same way as those that do.

``random``: random symmetric crystals (PyXtal, Fredericks et al., Comput. Phys. Commun. 261, 107810 (2021)), each with
the composition, number of atoms and volume of a randomly chosen substituted crystal and a random compatible space
group. ``database``: the substituted crystals themselves before relaxation; by definition none of them is new. Like all
candidates they have a crystal graph. A crystal outside the voxel limits is rejected, with the reason.
"""

from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType

import numpy as np
from pymatgen.core import Structure

from ccdcgan.candidates.generation import Shard, ShardPlan, sample_table, select_candidates
from ccdcgan.crystals.structures import standard_cell
from ccdcgan.representation.crystal_graph import CrystalCodec
from ccdcgan.representation.voxel_decoding import Decoded
from ccdcgan.representation.voxels import refusal

GROUPS = range(2, 231)
"""Space groups of the random crystals: all but P1."""
ATTEMPTS = 20
"""Number of compatible space groups that are tried for a random crystal."""
CHUNK = 50
"""Number of samples between two lines of progress."""


def random_crystal(like: Structure, rng: np.random.Generator) -> Decoded:
    """Return a random symmetric crystal, in its standard cell.

    The reason of a failure is no_symmetric_crystal: PyXtal found no crystal without overlapping atoms in any of the
    space groups tried.

    Args:
        like: Crystal whose composition, number of atoms and volume are used.
        rng: Random number generator.
    """
    from pyxtal import pyxtal  # here, since the import takes seconds that only this scheme needs
    from pyxtal.msg import Comp_CompatibilityError, VolumeError

    amounts = like.composition.get_el_amt_dict()
    tried = 0
    for group in rng.permutation(GROUPS):
        crystal = pyxtal()
        try:
            crystal.from_random(
                3,
                int(group),
                list(amounts),
                [int(amount) for amount in amounts.values()],
                conventional=False,
                random_state=int(rng.integers(2**31)),
                max_count=1,  # with one random state all attempts are the same
            )
        except (Comp_CompatibilityError, VolumeError):
            continue  # the numbers of atoms are not compatible with the group's positions
        except RuntimeError:  # atoms overlap in all attempts
            tried += 1
            if tried == ATTEMPTS:
                break
        else:
            structure = standard_cell(crystal.to_pymatgen())
            structure.scale_lattice(like.volume * len(structure) / len(like))
            return Decoded(structure)
    return Decoded(None, "no_symmetric_crystal")


def _random(substituted: Sequence[Structure], rng: np.random.Generator) -> Iterator[Decoded]:
    """Yield random crystals, endlessly."""
    while True:
        yield random_crystal(substituted[rng.integers(len(substituted))], rng)


def _database(substituted: Sequence[Structure], rng: np.random.Generator) -> Iterator[Decoded]:
    """Yield the substituted crystals in random order, endlessly; all of them before any is repeated."""
    while True:
        yield from (Decoded(substituted[number]) for number in rng.permutation(len(substituted)))


CONTROLS: MappingProxyType[str, Callable[[Sequence[Structure], np.random.Generator], Iterator[Decoded]]]
CONTROLS = MappingProxyType({"random": _random, "database": _database})
"""Control -> function from substituted crystals to its crystals."""


def control_shard(substituted: Sequence[Structure], codec: CrystalCodec, plan: ShardPlan) -> Shard:
    """Make the crystals of a control's shard.

    Args:
        substituted: The database before relaxation.
        codec: Encodes the crystals.
        plan: The shard.

    Raises:
        ValueError: There are no substituted crystals.
    """
    if not substituted:
        raise ValueError("the database has no substituted crystals")
    crystals, progress = CONTROLS[plan.scheme](substituted, plan.rng()), plan.progress()
    candidates, rows = [], []
    for start in range(0, plan.n_samples, CHUNK):
        size = min(CHUNK, plan.n_samples - start)
        new, new_rows = select_candidates([next(crystals) for _ in range(size)], plan, start)
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
