"""Dense networks on crystal graphs, for the flow, the variational autoencoder and the descriptor network.

A crystal graph consists of latents, so neighbouring pixels are not related in a way that a convolution could use. The
networks take it as a row of numbers. Pixels with one value in all crystals (the padding) are left out, the others are
standardised (:class:`Standardisation`).
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.utils.seeds import derive_seed

SMALLEST_SPREAD = 1e-4
"""Standard deviation below which a pixel counts as constant."""
FREQUENCIES = 6
"""Number of octaves of sine and cosine that encode the time of the flow."""


@dataclass(frozen=True)
class Standardisation:
    """Conversion of crystal graphs to standardised rows.

    Attributes:
        pixels: Indices of the varying pixels in the flattened crystal graph, (d,).
        mean: Their means over the data, (d,).
        std: Their standard deviations over the data, (d,).
        constant: Value of every constant pixel, 0 for the others, (side^2,).
        side: Side of the crystal graph.
    """

    pixels: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    constant: np.ndarray
    side: int

    @classmethod
    def of(cls, graphs: np.ndarray) -> "Standardisation":
        """Return the standardisation of crystal graphs (n, side, side, 1)."""
        flat = np.asarray(graphs, np.float32).reshape(len(graphs), -1)
        mean, std = flat.mean(0), flat.std(0)
        varies = std > SMALLEST_SPREAD
        return cls(np.flatnonzero(varies), mean[varies], std[varies], np.where(varies, 0, mean), graphs.shape[1])

    def rows(self, graphs: np.ndarray) -> np.ndarray:
        """Return crystal graphs (n, side, side, 1) as rows (n, d), float32."""
        flat = np.asarray(graphs, np.float32).reshape(len(graphs), -1)
        return ((flat[:, self.pixels] - self.mean) / self.std).astype(np.float32)


class ToRows(keras.layers.Layer):
    """Crystal graphs (batch, side, side, 1) to standardised rows (batch, d): :class:`Standardisation` as a layer."""

    def __init__(self, pixels, mean, std, **settings) -> None:
        super().__init__(**settings)
        self.parts = {"pixels": [int(pixel) for pixel in pixels]}
        self.parts |= {name: [float(x) for x in values] for name, values in (("mean", mean), ("std", std))}

    @classmethod
    def of(cls, rows: Standardisation, name: str) -> "ToRows":
        """Return the layer of a standardisation."""
        return cls(rows.pixels, rows.mean, rows.std, dtype="float32", name=name)

    def call(self, graphs):
        pixels, mean, std = (self.parts[name] for name in ("pixels", "mean", "std"))
        values = tf.gather(tf.reshape(graphs, [tf.shape(graphs)[0], -1]), pixels, axis=1)
        return (values - tf.constant(mean, tf.float32)) / tf.constant(std, tf.float32)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.parts["pixels"]))

    def get_config(self):
        return super().get_config() | self.parts


class ToGraph(keras.layers.Layer):
    """Standardised rows (batch, d) to crystal graphs (batch, side, side, 1): the inverse of :class:`ToRows`."""

    def __init__(self, pixels, mean, std, constant, side: int, **settings) -> None:
        super().__init__(**settings)
        self.parts = {
            "pixels": [int(pixel) for pixel in pixels],
            **{name: [float(x) for x in values] for name, values in (("mean", mean), ("std", std))},
            "constant": [float(x) for x in constant],
            "side": int(side),
        }

    @classmethod
    def undoing(cls, rows: Standardisation) -> "ToGraph":
        """Return the layer for a standardisation."""
        return cls(rows.pixels, rows.mean, rows.std, rows.constant, rows.side, dtype="float32", name="output_graph")

    def call(self, rows):
        parts, n_pixels = self.parts, self.parts["side"] ** 2
        values = rows * tf.constant(parts["std"], tf.float32) + tf.constant(parts["mean"], tf.float32)
        # each pixel takes its column of the row; constant pixels take an additional column of zeros
        place = np.full(n_pixels, len(parts["pixels"]))
        place[parts["pixels"]] = np.arange(len(parts["pixels"]))
        values = tf.gather(tf.pad(values, [[0, 0], [0, 1]]), place, axis=1) + tf.constant(parts["constant"], tf.float32)
        return tf.reshape(values, [-1, parts["side"], parts["side"], 1])

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.parts["side"], self.parts["side"], 1)

    def get_config(self):
        return super().get_config() | self.parts


def residual_network(
    inputs: int, outputs: int, width: int, blocks: int, seed: int, *, timed: bool = False, policy: str = "float32"
) -> keras.Model:
    """Return a network of residual dense layers: rows (batch, inputs) to rows (batch, outputs), float32.

    The weights of the last layer start at zero.

    Args:
        inputs: Length of the input rows.
        outputs: Length of the output rows.
        width: Width of the hidden layers.
        blocks: Number of residual blocks: layer normalisation and two dense layers.
        seed: Seed of the initial weights.
        timed: Whether the network takes a time (batch, 1) in [0, 1] as a second input.
        policy: Keras dtype policy.
    """
    layers, ops = keras.layers, keras.ops

    def dense(tensor, units: int, name: str, activation: str | None = None):
        initializer = keras.initializers.GlorotUniform(seed=derive_seed(seed, name))
        return layers.Dense(units, activation=activation, kernel_initializer=initializer, dtype=policy, name=name)(
            tensor
        )

    row = keras.Input((inputs,), name="row")
    hidden, timing = dense(row, width, "first"), None
    if timed:
        time = keras.Input((1,), name="time")
        angles = ops.concatenate([time * float(np.pi * 2**octave) for octave in range(FREQUENCIES)], axis=1)
        features = ops.concatenate([time, ops.sin(angles), ops.cos(angles)], axis=1)
        timing = dense(features, width, "time-features", "silu")
        hidden = layers.Add(dtype=policy)([hidden, timing])
    for number in range(blocks):
        inner = layers.LayerNormalization(dtype=policy, name=f"norm-{number}")(hidden)
        if timed:
            inner = layers.Add(dtype=policy)([inner, dense(timing, width, f"time-{number}")])
        inner = dense(inner, width, f"inner-{number}", "silu")
        hidden = layers.Add(dtype=policy)([hidden, dense(inner, width, f"outer-{number}")])
    hidden = layers.LayerNormalization(dtype="float32", name="norm-last")(hidden)
    last = layers.Dense(outputs, kernel_initializer="zeros", dtype="float32", name="last")(hidden)
    return keras.Model([row, time] if timed else row, last)
