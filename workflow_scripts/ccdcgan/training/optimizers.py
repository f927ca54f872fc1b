"""Adam with its learning-rate schedule, and the moving average of a network's weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from ccdcgan.utils.errors import InputError


def learning_rate(settings: Mapping[str, Any]) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate: constant, or decaying to 1 % along half a cosine after a short warm-up.

    Args:
        settings: Section of the configuration with learning_rate, steps and schedule.

    Raises:
        InputError: The schedule is unknown.
    """
    rate, steps, schedule = float(settings["learning_rate"]), int(settings["steps"]), settings["schedule"]
    if schedule == "constant":
        return rate
    if schedule == "cosine":
        warm_up = min(100, steps // 10)
        return keras.optimizers.schedules.CosineDecay(
            0.1 * rate, steps - warm_up, alpha=0.01, warmup_target=rate, warmup_steps=warm_up
        )
    raise InputError(f"the key schedule of a training is {schedule!r}; allowed are cosine and constant.")


def adam(settings: Mapping[str, Any], weights: Sequence[Any], policy: str = "float32") -> keras.optimizers.Optimizer:
    """Return an Adam optimizer built for ``weights``.

    Args:
        settings: As for :func:`learning_rate`, with beta_1 and beta_2.
        weights: Trainable variables.
        policy: Keras dtype policy of the training. With mixed_float16 the loss is scaled, since small gradients would
            vanish in float16.
    """
    optimizer = keras.optimizers.Adam(
        learning_rate(settings), beta_1=float(settings["beta_1"]), beta_2=float(settings["beta_2"])
    )
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(weights)
    return optimizer


class MovingAverage:
    """Exponential moving average of a network's weights.

    Args:
        sources: Variables to average.
        memory: Decay of the average per step, in [0, 1); 0: the values are those of the sources.

    Attributes:
        values: The averages, or the sources if memory is 0.
        variables: State to store in a checkpoint in addition to the sources.
    """

    def __init__(self, sources: Sequence[Any], memory: float) -> None:
        self._sources, self._memory = list(sources), memory
        self.variables = [tf.Variable(source) for source in self._sources] if memory > 0 else []
        self.values = self.variables or self._sources

    def update(self, step: tf.Tensor) -> None:
        """Move the averages towards the sources, by a larger fraction in the first steps."""
        done = tf.cast(step, tf.float32)
        rate = 1 - tf.minimum(self._memory, (1 + done) / (10 + done))
        for average, source in zip(self.variables, self._sources, strict=bool(self.variables)):
            average.assign_add(rate * (source.value - average))
