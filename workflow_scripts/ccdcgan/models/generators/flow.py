"""Scheme ``flow``: rectified flow matching from noise to crystal graphs (Liu et al., arXiv:2209.03003).

Noise x0 and a crystal graph x1, both standardised rows, are joined by the straight line x_t = (1 - t) x0 + t x1. A
network is trained to predict the velocity x1 - x0 from x_t and t by mean squared error. Euler steps along the predicted
velocity then lead from noise to new crystal graphs. There is no adversarial network, so training cannot collapse.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.models.dense_networks import Standardisation, ToGraph, residual_network
from ccdcgan.models.generators.base import GeneratorTraining
from ccdcgan.training.devices import apply_gradients, replica_slice
from ccdcgan.training.optimizers import MovingAverage, adam
from ccdcgan.utils.seeds import derive_seed


class EulerSteps(keras.layers.Layer):
    """Euler integration of a velocity network: noise (batch, d), N(0, 1), to standardised rows (batch, d).

    Args:
        velocity (keras.Model): Network of row and time.
        steps: Number of Euler steps.
        settings (Any): Settings of a Keras layer.
    """

    def __init__(self, velocity, steps: int, **settings):
        super().__init__(**settings)
        self.velocity, self.steps = velocity, int(steps)

    def build(self, input_shape) -> None:
        self.built = True  # the network is built already

    def call(self, noise):
        def step(number, row):
            time = tf.cast(number, tf.float32) / self.steps
            velocity = self.velocity([row, tf.fill([tf.shape(row)[0], 1], time)], training=False)
            return number + 1, row + velocity / self.steps

        shape = [tf.TensorShape([]), tf.TensorShape([None, noise.shape[1]])]
        _, row = tf.while_loop(lambda number, _: number < self.steps, step, [tf.constant(0), noise], shape)
        return row

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        velocity = keras.saving.serialize_keras_object(self.velocity)
        return super().get_config() | {"steps": self.steps, "velocity": velocity}

    @classmethod
    def from_config(cls, config):
        """Return the layer of a saved configuration.

        Raises:
            ValueError: It is that of the scheme guided-flow, which version 0.1 had.
        """
        if config.get("constraint"):
            raise ValueError("the scheme guided-flow was removed; use optimised-flow")
        parts = {key: value for key, value in config.items() if key not in ("constraint", "to_graph", "guidance")}
        return cls(**parts | {"velocity": keras.saving.deserialize_keras_object(config["velocity"])})


class FlowTraining(GeneratorTraining):
    """The velocity network, its optimizer and the compiled steps; see :class:`GeneratorTraining`."""

    quantities = ("loss",)

    def __init__(
        self,
        graphs: np.ndarray,
        config: Mapping[str, Any],
        seed: int,
        constraint: keras.Model | None,
        policy: str,
    ) -> None:
        """Build the velocity network.

        Args:
            graphs: Crystal graphs, (n, side, side, 1).
            config: Section ``flow`` of the configuration.
            seed: Seed of weights and batches.
            constraint: Not used.
            policy: Keras dtype policy.
        """
        super().__init__()
        self.config, self.rows = config, Standardisation.of(graphs)
        self.seed, self.batch = seed, int(config["batch"])
        self.data = tf.constant(self.rows.rows(graphs))
        self.velocity = self._network(policy)
        self.optimizer = adam(config, self.velocity.trainable_variables, policy)
        self.average = MovingAverage(self.velocity.variables, float(config["ema"]))
        self.variables = [*self.velocity.variables, *self.optimizer.variables, *self.average.variables]

    def step(self, step: tf.Tensor) -> tf.Tensor:
        """Run one step and return its loss per pixel, (1,)."""
        draws = {name: [derive_seed(self.seed, "flow", name), step] for name in ("batch", "noise", "time")}
        chosen = tf.random.stateless_uniform([self.batch], draws["batch"], 0, self.data.shape[0], tf.int32)
        end = tf.gather(self.data, chosen)
        start = tf.random.stateless_normal(tf.shape(end), draws["noise"])
        time = tf.random.stateless_uniform([self.batch, 1], draws["time"])
        start, end, time = replica_slice(start), replica_slice(end), replica_slice(time)
        weights = self.velocity.trainable_variables
        with tf.GradientTape() as tape:
            velocity = self.velocity([start + time * (end - start), time], training=True)
            loss = tf.reduce_mean((velocity - (end - start)) ** 2)
            scaled = self.optimizer.scale_loss(loss)
        apply_gradients(self.optimizer, tape.gradient(scaled, weights), weights)
        self.average.update(step)
        return loss[None]

    def generator(self) -> keras.Model:
        """Return the generator, noise (batch, d) to crystal graphs (batch, side, side, 1), untrained, float32."""
        velocity = self._network("float32")
        noise = keras.Input((len(self.rows.pixels),), name="noise")
        row = EulerSteps(velocity, self.config["euler_steps"], dtype="float32", name="flow")(noise)
        return keras.Model(noise, ToGraph.undoing(self.rows)(row), name="generator")

    def load(self, generator: keras.Model, values: Sequence[np.ndarray]) -> None:
        """Assign values of :attr:`weights` to a generator from :meth:`generator`."""
        generator.get_layer("flow").velocity.set_weights(values)

    def _network(self, policy: str) -> keras.Model:
        size = len(self.rows.pixels)
        shape = (size, size, int(self.config["width"]), int(self.config["blocks"]))
        return residual_network(*shape, derive_seed(self.seed, "flow", "weights"), timed=True, policy=policy)
