"""Relaxation of many crystals at once: each model has a batch, and crystals go from one to the next as they finish."""

import logging
from collections.abc import Callable, Iterator, Sequence

from pymatgen.core import Structure

from ccdcgan.relaxation.ase_relaxation import Relaxation, StagedRelaxMaker, concluded, failed, refusal
from ccdcgan.relaxation.batched.lanes import Lane, Traveller
from ccdcgan.relaxation.batched.potentials import Potential

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
    lanes = [
        Lane(model, potential, settings, potential.room(starts))
        for model, potential in zip(models, potentials, strict=True)
    ]
    log.info("%d crystals are relaxed in batches on %s", len(travellers), potentials[0].device)
    lanes[0].waiting.extend(travellers)
    while any(map(len, lanes)):
        for lane, following in zip(lanes, [*lanes[1:], None], strict=True):
            for crystal in lane.advance():
                if crystal.reason or following is None:
                    yield crystal.number, _result(crystal, maker), crystal.seconds
                else:
                    following.waiting.append(crystal)


def _result(crystal: Traveller, maker: StagedRelaxMaker) -> Relaxation:
    """Return the result of a crystal that has left its last stage."""
    if crystal.reason == "engine_error":
        return failed(crystal.structure, crystal.reason, crystal.detail)
    ends = {"stages": crystal.reports, "forces": crystal.forces, "stress": crystal.stress}
    return concluded(crystal.structure, crystal.reason, maker.guards, **ends)
