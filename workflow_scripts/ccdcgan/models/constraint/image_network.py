"""The constraint of Long et al. (network S5): a convolutional network from crystal graphs to formation energies.

It is trained on the crystal graphs of the relaxed structures by mean squared error for the configured number of steps.
Held-out crystals are not trained on and decide nothing.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from ccdcgan.models.constraint.base import HISTORY_COLUMNS, ConstraintData
from ccdcgan.models.convolutional_networks import build_constraint, in_precision
from ccdcgan.training.devices import (
    apply_gradients,
    mean_over_steps,
    precision_policy,
    replica_slice,
    replicas,
    set_determinism,
)
from ccdcgan.training.loop import TrainingRun
from ccdcgan.training.optimizers import adam
from ccdcgan.utils.hashing import fingerprint
from ccdcgan.utils.seeds import derive_seed

STEPS_PER_ROW = 100
STEPS_PER_CHECKPOINT = 500


def train_image_constraint(data: ConstraintData, config: Mapping[str, Any], run: TrainingRun, seed: int) -> keras.Model:
    """Train network S5 and return it: crystal graphs (batch, side, side, 1) to values (batch, 1).

    With ``output: linear`` the mean and standard deviation of the training values are part of the model.

    Args:
        data: Labelled crystal graphs.
        config: Section ``constraint`` of the configuration; ``schedule`` is constant unless given.
        run: Checkpoint, learning curve (HISTORY_COLUMNS; loss in squared units with dropout, held_out_mae without),
            label and precision.
        seed: Seed of weights, batches and dropout.

    Raises:
        InputError: The data do not fit together, a setting is unknown, or the training diverges.
    """
    data.check()
    policy = precision_policy(run.precision)
    set_determinism(seed)
    train = ~data.held_out
    energies = data.values
    mean, std = float(energies[train].mean()), max(float(energies[train].std()), 1e-3)
    side, output = data.graphs.shape[1], config["output"]
    plain = build_constraint(side, derive_seed(seed, "constraint", "weights"), output, mean, std)
    settings = {"schedule": "constant", **config}
    steps, batch = int(config["steps"]), int(config["batch"])
    strategy = replicas(batch)
    with strategy.scope():
        model = in_precision(plain, policy)
        weights = model.trainable_variables
        optimizer = adam(settings, weights, policy)
    inputs, targets = tf.constant(data.graphs[train], tf.float32), tf.constant(energies[train])
    batches_seed = derive_seed(seed, "constraint", "batches")
    scale = std if output == "linear" else 1.0  # the loss is that of normalised energies

    def train_step(step: tf.Tensor) -> tf.Tensor:
        chosen = tf.random.stateless_uniform([batch], [batches_seed, step], 0, inputs.shape[0], tf.int32)
        chosen = replica_slice(chosen)
        true = tf.gather(targets, chosen)
        with tf.GradientTape() as tape:
            predicted = model(tf.gather(inputs, chosen), training=True)[:, 0]
            loss = tf.reduce_mean(((predicted - true) / scale) ** 2)
            scaled = optimizer.scale_loss(loss)
        apply_gradients(optimizer, tape.gradient(scaled, weights), weights)
        return loss

    @tf.function
    def run_steps(first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        return mean_over_steps(strategy, train_step, first, end, tf.constant(0.0)) * scale**2

    digest = hashlib.sha256(b"".join(part.tobytes() for part in (data.graphs, energies, data.held_out))).hexdigest()
    identity = fingerprint([settings, seed, policy, data.graphs.shape, digest])
    variables = [*model.variables, *optimizer.variables]
    for block in run.blocks(
        steps, variables, identity, HISTORY_COLUMNS, every=STEPS_PER_ROW, interval=STEPS_PER_CHECKPOINT
    ):
        loss = float(run_steps(tf.constant(block.first), tf.constant(block.end)))
        block.check([loss], "constraint.image.learning_rate")
        block.row = [loss, data.held_out_error(model)]
        block.note = f"root mean square error {loss**0.5:.3g}{data.unit}"
    plain.set_weights(model.get_weights())
    return plain
