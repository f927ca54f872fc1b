"""Scheme ``optimised-flow``: gradient descent on the noise of a trained flow, to lower the predicted formation energy.

The flow maps noise to crystal graphs and the constraint predicts their formation energy. The gradient of the energy,
through the whole flow, changes the noise and not the crystal graph, so that the result remains a sample of the flow. A
trust region keeps the noise typical: it keeps its length, and its displacement is at most ``trust`` times that length.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf


class OptimisedFlow(keras.layers.Layer):
    """Noise (batch, d), N(0, 1), to the standardised rows (batch, d) of the flow for the optimised noise.

    Args:
        flow (keras.layers.Layer): Layer from noise to rows.
        to_graph (keras.layers.Layer): Layer from rows to crystal graphs.
        constraint (keras.Model): Model from crystal graphs to energies.
        steps: Number of descent steps.
        length: Length of each step, as a fraction of the noise's length.
        trust: Maximum displacement, as a fraction of the noise's length.
        settings (Any): Settings of a Keras layer.
    """

    def __init__(self, flow, to_graph, constraint, steps: int, length: float, trust: float, **settings):
        super().__init__(**settings)
        self.flow, self.to_graph, self.constraint = flow, to_graph, constraint
        self.numbers = {"steps": int(steps), "length": float(length), "trust": float(trust)}

    def build(self, input_shape) -> None:
        self.built = True  # layers that are built already

    def call(self, noise):
        return self.flow(self.optimised(noise))

    def optimised(self, noise):
        """Return the noise (batch, d) after the descent."""
        length, trust = self.numbers["length"], self.numbers["trust"]
        size = tf.norm(noise, axis=1, keepdims=True)

        def step(number, present):
            with tf.GradientTape() as tape:
                tape.watch(present)
                energy = tf.reduce_sum(self.constraint(self.to_graph(self.flow(present)), training=False))
            slope = tape.gradient(energy, present)
            change = present - length * size * slope / (tf.norm(slope, axis=1, keepdims=True) + 1e-12) - noise
            change *= tf.minimum(1.0, trust * size / (tf.norm(change, axis=1, keepdims=True) + 1e-12))
            present = noise + change
            return number + 1, present * size / tf.norm(present, axis=1, keepdims=True)

        shape = [tf.TensorShape([]), tf.TensorShape([None, noise.shape[1]])]
        return tf.while_loop(lambda number, _: number < self.numbers["steps"], step, [tf.constant(0), noise], shape)[1]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        save = keras.saving.serialize_keras_object
        parts = {name: save(getattr(self, name)) for name in ("flow", "to_graph", "constraint")}
        return super().get_config() | self.numbers | parts

    @classmethod
    def from_config(cls, config):
        for name in ("flow", "to_graph", "constraint"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def optimise_generator(generator: keras.Model, constraint: keras.Model, settings: Mapping[str, Any]) -> keras.Model:
    """Return the generator of ``flow`` with optimised noise, see :class:`OptimisedFlow`.

    Args:
        generator: Generator of the scheme ``flow``.
        constraint: Crystal graphs to energies, or to another objective.
        settings: ``optimisation_steps`` (0: the generator itself), ``optimisation_length`` and ``trust``.
    """
    flow, to_graph = generator.get_layer("flow"), generator.get_layer("output_graph")
    numbers = settings["optimisation_steps"], settings["optimisation_length"], settings["trust"]
    noise = keras.Input(generator.input_shape[1:], name="noise")
    rows = OptimisedFlow(flow, to_graph, constraint, *numbers, dtype="float32", name="optimised_flow")(noise)
    return keras.Model(noise, to_graph(rows), name="generator")
