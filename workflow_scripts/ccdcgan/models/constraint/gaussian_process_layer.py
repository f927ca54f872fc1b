"""A Gaussian process as a layer: the mean of what it predicts, differentiable, in a saved model.

Matern kernel with nu = 3/2, one length scale for all features, and white noise (Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006, Eqs. 2.25 and 4.17). The three numbers of the kernel are those of the largest
marginal likelihood, found by scikit-learn. Far from all training points it predicts their mean: it does not run away.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.crystals.gaussian_process import KernelSettings, fit_gaussian_process, subsample

SMALLEST_SQUARE = 1e-6
"""Squared distance, in length scales, below which points count as this far apart, since a root has no slope at 0."""

KERNEL = KernelSettings(amplitude=(1e-3, 1e3), length=(0.1, 100), noise=(0.3, 1e-4, 10.0), alpha=1e-6)
"""Bounds of the kernel's hyperparameters."""


@dataclass(frozen=True)
class Posterior:
    """points: (n, d) features; weights: (n,), what the kernel to every point is multiplied by; length: of the kernel,
    in units of the features; mean: what is predicted far away."""

    points: np.ndarray
    weights: np.ndarray
    length: float
    mean: float


def fit(features: np.ndarray, values: np.ndarray, seed: int) -> Posterior:
    """Return the posterior of values (n,) at features (n, d), each feature with a spread of about 1.

    seed: decides which points are drawn where there are too many.
    """
    known = subsample(len(values), seed)
    features, values = np.asarray(features, float)[known], np.asarray(values, float)[known]
    mean, std = values.mean(), max(values.std(), 1e-12)
    targets = (values - mean) / std
    process = fit_gaussian_process(features, targets, KERNEL, seed)
    matern = process.kernel_.k1  # amplitude times Matern; the white noise is no part of a prediction
    weights = std * matern.k1.constant_value * process.alpha_
    return Posterior(features, weights, float(matern.k2.length_scale), float(mean))


class GaussianProcess(keras.layers.Layer):
    """Features (batch, d) to the posterior's mean (batch, 1), float32.

    n_points: of the posterior; length and mean as in :class:`Posterior`, whose points and weights are weights here.
    """

    def __init__(self, n_points: int, length: float, mean: float, **settings) -> None:
        super().__init__(**settings)
        self.n_points, self.length, self.mean = int(n_points), float(length), float(mean)

    @classmethod
    def of(cls, posterior: Posterior, name: str) -> "GaussianProcess":
        """Return the layer of a posterior."""
        layer = cls(len(posterior.points), posterior.length, posterior.mean, dtype="float32", name=name)
        layer.build((None, posterior.points.shape[1]))
        layer.set_weights([posterior.points, posterior.weights])
        return layer

    def build(self, input_shape) -> None:
        shapes = {"points": (self.n_points, input_shape[-1]), "coefficients": (self.n_points,)}
        self.points, self.coefficients = (
            self.add_weight(shape=shape, initializer="zeros", trainable=False, name=name)
            for name, shape in shapes.items()
        )
        self.built = True

    def call(self, features):
        one, other = features / self.length, self.points / self.length
        squares = tf.reduce_sum(one**2, 1)[:, None] + tf.reduce_sum(other**2, 1) - 2 * one @ tf.transpose(other)
        distances = tf.sqrt(3 * tf.maximum(squares, SMALLEST_SQUARE))
        related = (1 + distances) * tf.exp(-distances)
        return self.mean + tf.linalg.matvec(related, self.coefficients)[:, None]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)

    def get_config(self):
        return super().get_config() | {"n_points": self.n_points, "length": self.length, "mean": self.mean}
