"""What the training of a generator is, whatever its family (``gan``, ``flow``, ``vae``)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.training.devices import mean_over
from ccdcgan.training.moving_average import MovingAverage


class Training(ABC):
    """The networks of one family, their optimizers and compiled steps.

    Made from crystal graphs (n, side, side, 1), the configuration of the family, a seed, the constraint or None,
    and the numerical precision. Made in the scope of ``replicas.replicas``, it trains on all of them.

    quantities: names of what :meth:`step` returns; variables: all state, for the checkpoint; average: of the
    generator's weights; xla: compile the steps with XLA, set before the first call of :meth:`run`.
    """

    quantities: Sequence[str]
    variables: Sequence[Any]
    average: MovingAverage
    xla: bool = False

    def __init__(self) -> None:
        self.strategy = tf.distribute.get_strategy()

    @property
    def weights(self) -> Sequence[Any]:
        """The variables that :meth:`generator` takes, averaged if the configuration says so."""
        return self.average.values

    @tf.function
    def run(self, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """Do the steps ``first`` to ``end`` - 1; return the means of the quantities over them."""
        return mean_over(self.strategy, self.step, first, end, tf.zeros(len(self.quantities)), self.xla)

    @abstractmethod
    def step(self, step: tf.Tensor) -> tf.Tensor:
        """Do one step on this replica's share of the batch; return the quantities, (len(quantities),)."""

    @abstractmethod
    def generator(self) -> keras.Model:
        """Return an untrained generator, noise (batch, noise) to crystal graphs (batch, side, side, 1), float32."""

    def load(self, generator: keras.Model, values: Sequence[np.ndarray]) -> None:
        """Give a generator of :meth:`generator` these values of ``weights``."""
        generator.set_weights(values)
