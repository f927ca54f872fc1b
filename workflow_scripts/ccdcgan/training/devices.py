"""Devices and arithmetic of a training: numerical precision, repeatability, several GPUs.

A training runs on all GPUs that its process sees, with a replica of the networks on each. Networks and optimizers are
created in the scope of :func:`replicas`. Each replica draws the same random numbers for the whole batch and takes its
own rows (:func:`replica_slice`). :func:`apply_gradients` updates all replicas with the mean of their gradients, which
is that of the whole batch. With one device these functions change nothing. Statistics of batch normalisation and masks
of dropout belong to each replica.
"""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.machine import processor_features, processor_vendor

log = logging.getLogger(__name__)

INSTRUCTIONS = {"mixed_bfloat16": {"avx512_bf16", "amx_bf16"}, "mixed_float16": {"avx512_fp16", "amx_fp16"}}
"""Precision -> the instruction sets of x86 processors, as in Linux, without which it is emulated."""


def precision_policy(name: str) -> str:
    """Return the Keras dtype policy for the configuration's ``precision``.

    ``auto`` is mixed_bfloat16 where this is faster: on a GPU of compute capability 8 or higher, and without a GPU on a
    processor with amx_bf16, or of AMD with avx512_bf16. Otherwise it is float32. On processors of Intel that have
    avx512_bf16 but not amx_bf16, mixed_bfloat16 is a third slower.

    Raises:
        InputError: The name is unknown.
    """
    allowed = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
    if name not in allowed:
        raise InputError(f"config key precision is {name!r}; allowed are {', '.join(allowed)}.")
    gpus = tf.config.list_physical_devices("GPU")
    if name != "auto":
        if not gpus and is_emulated(name, processor_features()):
            log.warning(
                "precision: %s is emulated on this processor, which lacks %s: trainings are many times slower "
                "than with precision: auto.",
                name,
                " and ".join(sorted(INSTRUCTIONS[name])),
            )
        return name
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return "mixed_bfloat16" if capability >= (8, 0) else "float32"
    return "mixed_bfloat16" if bfloat16_is_faster(processor_vendor(), processor_features()) else "float32"


def bfloat16_is_faster(vendor: str, features: set[str]) -> bool:
    """Return whether trainings are faster in mixed_bfloat16 than in float32 on a processor.

    Args:
        vendor: Vendor of the processor, as in Linux.
        features: Its instruction sets, as in Linux.
    """
    return "amx_bf16" in features or (vendor == "AuthenticAMD" and "avx512_bf16" in features)


def is_emulated(precision: str, features: set[str]) -> bool:
    """Return whether an x86 processor has no instructions for a precision.

    Args:
        precision: Value of the configuration's ``precision`` other than auto.
        features: Instruction sets of the processor, as in Linux; without ``sse2`` it is not one of x86.
    """
    return "sse2" in features and precision in INSTRUCTIONS and not INSTRUCTIONS[precision] & features


def set_determinism(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and make TensorFlow's operations repeatable bit for bit."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def devices() -> list[str]:
    """Return the names of the GPUs that this process sees; a batch system shows only those that it allocated."""
    return [device.name for device in tf.config.list_logical_devices("GPU")]


def replicas(batch: int) -> tf.distribute.Strategy:
    """Return the distribution strategy of a training: as many GPUs as divide its batch evenly.

    Args:
        batch: Number of samples of a batch.
    """
    names = devices()
    used = max((n for n in range(1, len(names) + 1) if batch % n == 0), default=1)
    if used < len(names):
        log.info("a batch of %d is divided among %d of the %d GPUs; the others are idle", batch, used, len(names))
    return _mirrored(tuple(names[:used])) if used > 1 else tf.distribute.get_strategy()


@cache
def _mirrored(names: tuple[str, ...]) -> tf.distribute.Strategy:
    """Return the one strategy of these devices: a second one would number its messages as the first did."""
    return tf.distribute.MirroredStrategy(names)


def replica_slice(rows: tf.Tensor) -> tf.Tensor:
    """Return this replica's part of rows (batch, ...) that all replicas hold; all rows if there is one replica."""
    context = tf.distribute.get_replica_context()
    count = context.num_replicas_in_sync
    if count == 1:
        return rows
    size = rows.shape[0] // count
    first = context.replica_id_in_sync_group * size
    return rows[first : first + size]


def replica_mean(strategy: tf.distribute.Strategy, step: Any, *arguments: tf.Tensor) -> Any:
    """Call ``step`` on every replica and return the mean of its results, a tensor or a tuple of tensors."""
    return tf.nest.map_structure(
        lambda value: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None), strategy.run(step, arguments)
    )


def mean_over_steps(strategy: tf.distribute.Strategy, step: Any, first: tf.Tensor, end: tf.Tensor, zero: Any) -> Any:
    """Run the steps ``first`` to ``end`` - 1 and return the means of their results; for use in a ``tf.function``.

    Args:
        strategy: Distribution strategy of the training.
        step: Function of the number of the step, called on every replica.
        first: Number of the first step.
        end: Number of the step after the last one.
        zero: Result of ``step`` with all values zero.
    """
    total = zero
    for number in tf.range(first, end):
        total = tf.nest.map_structure(tf.add, total, replica_mean(strategy, step, number))
    return tf.nest.map_structure(lambda value: value / tf.cast(end - first, tf.float32), total)


def apply_gradients(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor], weights: Sequence[Any]
) -> None:
    """Update weights with the mean of the gradients of all replicas; for use inside a step.

    Args:
        optimizer: Optimiser of the weights.
        gradients: Gradients of this replica, one per weight.
        weights: Weights of the network.
    """
    context = tf.distribute.get_replica_context()
    count = context.num_replicas_in_sync
    if count > 1:
        # Keras adds the replicas' gradients. They are averaged before, since each replica checks its scaled loss by
        # itself: a gradient that is infinite on one replica must be infinite on all.
        means = context.all_reduce(tf.distribute.ReduceOp.MEAN, list(gradients))
        gradients = [mean / count for mean in means]
    optimizer.apply(gradients, weights)
