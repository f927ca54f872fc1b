"""Saved generators of any scheme."""

from pathlib import Path

import keras

from ccdcgan.models.constraint import base
from ccdcgan.models.dense_networks import ToGraph
from ccdcgan.models.generators.flow import EulerSteps
from ccdcgan.models.generators.latent_optimisation import OptimisedFlow
from ccdcgan.utils.errors import InputError

CUSTOM_LAYERS = {layer.__name__: layer for layer in (EulerSteps, OptimisedFlow, ToGraph)} | base.CUSTOM_LAYERS
"""Layers of a generator, and of the constraint inside it, that are not Keras's own."""


def load_generator(path: str | Path) -> keras.Model:
    """Read a generator: noise (batch, noise), N(0, 1), to crystal graphs (batch, side, side, 1).

    Raises:
        InputError: The file does not hold a generator.
    """
    try:
        return keras.models.load_model(path, compile=False, custom_objects=CUSTOM_LAYERS)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path} does not hold a generator of this workflow ({type(error).__name__}); rename it and run again."
        ) from error
