"""Relaxation of many crystals at once: each model has a batch, and crystals go from one to the next as they finish."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pymatgen.core import Structure

from ccdcgan.relaxation.ase_relaxation import Relaxation, StagedRelaxMaker, concluded, failed, refusal
from ccdcgan.relaxation.batched.lanes import Lane, Traveller
from ccdcgan.relaxation.batched.potentials import Potential
from ccdcgan.relaxation.guards import AT_END

log = logging.getLogger(__name__)


def relax_together(
    maker: StagedRelaxMaker,
    models: Sequence[str],
    potential_of: Callable[[str], Potential],
    structures: Sequence[Structure],
) -> Iterator[tuple[int, Relaxation, float]]:
    """Relax crystals together; yield number, result and seconds of each as it is finished.

    Start, stages, optimiser, limits and guards are those of :func:`~ccdcgan.relaxation.ase_relaxation.relax_in_stages`.
    The batches of all models are computed in turn, so that only the crystals inside them are unfinished at any time.
    Where models differ, the first one computes the final geometries in a further batch.
    The time of a crystal is its share, by number of atoms, of the time of the calls in which it took part; the
    wall-clock limit holds for this time.

    Args:
        maker: Engine whose settings and start are used.
        models: Models in order.
        potential_of: Function that loads a model.
        structures: Crystals.
    """
    settings = maker.settings()
    travellers = []
    for number, structure in enumerate(structures):
        start = maker.start(structure)
        refused = refusal(start, settings.guards)
        if refused is not None:
            yield number, refused, 0.0
        else:
            travellers.append(Traveller(number, start))
    if not travellers:
        return
    starts = [crystal.structure for crystal in travellers]
    potentials = [potential_of(model) for model in models]
    rooms = [potential.room(starts) for potential in potentials]
    lanes = [
        Lane(model, potential, settings, room) for model, potential, room in zip(models, potentials, rooms, strict=True)
    ]
    comparison = Lane(models[0], potentials[0], replace(settings, max_steps=0), rooms[0])
    is_compared = len(set(models)) > 1
    log.info("%d crystals are relaxed in batches on %s", len(travellers), potentials[0].device)
    lanes[0].waiting.extend(travellers)
    relaxed: dict[int, Relaxation] = {}
    while any(map(len, [*lanes, comparison])):
        for lane, following in zip(lanes, [*lanes[1:], None], strict=True):
            for crystal in lane.advance():
                if following is not None and not crystal.reason:
                    following.waiting.append(crystal)
                elif crystal.reason or not is_compared:
                    yield crystal.number, _result(crystal, maker), crystal.seconds
                else:
                    relaxed[crystal.number] = _result(crystal, maker)
                    comparison.waiting.append(crystal)
        for crystal in comparison.advance():
            yield crystal.number, _compared(crystal, relaxed.pop(crystal.number)), crystal.seconds


def _compared(crystal: Traveller, relaxation: Relaxation) -> Relaxation:
    """Return a relaxation with the energy of the first model, which has computed the final geometry."""
    if crystal.reason == "engine_error":
        return failed(crystal.structure, crystal.reason, crystal.detail)
    first, *others = relaxation.stages
    energy = crystal.reports[-1]["energy_per_atom"]
    return replace(relaxation, stages=[first | {AT_END: energy}, *others])


def _result(crystal: Traveller, maker: StagedRelaxMaker) -> Relaxation:
    """Return the result of a crystal that has left its last stage."""
    if crystal.reason == "engine_error":
        return failed(crystal.structure, crystal.reason, crystal.detail)
    ends = {"stages": list(crystal.reports), "forces": crystal.forces, "stress": crystal.stress}
    return concluded(crystal.structure, crystal.reason, maker.guards, **ends)
