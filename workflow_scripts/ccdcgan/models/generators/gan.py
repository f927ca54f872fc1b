"""Schemes ``dcgan`` and ``ccdcgan``: generative adversarial networks for crystal graphs.

Scheme ``dcgan`` trains the generator against the discriminator alone. Scheme ``ccdcgan`` adds to the generator's loss
``constraint_weight`` times a term of the formation energies (eV/atom) that a frozen constraint predicts for the
generated crystal graphs: their mean (Long et al., Eq. 5), or the mean of their exponential (the authors' code).

Each step updates the discriminator on real crystal graphs, then on generated ones, then the generator, by binary
cross-entropy. The loop around the steps is in :mod:`ccdcgan.models.generators.training`.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.models.convolutional_networks import build_discriminator, build_generator, in_precision
from ccdcgan.models.generators.base import GeneratorTraining
from ccdcgan.training.devices import apply_gradients, replica_slice
from ccdcgan.training.optimizers import MovingAverage, adam
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.seeds import derive_seed

TERMS = ("mean", "exp")


def constraint_term(energies: tf.Tensor, kind: str) -> tf.Tensor:
    """Return the scalar that is weighted and added to the generator's loss.

    Args: energies: Predicted formation energies, (batch, 1), eV/atom. kind: ``mean`` (Long et al., Eq. 5), or
    ``exp``, the mean of their exponential (authors' code), whose gradient is smallest for the lowest energies.
    """
    return tf.reduce_mean(tf.exp(energies) if kind == "exp" else energies)


class GanTraining(GeneratorTraining):
    """Generator and discriminator, their optimizers and the compiled steps; see :class:`GeneratorTraining`."""

    quantities = ("d_loss_real", "d_loss_fake", "d_accuracy", "g_loss", "constraint_term")

    def __init__(
        self,
        graphs: np.ndarray,
        config: Mapping[str, Any],
        seed: int,
        constraint: keras.Model | None,
        policy: str,
    ) -> None:
        """Build generator and discriminator.

        Args:
            graphs: Crystal graphs, (n, side, side, 1).
            config: Section ``gan`` of the configuration.
            seed: Seed of weights, batches and noise.
            constraint: The constraint for ``ccdcgan``, else None.
            policy: Keras dtype policy.

        Raises:
            InputError: ``constraint_term`` is neither mean nor exp.
        """
        super().__init__()
        self.side, self.batch, self.noise = graphs.shape[1], int(config["batch"]), int(config["noise"])
        self.seeds = {name: derive_seed(seed, "gan", name) for name in ("weights", "batches", "noise")}
        self.graphs = tf.constant(graphs, tf.float32)
        generator = build_generator(self.side, self.noise, self.seeds["weights"], folded=True)
        self.maker = in_precision(generator, policy)
        self.discriminator = in_precision(build_discriminator(self.side, self.seeds["weights"]), policy)
        self.constraint = None
        if constraint is not None:
            self.weight, self.term = float(config["constraint_weight"]), config["constraint_term"]
            if self.term not in TERMS:
                raise InputError(f"config key gan.constraint_term is '{self.term}'; allowed are {', '.join(TERMS)}.")
            self.constraint = in_precision(constraint, policy)
            self.constraint.trainable = False
        settings = {"schedule": "constant", **config}
        self.generator_optimizer = adam(settings, self.maker.trainable_variables, policy)
        self.discriminator_optimizer = adam(settings, self.discriminator.trainable_variables, policy)
        self.average = MovingAverage(self.maker.variables, float(config["ema"]))
        self.variables = [
            *self.maker.variables,
            *self.discriminator.variables,
            *self.generator_optimizer.variables,
            *self.discriminator_optimizer.variables,
            *self.average.variables,
        ]

    def step(self, step: tf.Tensor) -> tf.Tensor:
        """Run one step and return d_loss_real, d_loss_fake, d_accuracy, g_loss and the constraint's term, (5,)."""
        generator, discriminator = self.maker, self.discriminator
        chosen = tf.random.stateless_uniform(
            [self.batch], [self.seeds["batches"], step], 0, self.graphs.shape[0], tf.int32
        )
        noise = tf.random.stateless_normal([self.batch, self.noise], [self.seeds["noise"], step])
        chosen, noise = replica_slice(chosen), replica_slice(noise)
        with tf.GradientTape() as generator_tape:
            generated = generator(noise, training=True)

        logits_real = self._update_discriminator(tf.gather(self.graphs, chosen), True)
        logits_generated = self._update_discriminator(tf.stop_gradient(generated), False)

        with tf.GradientTape(watch_accessed_variables=False) as tape:  # with respect to the graphs, not to D's weights
            tape.watch(generated)
            g_loss = _cross_entropy(discriminator(generated, training=True), True)
            loss, term = g_loss, tf.constant(0.0)
            if self.constraint is not None:
                term = constraint_term(self.constraint(generated, training=False), self.term)
                loss += self.weight * term
            loss = self.generator_optimizer.scale_loss(loss)
        weights = generator.trainable_variables
        gradients = generator_tape.gradient(generated, weights, tape.gradient(loss, generated))
        apply_gradients(self.generator_optimizer, gradients, weights)
        self.average.update(step)

        accuracy = tf.concat([logits_real > 0, logits_generated <= 0], 0)
        return tf.stack(
            [
                _cross_entropy(logits_real, True),
                _cross_entropy(logits_generated, False),
                tf.reduce_mean(tf.cast(accuracy, tf.float32)),
                g_loss,
                term,
            ]
        )

    def _update_discriminator(self, graphs: tf.Tensor, real: bool) -> tf.Tensor:
        """Update the discriminator on one batch and return its logits (batch, 1) before the update."""
        weights = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.discriminator(graphs, training=True)
            loss = self.discriminator_optimizer.scale_loss(_cross_entropy(logits, real))
        apply_gradients(self.discriminator_optimizer, tape.gradient(loss, weights), weights)
        return logits

    def generator(self) -> keras.Model:
        """Return an untrained generator of standard layers, float32."""
        return build_generator(self.side, self.noise, self.seeds["weights"])


def _cross_entropy(logits: tf.Tensor, real: bool) -> tf.Tensor:
    """Return the mean binary cross-entropy of logits (batch, 1) for one label, real or generated."""
    return tf.reduce_mean(tf.nn.softplus(-logits if real else logits))
