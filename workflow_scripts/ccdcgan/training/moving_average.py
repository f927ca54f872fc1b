"""The exponential moving average of a network's weights: steadier than the weights of any one step."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


class MovingAverage:
    """Averages of ``sources`` with ``memory`` per step, in [0, 1); with memory 0 the sources themselves.

    values: what stands for the sources; variables: the state to keep in a checkpoint besides the sources.
    """

    def __init__(self, sources: Sequence[Any], memory: float) -> None:
        self._sources, self._memory = list(sources), memory
        self.variables = [tf.Variable(source) for source in self._sources] if memory > 0 else []
        self.values = self.variables or self._sources

    def update(self, step: tf.Tensor) -> None:
        """Move the averages towards the sources, faster in the first steps."""
        done = tf.cast(step, tf.float32)
        rate = 1 - tf.minimum(self._memory, (1 + done) / (10 + done))
        for average, source in zip(self.variables, self._sources, strict=bool(self.variables)):
            average.assign_add(rate * (source.value - average))
