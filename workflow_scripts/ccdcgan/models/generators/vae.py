"""Scheme ``vae``: a variational autoencoder for crystal graphs, as in iMatGen (Noh et al., Matter 1, 1370 (2019)).

An encoder maps each crystal graph, as a standardised row, to a normal distribution of codes. A decoder is trained to
reconstruct the row from a sampled code. ``divergence`` times the Kullback-Leibler divergence from N(0, 1) is added to
the loss. The decoder is the generator.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.models.dense_networks import Standardisation, ToGraph, residual_network
from ccdcgan.models.generators.base import GeneratorTraining
from ccdcgan.training.devices import apply_gradients, replica_slice
from ccdcgan.training.optimizers import MovingAverage, adam
from ccdcgan.utils.seeds import derive_seed

LOG_VARIANCES = (-12.0, 6.0)
"""Range to which the logarithm of a code's variance is clipped."""


class VaeTraining(GeneratorTraining):
    """Encoder, decoder, their optimizer and the compiled steps; see :class:`GeneratorTraining`."""

    quantities = ("loss", "divergence")

    def __init__(
        self,
        graphs: np.ndarray,
        config: Mapping[str, Any],
        seed: int,
        constraint: keras.Model | None,
        policy: str,
    ) -> None:
        """Build encoder and decoder.

        Args:
            graphs: Crystal graphs, (n, side, side, 1).
            config: Section ``vae`` of the configuration.
            seed: Seed of weights, batches and codes.
            constraint: Not used.
            policy: Keras dtype policy.
        """
        super().__init__()
        self.config, self.rows, self.seed = config, Standardisation.of(graphs), seed
        self.batch, self.noise = int(config["batch"]), int(config["noise"])
        self.data = tf.constant(self.rows.rows(graphs))
        size = len(self.rows.pixels)
        self.encoder = self._network(size, 2 * self.noise, "encoder", policy)
        self.decoder = self._network(self.noise, size, "decoder", policy)
        self.trainable = [*self.encoder.trainable_variables, *self.decoder.trainable_variables]
        self.optimizer = adam(config, self.trainable, policy)
        self.average = MovingAverage(self.decoder.variables, float(config["ema"]))
        self.variables = [
            *self.encoder.variables,
            *self.decoder.variables,
            *self.optimizer.variables,
            *self.average.variables,
        ]

    def step(self, step: tf.Tensor) -> tf.Tensor:
        """Run one step and return the squared error and the divergence (nat), both per pixel, (2,)."""
        draws = {name: [derive_seed(self.seed, "vae", name), step] for name in ("batch", "code")}
        chosen = tf.random.stateless_uniform([self.batch], draws["batch"], 0, self.data.shape[0], tf.int32)
        rows = tf.gather(self.data, chosen)
        normal = tf.random.stateless_normal([self.batch, self.noise], draws["code"])
        rows, normal = replica_slice(rows), replica_slice(normal)
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(self.encoder(rows, training=True), 2, axis=1)
            log_variance = tf.clip_by_value(log_variance, *LOG_VARIANCES)
            rebuilt = self.decoder(mean + tf.exp(log_variance / 2) * normal, training=True)
            error = tf.reduce_mean((rebuilt - rows) ** 2)
            divergence = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - 1 - log_variance, axis=1)
            divergence = tf.reduce_mean(divergence) / rows.shape[1]
            loss = self.optimizer.scale_loss(error + float(self.config["divergence"]) * divergence)
        apply_gradients(self.optimizer, tape.gradient(loss, self.trainable), self.trainable)
        self.average.update(step)
        return tf.stack([error, divergence])

    def generator(self) -> keras.Model:
        """Return the generator, noise (batch, noise) to crystal graphs (batch, side, side, 1), untrained, float32."""
        noise = keras.Input((self.noise,), name="noise")
        decoder = self._network(self.noise, len(self.rows.pixels), "decoder", "float32")
        return keras.Model(noise, ToGraph.undoing(self.rows)(decoder(noise)), name="generator")

    def _network(self, inputs: int, outputs: int, name: str, policy: str) -> keras.Model:
        shape = (inputs, outputs, int(self.config["width"]), int(self.config["blocks"]))
        return residual_network(*shape, derive_seed(self.seed, "vae", name), policy=policy)
