"""Training of the constraint that the configuration chooses (``constraint.network``)."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from ccdcgan.crystals.structures import Crystal
from ccdcgan.models.constraint.base import ConstraintData
from ccdcgan.models.constraint.descriptor_network import make_pretraining_data, train_descriptor_constraint
from ccdcgan.models.constraint.image_network import train_image_constraint
from ccdcgan.representation.crystal_graph import CrystalCodec
from ccdcgan.training.loop import TrainingRun


def train_constraint(
    data: ConstraintData,
    settings: Mapping[str, Any],
    run: TrainingRun,
    seed: int,
    codec: CrystalCodec | None = None,
    crystals: Sequence[Crystal] = (),
) -> keras.Model:
    """Train a constraint and return it: crystal graphs (batch, side, side, 1) to values (batch, 1).

    Args:
        data: Labelled crystal graphs.
        settings: Settings of the chosen network, with ``network``: ``image`` or ``descriptors``.
        run: Checkpoint, learning curve, label and precision.
        seed: Seed of the training.
        codec: Encodes synthetic crystals, for ``descriptors``.
        crystals: The database's crystals, for ``descriptors``.
    """
    with run.exclusive():
        if settings["network"] == "image":
            return train_image_constraint(data, settings, run, seed)
        ids = data.ids[~data.held_out]
        pretraining = make_pretraining_data(codec, crystals, ids, int(settings["crystals"]), seed)
        return train_descriptor_constraint(data, pretraining, settings, run, seed)
