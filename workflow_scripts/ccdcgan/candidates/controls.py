"""Controls: candidates that no network made, under the same evaluation, so that a generator's worth can be seen.

``random`` is random symmetric crystals (PyXtal, Fredericks et al., Comput. Phys. Commun. 261, 107810 (2021)), each
with the composition, the number of atoms and the volume of a substituted crystal drawn at random; its space group is
drawn from all that the composition can have. ``database`` is the substituted crystals themselves, as they are before
relaxation; by definition nothing of it is new. As every candidate they have a crystal graph; a crystal that voxels
cannot hold is lost, with the reason.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType

import numpy as np
from pymatgen.core import Structure

from ccdcgan.candidates.generation import Shard, ShardPlan, judge, sample_table
from ccdcgan.crystals.structures import standard_cell
from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.crystal_graph import CrystalGraphs
from ccdcgan.representation.orientations import encode_like
from ccdcgan.representation.voxel_decoding import Decoded
from ccdcgan.representation.voxels import refusal

log = logging.getLogger(__name__)

GROUPS = range(2, 231)
"""Space groups of the random crystals; in P1 nothing would be symmetric."""
ATTEMPTS = 20
"""Compatible space groups that are tried before a random crystal is given up."""
CHUNK = 50
"""Samples between two lines of progress."""


def random_crystal(like: Structure, rng: np.random.Generator) -> Decoded:
    """Return a random symmetric crystal with the composition, number of atoms and volume of ``like``.

    It is in its standard cell. The reason of a failure is no_symmetric_crystal: PyXtal found none without atoms on top
    of one another in any of the space groups tried.
    """
    from pyxtal import pyxtal  # here, since it takes seconds that the other schemes need not pay
    from pyxtal.msg import Comp_CompatibilityError, VolumeError

    amounts = like.composition.get_el_amt_dict()
    tried = 0
    for group in rng.permutation(GROUPS):
        crystal = pyxtal()
        try:
            crystal.from_random(
                *(3, int(group), list(amounts), [int(amount) for amount in amounts.values()]),
                conventional=False,
                random_state=int(rng.integers(2**31)),
                max_count=1,  # with one state all attempts are alike
            )
        except (Comp_CompatibilityError, VolumeError):
            continue  # this many atoms do not fit on the group's positions
        except RuntimeError:  # atoms on top of one another wherever they were put
            tried += 1
            if tried == ATTEMPTS:
                break
        else:
            structure = standard_cell(crystal.to_pymatgen())
            structure.scale_lattice(like.volume * len(structure) / len(like))
            return Decoded(structure)
    return Decoded(None, "no_symmetric_crystal")


def _random(substituted: Sequence[Structure], rng: np.random.Generator) -> Iterator[Decoded]:
    """Yield random crystals without end."""
    while True:
        yield random_crystal(substituted[rng.integers(len(substituted))], rng)


def _database(substituted: Sequence[Structure], rng: np.random.Generator) -> Iterator[Decoded]:
    """Yield the substituted crystals in random order, all of them before any comes again, without end."""
    while True:
        yield from (Decoded(substituted[number]) for number in rng.permutation(len(substituted)))


CONTROLS: MappingProxyType[str, Callable[[Sequence[Structure], np.random.Generator], Iterator[Decoded]]]
CONTROLS = MappingProxyType({"random": _random, "database": _database})
"""Control -> what makes its crystals of the substituted ones."""


def control_shard(
    substituted: Sequence[Structure],
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    known: CrystalGraphs,
    plan: ShardPlan,
) -> Shard:
    """Draw the crystals of a control's shard; the other arguments are those of ``generate_shard``.

    substituted: the database before relaxation. Raises ValueError if it is empty.
    """
    if not substituted:
        raise ValueError("the database has no substituted crystals")
    made, progress = CONTROLS[plan.scheme](substituted, plan.rng()), plan.progress()
    candidates, rows = [], []
    for start in range(0, plan.n_samples, CHUNK):
        size = min(CHUNK, plan.n_samples - start)
        drawn = [next(made) for _ in range(size)]
        found, judged = judge(drawn, plan, start)
        refused = {crystal.id: refusal(crystal.structure, known.geometry) for crystal in found}
        kept = iter(refused.values())
        for row in judged:
            reason = next(kept) if row["status"] == "ok" else ""
            if reason:
                row |= {"status": "failed", "reason": reason}
        candidates += [crystal for crystal in found if not refused[crystal.id]]
        rows += judged
        lost = [row["reason"] for row in judged if row["reason"]]
        progress.advance(size, f"{len(candidates)} candidates", lost)
    graphs = encode_like(known, candidates, lattice_autoencoder, sites_autoencoder)[1]
    return Shard(candidates, sample_table(rows), graphs)
