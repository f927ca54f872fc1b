"""A constraint that knows what crystals are: it reads descriptors from the crystal graph, then guesses from few labels.

With two hundred labelled crystals a network cannot learn both to read crystal graphs and what formation energies depend
on. To read needs no labels: a network learns it from free crystals (``reading``, ``free_crystals``). A Gaussian process
then learns the energy from the descriptors that the network reads of the training crystals (``gaussian_process``).
Both are one Keras model, differentiable, in place of network S5: crystal graphs (batch, side, side, 1) to eV/atom
(batch, 1).
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ccdcgan.crystals.structures import Crystal
from ccdcgan.models.constraint.gaussian_process_layer import GaussianProcess, fit
from ccdcgan.models.constraint.image_network import check_data, follow, mean_error
from ccdcgan.models.constraint.reading import ReadingTraining
from ccdcgan.models.constraint.synthetic_crystals import FreeCrystals, free_crystals
from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.crystal_graph import CrystalGraphs
from ccdcgan.representation.orientations import encode_like, equivalents
from ccdcgan.training.checkpoints import precision_policy, set_determinism, training_identity
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.seeds import derive_seed

log = logging.getLogger(__name__)

ORIENTATIONS = 8
"""Of a training crystal, at most, from which the Gaussian process learns: no two are read quite alike."""


@dataclass(frozen=True)
class Lessons:
    """What a constraint learns from besides energies.

    free: crystals to learn to read from; graphs: crystal graphs (n, side, side, 1) of labelled crystals in some of the
    orientations that fit their lattice; ids: (n,) of these crystals.
    """

    free: FreeCrystals
    graphs: np.ndarray
    ids: np.ndarray

    def about(self, ids: Sequence[str]) -> "Lessons":
        """Return what is drawn around, or shows, these crystals only."""
        kept, shown = np.isin(self.free.parents, ids), np.isin(self.ids, ids)
        free = FreeCrystals(self.free.graphs[kept], self.free.descriptors[kept], self.free.parents[kept])
        return Lessons(free, self.graphs[shown], self.ids[shown])


def draw_lessons(
    known: CrystalGraphs,
    crystals: Sequence[Crystal],
    ids: Sequence[str],
    autoencoders: tuple[Autoencoder, Autoencoder],
    total: int,
    seed: int,
) -> Lessons:
    """Return lessons about the crystals ``ids``, with about ``total`` free crystals, as many around each.

    known: crystal graphs whose elements, geometry and scale are taken; crystals: a set that holds all ``ids``;
    autoencoders: of lattices and of sites. Raises InputError if a crystal is not in the set, or no voxel holds any.
    """
    by_id = {crystal.id: crystal for crystal in crystals}
    lacking = [name for name in ids if name not in by_id]
    if lacking:
        raise InputError(f"crystal {lacking[0]} has a crystal graph but is not in the database; encode it again.")
    set_determinism(seed)  # a resumed training needs the crystal graphs that it began with
    around = [by_id[name] for name in ids]
    free = free_crystals(known, around, *autoencoders, -(-total // max(len(around), 1)), seed)
    if len(free.graphs) < 2:
        raise InputError("no voxel holds a crystal drawn around those of the database; enlarge representation.box.")
    names, graphs = encode_like(known, equivalents(around, ORIENTATIONS), *autoencoders)
    return Lessons(free, graphs, names)


def train_informed_constraint(
    known: CrystalGraphs,
    values: np.ndarray,
    held_out: np.ndarray,
    lessons: Lessons,
    config: Mapping[str, Any],
    seed: int,
    *,
    checkpoint: str | Path,
    history: str | Path,
    precision: str = "float32",
    xla: bool = False,
    stop_after: int | None = None,
) -> keras.Model:
    """Train the constraint and return it: crystal graphs (batch, side, side, 1) to eV/atom (batch, 1).

    known: crystal graphs of n crystals; values: formation energies (n,), eV/atom, or another property; held_out: (n,)
    of bool, crystals of which nothing is learned: neither their values nor, from the lessons, how they look; config:
    the section ``constraint.descriptors``; checkpoint, precision, xla, stop_after: as for
    ``constraint.train_constraint``; history: CSV of its columns, but the loss is that of the standardised descriptors,
    and held_out_mae stands in the rows of checkpoints only.

    Raises InputError if the data do not fit together or the training diverges.
    """
    values, held_out = np.asarray(values, dtype=np.float32), np.asarray(held_out, dtype=bool)
    check_data(known.graphs, values, held_out)
    policy, lessons = precision_policy(precision), lessons.about(known.ids[~held_out])
    set_determinism(seed)
    row = {name: number for number, name in enumerate(known.ids)}
    labels = values[[row[name] for name in lessons.ids]]
    log.info("the constraint learns to read crystal graphs from %d free crystals", len(lessons.free.graphs))
    training = ReadingTraining(lessons.free, config, derive_seed(seed, "constraint"), policy, xla)

    def assembled() -> keras.Model:
        return assemble(training.reader(), lessons.graphs, labels, derive_seed(seed, "constraint", "points"))

    def judge(full: bool) -> float | str:
        # a Gaussian process takes a while
        return mean_error(assembled(), known.graphs[held_out], values[held_out]) if full and held_out.any() else ""

    digest = hashlib.sha256(b"".join(part.tobytes() for part in (known.graphs, held_out))).hexdigest()
    identity = training_identity(dict(config), seed, policy, list(known.ids), digest, xla=xla)
    follow(
        training.run,
        training.variables,
        int(config["steps"]),
        identity,
        judge,
        lambda loss: f"{loss:.3g} of the descriptors' variance unread",
        "constraint.descriptors.learning_rate",
        checkpoint=checkpoint,
        history=history,
        stop_after=stop_after,
    )
    return assembled()


def assemble(reader: keras.Model, graphs: np.ndarray, values: np.ndarray, seed: int) -> keras.Model:
    """Return reader and Gaussian process as one model, crystal graphs (batch, side, side, 1) to values (batch, 1).

    reader: of ``ReadingTraining``; graphs, values: (n, side, side, 1) and (n,), of the training crystals; seed: decides
    which of very many crystals choose the kernel.
    """
    read = np.concatenate([np.asarray(reader(graphs[start : start + 256])) for start in range(0, len(graphs), 256)])
    process = GaussianProcess.of(fit(read, values, seed), name="output_energy")
    stack = [layer for layer in reader.layers if not isinstance(layer, keras.layers.InputLayer)]
    return keras.Sequential([keras.Input(graphs.shape[1:], name="graph"), *stack, process], name="constraint")
