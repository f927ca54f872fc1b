"""Scheme ``flow``: a network learns the velocity that carries noise to crystal graphs (rectified flow matching).

Between noise x0 and a crystal graph x1, both standardised rows, lies the straight line x_t = (1 - t) x0 + t x1;
the network learns its velocity x1 - x0 from x_t and t by mean squared error. From noise, Euler steps along the
learned velocity then lead to new crystal graphs. There is no second network to fight and nothing to collapse.

Scheme ``guided-flow`` takes the same network and adds to the velocity a pull down the constraint's predicted
formation energy: the paper's feedback loop (Long et al., Eq. 5), at generation and not in training. The constraint
is asked about the crystal graph that the present velocity leads to, and the pull is never longer than a given
fraction of the velocity: a trust region, because the constraint knows nothing of graphs far from its data.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.models.dense_networks import Standardisation, ToGraph, residual_network
from ccdcgan.models.generators.base import Training
from ccdcgan.training.devices import descend, own_share
from ccdcgan.training.moving_average import MovingAverage
from ccdcgan.training.optimizers import adam
from ccdcgan.utils.seeds import derive_seed


class EulerSteps(keras.layers.Layer):
    """Noise (batch, d), N(0, 1), to standardised rows (batch, d) in ``steps`` Euler steps along ``velocity``.

    velocity: network of row and time. With ``constraint``, crystal graphs to energies, every step is pulled down
    its energy, over ``to_graph``; ``guidance``: length of the pull as a fraction of the velocity's.
    """

    def __init__(self, velocity, steps: int, constraint=None, to_graph=None, guidance: float = 0.0, **settings):
        super().__init__(**settings)
        self.velocity, self.steps, self.guidance = velocity, int(steps), float(guidance)
        self.constraint, self.to_graph = constraint, to_graph

    def build(self, input_shape) -> None:
        self.built = True  # networks that are built already

    def call(self, noise):
        def step(number, row):
            time = tf.cast(number, tf.float32) / self.steps
            velocity = self.velocity([row, tf.fill([tf.shape(row)[0], 1], time)], training=False)
            if self.constraint is not None:
                velocity += self._pull(row + (1 - time) * velocity, velocity)
            return number + 1, row + velocity / self.steps

        shape = [tf.TensorShape([]), tf.TensorShape([None, noise.shape[1]])]
        _, row = tf.while_loop(lambda number, _: number < self.steps, step, [tf.constant(0), noise], shape)
        return row

    def _pull(self, target, velocity):
        """Return the pull (batch, d) down the constraint's energy at ``target``, where the velocity leads to."""
        with tf.GradientTape() as tape:
            tape.watch(target)
            energy = tf.reduce_sum(self.constraint(self.to_graph(target), training=False))
        slope = tape.gradient(energy, target)
        length = tf.norm(velocity, axis=1, keepdims=True) / (tf.norm(slope, axis=1, keepdims=True) + 1e-12)
        return -self.guidance * length * slope

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        save = keras.saving.serialize_keras_object
        parts = {"steps": self.steps, "guidance": self.guidance, "velocity": save(self.velocity)}
        parts |= {name: getattr(self, name) and save(getattr(self, name)) for name in ("constraint", "to_graph")}
        return super().get_config() | parts

    @classmethod
    def from_config(cls, config):
        for name in ("velocity", "constraint", "to_graph"):
            config[name] = config[name] and keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


class FlowTraining(Training):
    """The velocity network, its optimizer and the compiled steps; see :class:`Training`."""

    quantities = ("loss",)

    def __init__(
        self,
        graphs: np.ndarray,
        config: Mapping[str, Any],
        seed: int,
        constraint: keras.Model | None,
        policy: str,
    ) -> None:
        """graphs: (n, side, side, 1); config: the ``flow`` section; constraint: unused, training is not pulled."""
        super().__init__()
        self.config, self.rows = config, Standardisation.of(graphs)
        self.seed, self.batch = seed, int(config["batch"])
        self.data = tf.constant(self.rows.rows(graphs))
        self.velocity = self._network(policy)
        self.optimizer = adam(config, self.velocity.trainable_variables, policy)
        self.average = MovingAverage(self.velocity.variables, float(config["ema"]))
        self.variables = [*self.velocity.variables, *self.optimizer.variables, *self.average.variables]

    def step(self, step: tf.Tensor) -> tf.Tensor:
        """Do one step; return its loss, (1,): 1 for a network that knows nothing of the noise, per pixel."""
        draws = {name: [derive_seed(self.seed, "flow", name), step] for name in ("batch", "noise", "time")}
        chosen = tf.random.stateless_uniform([self.batch], draws["batch"], 0, self.data.shape[0], tf.int32)
        end = tf.gather(self.data, chosen)
        start = tf.random.stateless_normal(tf.shape(end), draws["noise"])
        time = tf.random.stateless_uniform([self.batch, 1], draws["time"])
        start, end, time = own_share(start), own_share(end), own_share(time)
        weights = self.velocity.trainable_variables
        with tf.GradientTape() as tape:
            velocity = self.velocity([start + time * (end - start), time], training=True)
            loss = tf.reduce_mean((velocity - (end - start)) ** 2)
            scaled = self.optimizer.scale_loss(loss)
        descend(self.optimizer, tape.gradient(scaled, weights), weights)
        self.average.update(step)
        return loss[None]

    def generator(self) -> keras.Model:
        """Return the generator, noise (batch, d) to crystal graphs (batch, side, side, 1), untrained, float32."""
        velocity = self._network("float32")
        noise = keras.Input((len(self.rows.pixels),), name="noise")
        row = EulerSteps(velocity, self.config["euler_steps"], dtype="float32", name="flow")(noise)
        return keras.Model(noise, ToGraph.undoing(self.rows)(row), name="generator")

    def load(self, generator: keras.Model, values: Sequence[np.ndarray]) -> None:
        """Give a generator of :meth:`generator` these values of :attr:`weights`."""
        generator.get_layer("flow").velocity.set_weights(values)

    def _network(self, policy: str) -> keras.Model:
        size = len(self.rows.pixels)
        shape = (size, size, int(self.config["width"]), int(self.config["blocks"]))
        return residual_network(*shape, derive_seed(self.seed, "flow", "weights"), timed=True, policy=policy)


def guided(generator: keras.Model, constraint: keras.Model, settings: Mapping[str, Any]) -> keras.Model:
    """Return the generator of ``flow`` with every step pulled down the constraint's energy.

    settings: the ``flow`` section, whose ``guidance`` is the length of the pull as a fraction of the velocity's; 0
    gives the generator itself.
    """
    flow, to_graph = generator.get_layer("flow"), generator.get_layer("output_graph")
    noise = keras.Input(generator.input_shape[1:], name="noise")
    steps = EulerSteps(
        flow.velocity, flow.steps, constraint, to_graph, settings["guidance"], dtype="float32", name="flow"
    )
    return keras.Model(noise, to_graph(steps(noise)), name="generator")
