"""Proposals of a round: crystals from all proposers, each with a share of the pool that follows what it earned."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
from pymatgen.core import Composition, Structure

from ccdcgan.candidates.distance_rule import expand
from ccdcgan.crystals.distances import DistanceRule, satisfies
from ccdcgan.crystals.structures import Crystal
from ccdcgan.representation.voxel_decoding import Decoded
from ccdcgan.representation.voxels import Geometry, refusal
from ccdcgan.search.crossover import cross, inversion_centre
from ccdcgan.search.experience import PROPOSED_BY
from ccdcgan.search.mutation import exchange, mutate, other_assignments
from ccdcgan.search.parents import Parents
from ccdcgan.search.random_crystals import random_crystal
from ccdcgan.utils.progress import Progress

log = logging.getLogger(__name__)

MUTATION, EXCHANGE, CROSSOVER, RANDOM, GENERATED = "mutation", "exchange", "crossover", "random", "generated"
PROTOTYPE = "prototype"
PROPOSERS = (MUTATION, EXCHANGE, PROTOTYPE, CROSSOVER, RANDOM, GENERATED)
"""Values of ``campaign.proposals``; ``generated`` stands for every scheme with a generator."""
MOST = {EXCHANGE: 400, PROTOTYPE: 400, RANDOM: 50}
"""Largest number of proposals of a proposer in a round: exchanges of elements and prototypes are few, and a random
symmetric crystal takes far longer than a mutation."""
CENTRED_SHARE = 0.5
"""Fraction of the crossovers between crystals with an inversion centre that keep it, if there are such crystals."""
ATTEMPTS = 20
"""Number of attempts for each proposal that is wanted, after which a proposer gives up."""

Proposer = Callable[[np.random.Generator], Iterator[Crystal | str]]
"""Yields crystals, or the reason why there is none; "" is a reason that is not counted. It may end."""


@dataclass(frozen=True)
class Limits:
    """Limits of a proposal, which are those of all candidates.

    Attributes:
        max_atoms: Maximum number of atoms in the cell.
        min_distance: Minimum distance between two atoms, angstrom.
        expansion: Maximum factor by which the cell's lengths are scaled to satisfy ``min_distance``.
        geometry: Limits of the voxels.
    """

    max_atoms: int
    min_distance: DistanceRule
    expansion: float
    geometry: Geometry

    def admit(self, structure: Structure) -> Decoded:
        """Return a crystal within the limits, expanded if necessary, or the reason why there is none."""
        if len(structure) > self.max_atoms:
            return Decoded(None, "too_many_atoms")
        structure, repaired = expand(structure, self.min_distance, self.expansion)
        if not satisfies(structure, self.min_distance):
            return Decoded(None, "too_close")
        reason = refusal(structure, self.geometry)
        return Decoded(None, reason) if reason else Decoded(structure, repaired=repaired)


@dataclass(frozen=True)
class Wanted:
    """Compositions that are wanted.

    Attributes:
        full: Reduced formulas of which no more is wanted.
        only: Reduced formulas to which the campaign is restricted; None: any.
    """

    full: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    def __call__(self, species: Sequence[str]) -> bool:
        """Return whether a crystal with these atoms, by element, is wanted."""
        return self.formula(Composition(Counter(species)).reduced_formula)

    def formula(self, name: str) -> bool:
        """Return whether a reduced formula is wanted."""
        return name not in self.full and (self.only is None or name in self.only)


def kind_of(proposer: str) -> str:
    """Return the kind of a proposer, ``generated`` for a scheme with a generator; exchanges are a kind of mutation."""
    if proposer == EXCHANGE:
        return MUTATION
    return proposer if proposer in PROPOSERS else GENERATED


def shares(finds: Mapping[str, tuple[int, int]], proposers: Sequence[str], floor: float) -> dict[str, float]:
    """Return each proposer's share of the pool.

    Every proposer has ``floor``. The rest is divided in proportion to the expected number of distinct meta-stable
    crystals per relaxation, the mean of a Beta distribution after ``finds``, (1 + found) / (2 + relaxed).

    Args:
        finds: Proposer -> number of its distinct meta-stable crystals, and that of its relaxations.
        proposers: Proposers.
        floor: Smallest share; at most 1 / number of proposers counts.
    """
    floor = min(floor, 1 / max(len(proposers), 1))
    earned = {name: (1 + finds.get(name, (0, 0))[0]) / (2 + finds.get(name, (0, 0))[1]) for name in proposers}
    total = sum(earned.values())
    return {name: floor + (1 - floor * len(proposers)) * value / total for name, value in earned.items()}


def pool_sizes(parts: Mapping[str, float], size: int) -> dict[str, int]:
    """Return the number of proposals of each proposer; what exceeds MOST goes to the others, by their shares.

    Args:
        parts: Proposer -> its share, from :func:`shares`.
        size: Number of proposals of all proposers.
    """
    limited = {name: min(round(share * size), MOST[name]) for name, share in parts.items() if name in MOST}
    others = sum(share for name, share in parts.items() if name not in MOST)
    left = size - sum(limited.values())
    return {name: limited[name] if name in limited else round(left * share / others) for name, share in parts.items()}


def make_proposers(
    names: Sequence[str],
    parents: Parents,
    templates: Sequence[Crystal],
    generated: Mapping[str, Sequence[Crystal]],
    wanted: Wanted,
    explored: Collection[str] = (),
) -> dict[str, Proposer]:
    """Return the proposers of a round that can propose something.

    Args:
        names: Values of PROPOSERS.
        parents: Crystals for mutation, exchange and crossover.
        templates: Crystals of the database before their relaxation: prototypes, and the compositions and volumes of
            random crystals.
        generated: Scheme -> its candidates.
        wanted: Compositions that are wanted.
        explored: Reduced formulas for which no prototypes are proposed, since the database has them.
    """
    proposers: dict[str, Proposer] = {}
    if MUTATION in names and parents.crystals:
        proposers[MUTATION] = lambda rng: _mutations(parents, wanted, rng)
    if EXCHANGE in names and parents.crystals:
        proposers[EXCHANGE] = lambda rng: _exchanges(parents, wanted, rng)
    if PROTOTYPE in names and parents.crystals:
        unexplored = replace(wanted, full=wanted.full | frozenset(explored))
        if prototypes := list(_prototypes(templates, parents, unexplored)):
            proposers[PROTOTYPE] = partial(_in_random_order, prototypes)
    if CROSSOVER in names and parents.crystals:
        proposers[CROSSOVER] = lambda rng: _crossovers(parents, wanted, rng)
    like = [crystal.structure for crystal in templates if wanted.formula(crystal.formula)]
    if RANDOM in names and like:
        proposers[RANDOM] = lambda rng: _random_crystals(like, rng)
    if GENERATED in names:
        for scheme, candidates in generated.items():
            left = [crystal for crystal in candidates if wanted.formula(crystal.formula)]
            if left:
                proposers[scheme] = partial(_in_random_order, left)
    return proposers


def _mutations(parents: Parents, wanted: Wanted, rng: np.random.Generator) -> Iterator[Crystal | str]:
    """Yield mutations, endlessly."""
    while True:
        parent = parents.choose(rng)
        structure = mutate(parent, parents, rng, wanted)
        yield "" if structure is None else Crystal("", structure, {"parent": parent.id})


def _exchanges(parents: Parents, wanted: Wanted, rng: np.random.Generator) -> Iterator[Crystal | str]:
    """Yield every parent with every other assignment of the elements to its sites, each once, whatever its energy."""
    every = [(one, other) for one in parents.crystals for other in other_assignments(one.structure, parents.elements)]
    for k in rng.permutation(len(every)):
        parent, assignment = every[k]
        structure = exchange(parents.symmetric[parent.id], assignment, parents, wanted)
        yield "" if structure is None else Crystal("", structure, {"parent": parent.id})


def _prototypes(templates: Sequence[Crystal], parents: Parents, wanted: Wanted) -> Iterator[Crystal]:
    """Yield every crystal of the database before its relaxation with every other assignment that is wanted."""
    for crystal in templates:
        for assignment in other_assignments(crystal.structure, parents.elements):
            structure = exchange(crystal.structure, assignment, parents, wanted)
            if structure is not None:
                yield Crystal(crystal.id, structure)


def _crossovers(parents: Parents, wanted: Wanted, rng: np.random.Generator) -> Iterator[Crystal | str]:
    """Yield crossovers, endlessly; a fraction of them between crystals with an inversion centre, which they keep."""
    with_centre = parents.only({name for name, one in parents.symmetric.items() if inversion_centre(one) is not None})
    while True:
        centred = bool(with_centre.crystals) and rng.uniform() < CENTRED_SHARE
        chosen = with_centre if centred else parents
        pair = chosen.choose(rng), chosen.choose(rng)
        structures = parents.symmetric[pair[0].id], parents.symmetric[pair[1].id]
        structure = cross(structures, parents, rng, wanted, centred)
        yield "" if structure is None else Crystal("", structure, {"parent": " ".join(one.id for one in pair)})


def _random_crystals(like: Sequence[Structure], rng: np.random.Generator) -> Iterator[Crystal | str]:
    """Yield random crystals, endlessly."""
    while True:
        decoded = random_crystal(like[int(rng.integers(len(like)))], rng)
        yield decoded.reason if decoded.structure is None else Crystal("", decoded.structure)


def _in_random_order(candidates: Sequence[Crystal], rng: np.random.Generator) -> Iterator[Crystal | str]:
    """Yield the candidates of a scheme, each once."""
    for k in rng.permutation(len(candidates)):
        info = {"parent": candidates[k].id, "repaired": candidates[k].info.get("repaired", "")}
        yield Crystal("", candidates[k].structure, info)


def draw_pool(
    proposers: Mapping[str, Proposer],
    sizes: Mapping[str, int],
    limits: Limits,
    rngs: Mapping[str, np.random.Generator],
) -> tuple[list[Crystal], Counter[str]]:
    """Draw the proposals of a round.

    Args:
        proposers: Proposers.
        sizes: Proposer -> number of proposals.
        limits: Limits of a proposal.
        rngs: Proposer -> its random number generator.

    Returns:
        The proposals, each with ``proposed_by``, ``parent`` and ``repaired``, and the number of rejected
        ones by reason.
    """
    pool: list[Crystal] = []
    rejected: Counter[str] = Counter()
    progress = Progress(sum(sizes.values()), "drawing", unit="proposals")
    for name, propose in proposers.items():
        first = len(pool)
        for proposal in islice(propose(rngs[name]), ATTEMPTS * sizes[name]):
            if len(pool) - first == sizes[name]:
                break
            admitted = proposal if isinstance(proposal, str) else limits.admit(proposal.structure)
            reason = admitted if isinstance(admitted, str) else admitted.reason
            if isinstance(proposal, str) or reason:
                rejected[reason] += 1
                continue
            repaired = " and ".join(filter(None, (str(proposal.info.get("repaired", "")), admitted.repaired)))
            info = {"parent": "", **proposal.info, "repaired": repaired, PROPOSED_BY: name}
            pool.append(Crystal("", admitted.structure, info))
            progress.advance(1, name)
        log.info("%s: %d proposals of %d wanted", name, len(pool) - first, sizes[name])
    del rejected[""]
    return pool, rejected
