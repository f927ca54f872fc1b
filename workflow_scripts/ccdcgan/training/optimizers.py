"""Adam and its learning rate, as the configuration's sections name them."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from ccdcgan.utils.errors import InputError


def learning_rate(settings: Mapping[str, Any]) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the config's learning rate, constant or falling to 1 % along half a cosine.

    settings: learning_rate, steps and schedule. Raises InputError for another schedule.
    """
    rate, steps, schedule = float(settings["learning_rate"]), int(settings["steps"]), settings["schedule"]
    if schedule == "constant":
        return rate
    if schedule == "cosine":
        warm_up = min(100, steps // 10)
        return keras.optimizers.schedules.CosineDecay(
            0.1 * rate, steps - warm_up, alpha=0.01, warmup_target=rate, warmup_steps=warm_up
        )
    raise InputError(f"representation: schedule is {schedule!r}; allowed are cosine, constant.")


def adam(settings: Mapping[str, Any], weights: Sequence[Any], policy: str = "float32") -> keras.optimizers.Optimizer:
    """Return an Adam built for ``weights``; float16 gradients would vanish, so there the loss is scaled.

    settings: as for :func:`learning_rate`, with beta_1 and beta_2; policy: the numerical precision of the training.
    """
    optimizer = keras.optimizers.Adam(
        learning_rate(settings), beta_1=float(settings["beta_1"]), beta_2=float(settings["beta_2"])
    )
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(weights)
    return optimizer
