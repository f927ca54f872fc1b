"""A network that reads a crystal's descriptors from its crystal graph, taught by crystals that need no energy.

Residual dense layers on standardised crystal graphs; the loss is the mean squared error of the standardised
descriptors of free crystals (``free_crystals``), 1 for a network that has learned nothing.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.models.constraint.synthetic_crystals import FreeCrystals
from ccdcgan.models.dense_networks import Standardisation, ToRows, residual_network
from ccdcgan.training.devices import descend, mean_over, own_share, replicas
from ccdcgan.training.optimizers import adam
from ccdcgan.utils.seeds import derive_seed


class ReadingTraining:
    """The reading network, its optimizer and the compiled steps.

    variables: all that a checkpoint must hold.
    """

    def __init__(
        self, free: FreeCrystals, settings: Mapping[str, Any], seed: int, policy: str = "float32", xla: bool = False
    ) -> None:
        """settings: steps, batch, width, blocks, learning_rate, schedule, beta_1, beta_2."""
        self.rows, self.seed, self.settings = Standardisation.of(free.graphs), seed, settings
        self.batch, self.xla = int(settings["batch"]), xla
        mean, std = free.descriptors.mean(0), free.descriptors.std(0)
        # a descriptor that all crystals share (a pair of elements too far apart, say) has nothing to be read
        targets = (free.descriptors - mean) / np.where(std > 1e-6, std, 1.0)
        self.inputs, self.targets = tf.constant(self.rows.rows(free.graphs)), tf.constant(targets, tf.float32)
        self.strategy = replicas(self.batch)
        with self.strategy.scope():
            self.network = self._network(policy)
            self.optimizer = adam(settings, self.network.trainable_variables, policy)
        self.variables = [*self.network.variables, *self.optimizer.variables]

    @tf.function
    def run(self, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """Do the steps from ``first`` to ``end`` and return their mean loss."""
        return mean_over(self.strategy, self._step, first, end, tf.constant(0.0), self.xla)

    def _step(self, step: tf.Tensor) -> tf.Tensor:
        draw = [derive_seed(self.seed, "reading", "batches"), step]
        chosen = own_share(tf.random.stateless_uniform([self.batch], draw, 0, self.inputs.shape[0], tf.int32))
        weights = self.network.trainable_variables
        with tf.GradientTape() as tape:
            read = self.network(tf.gather(self.inputs, chosen), training=True)
            loss = tf.reduce_mean((read - tf.gather(self.targets, chosen)) ** 2)
            scaled = self.optimizer.scale_loss(loss)
        descend(self.optimizer, tape.gradient(scaled, weights), weights)
        return loss

    def reader(self) -> keras.Model:
        """Return the present network in float32: crystal graphs (batch, side, side, 1) to standardised descriptors
        (batch, n_descriptors)."""
        graph = keras.Input((self.rows.side, self.rows.side, 1), name="graph")
        network = self._network("float32")
        network.set_weights(self.network.get_weights())
        return keras.Model(graph, network(ToRows.of(self.rows, name="output_rows")(graph)), name="reader")

    def _network(self, policy: str) -> keras.Model:
        shape = (self.inputs.shape[1], self.targets.shape[1], int(self.settings["width"]), int(self.settings["blocks"]))
        network = residual_network(*shape, derive_seed(self.seed, "reading", "weights"), policy=policy)
        network.name = "output_descriptors"  # a generator in a lower precision leaves it alone
        return network
