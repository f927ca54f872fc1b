"""Base class of the trainings of generators, whatever their family (``gan``, ``flow``, ``vae``)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.training.devices import mean_over_steps
from ccdcgan.training.optimizers import MovingAverage


class GeneratorTraining(ABC):
    """The networks of one family, their optimizers and compiled steps.

    Constructed from crystal graphs (n, side, side, 1), the configuration of the family, a seed, the constraint or None,
    and the Keras dtype policy. Constructed in the scope of :func:`ccdcgan.training.devices.replicas`, it trains on all
    replicas.

    Attributes:
        quantities: Names of the values that :meth:`step` returns.
        variables: All state, for the checkpoint.
        average: Moving average of the generator's weights.
    """

    quantities: Sequence[str]
    variables: Sequence[Any]
    average: MovingAverage

    def __init__(self) -> None:
        self.strategy = tf.distribute.get_strategy()

    @property
    def weights(self) -> Sequence[Any]:
        """The generator's weights, averaged if the configuration says so."""
        return self.average.values

    @tf.function
    def run(self, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """Run the steps ``first`` to ``end`` - 1 and return the means of the quantities over them."""
        return mean_over_steps(self.strategy, self.step, first, end, tf.zeros(len(self.quantities)))

    @abstractmethod
    def step(self, step: tf.Tensor) -> tf.Tensor:
        """Run one step on this replica's part of the batch and return the quantities, (len(quantities),)."""

    @abstractmethod
    def generator(self) -> keras.Model:
        """Return an untrained generator, noise (batch, noise) to crystal graphs (batch, side, side, 1), float32."""

    def load(self, generator: keras.Model, values: Sequence[np.ndarray]) -> None:
        """Assign values of ``weights`` to a generator from :meth:`generator`."""
        generator.set_weights(values)
