"""A training on all GPUs that its process sees: a replica of the networks on each, a share of every batch to each.

Networks and optimizers are made in the scope of :func:`replicas`; each replica draws the same random numbers for the
whole batch and takes its own rows (:func:`own_share`); :func:`descend` moves all replicas by the mean of their
gradients, which is that of the whole batch. With one device nothing of this computes anything. Statistics of batch
normalisation and masks of dropout are each replica's own.
"""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import keras
import tensorflow as tf

log = logging.getLogger(__name__)


def devices() -> list[str]:
    """Return the names of the GPUs that this process sees; a batch system shows it those that it was given."""
    return [device.name for device in tf.config.list_logical_devices("GPU")]


def replicas(batch: int) -> tf.distribute.Strategy:
    """Return how a training with batches of ``batch`` is spread: over as many GPUs as divide the batch evenly."""
    names = devices()
    used = max((n for n in range(1, len(names) + 1) if batch % n == 0), default=1)
    if used < len(names):
        log.info("a batch of %d is shared evenly by %d of the %d GPUs; the others are idle", batch, used, len(names))
    return _mirrored(tuple(names[:used])) if used > 1 else tf.distribute.get_strategy()


@cache
def _mirrored(names: tuple[str, ...]) -> tf.distribute.Strategy:
    """Return the one strategy of these devices: a second one would number its messages as the first did."""
    return tf.distribute.MirroredStrategy(names)


def own_share(rows: tf.Tensor) -> tf.Tensor:
    """Return this replica's part of the rows (batch, ...) that all replicas have alike; all rows where there is one."""
    context = tf.distribute.get_replica_context()
    count = context.num_replicas_in_sync
    if count == 1:
        return rows
    share = rows.shape[0] // count
    first = context.replica_id_in_sync_group * share
    return rows[first : first + share]


def mean_of(strategy: tf.distribute.Strategy, step: Any, *arguments: tf.Tensor) -> Any:
    """Call ``step`` on every replica and return the mean of what it returns, a tensor or a tuple of them."""
    return tf.nest.map_structure(
        lambda value: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None), strategy.run(step, arguments)
    )


def mean_over(
    strategy: tf.distribute.Strategy, step: Any, first: tf.Tensor, end: tf.Tensor, zero: Any, xla: bool
) -> Any:
    """Do the steps ``first`` to ``end`` - 1; return the means over them of what ``step`` returns.

    For use inside a ``tf.function``. step: of the number of the step, on every replica; zero: what it returns, of
    zeros; xla: as for :func:`compiled`.
    """
    one, total = compiled(strategy, step, xla), zero
    for number in tf.range(first, end):
        total = tf.nest.map_structure(tf.add, total, mean_of(strategy, one, number))
    return tf.nest.map_structure(lambda value: value / tf.cast(end - first, tf.float32), total)


def compiled(strategy: tf.distribute.Strategy, step: Any, xla: bool) -> Any:
    """Return ``step`` compiled by XLA if ``xla``; as it is on several GPUs, whose exchange XLA cannot compile."""
    if xla and strategy.num_replicas_in_sync > 1:
        log.warning("xla is left out: the training runs on %d GPUs", strategy.num_replicas_in_sync)
        return step
    return tf.function(step, jit_compile=True) if xla else step


def descend(optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor], weights: Sequence[Any]) -> None:
    """Move ``weights`` down the mean of all replicas' gradients; for use inside a step."""
    context = tf.distribute.get_replica_context()
    count = context.num_replicas_in_sync
    if count > 1:
        # Keras adds up the replicas' gradients. They are averaged before, since a scaled loss is judged by each
        # replica on its own: what is infinite on one must be so on all.
        means = context.all_reduce(tf.distribute.ReduceOp.MEAN, list(gradients))
        gradients = [mean / count for mean in means]
    optimizer.apply(gradients, weights)
