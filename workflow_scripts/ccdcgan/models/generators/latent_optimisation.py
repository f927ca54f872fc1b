"""Scheme ``optimised-flow``: the noise that a flow starts from is moved until its crystal graph is predicted lower.

The trained flow maps noise to crystal graphs; the constraint gives their formation energy. Steps down the gradient of
that energy, through all of the flow, change the noise and not the crystal graph, so what comes out is still something
that the flow makes. Two things keep the noise where the flow knows it, in a trust region: it keeps its length, as
typical noise has it, and it goes no farther from where it started than ``trust`` times that length.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf


class OptimisedFlow(keras.layers.Layer):
    """Noise (batch, d), N(0, 1), to standardised rows (batch, d) that the flow makes of the noise when it was moved.

    flow, to_graph: layers from noise to rows, and from rows to crystal graphs; constraint: crystal graphs to energies;
    steps: of descent; length: of each, and trust: of all together, as a fraction of the noise's length.
    """

    def __init__(self, flow, to_graph, constraint, steps: int, length: float, trust: float, **settings):
        super().__init__(**settings)
        self.flow, self.to_graph, self.constraint = flow, to_graph, constraint
        self.numbers = {"steps": int(steps), "length": float(length), "trust": float(trust)}

    def build(self, input_shape) -> None:
        self.built = True  # layers that are built already

    def call(self, noise):
        return self.flow(self.moved(noise))

    def moved(self, noise):
        """Return the noise (batch, d), moved until its crystal graph is predicted lower."""
        length, trust = self.numbers["length"], self.numbers["trust"]
        size = tf.norm(noise, axis=1, keepdims=True)

        def step(number, moved):
            with tf.GradientTape() as tape:
                tape.watch(moved)
                energy = tf.reduce_sum(self.constraint(self.to_graph(self.flow(moved)), training=False))
            slope = tape.gradient(energy, moved)
            way = moved - length * size * slope / (tf.norm(slope, axis=1, keepdims=True) + 1e-12) - noise
            way *= tf.minimum(1.0, trust * size / (tf.norm(way, axis=1, keepdims=True) + 1e-12))
            moved = noise + way
            return number + 1, moved * size / tf.norm(moved, axis=1, keepdims=True)

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


def optimised(generator: keras.Model, constraint: keras.Model, settings: Mapping[str, Any]) -> keras.Model:
    """Return the generator of ``flow`` with its noise moved, see :class:`OptimisedFlow`.

    settings: the ``flow`` section, of which ``optimisation_steps``, ``optimisation_length`` and ``trust`` count here;
    no steps give the generator itself.
    """
    flow, to_graph = generator.get_layer("flow"), generator.get_layer("output_graph")
    numbers = settings["optimisation_steps"], settings["optimisation_length"], settings["trust"]
    noise = keras.Input(generator.input_shape[1:], name="noise")
    rows = OptimisedFlow(flow, to_graph, constraint, *numbers, dtype="float32", name="optimised_flow")(noise)
    return keras.Model(noise, to_graph(rows), name="generator")
