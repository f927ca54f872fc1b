"""Gaussian-process regression as a Keras layer: the posterior mean, differentiable, in a saved model.

Matern kernel with nu = 3/2, one length scale for all features, and white noise (Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006, Eqs. 2.25 and 4.17). Scikit-learn finds the three parameters of the kernel that
maximise the marginal likelihood. Far from all training points the prediction is their mean.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.crystals.gaussian_process import KernelSettings, fit_gaussian_process, subsample

SMALLEST_SQUARE = 1e-6
"""Minimum squared distance, in length scales, since the square root has no derivative at 0."""

KERNEL = KernelSettings(amplitude=(1e-3, 1e3), length=(0.1, 100), noise=(0.3, 1e-4, 10.0), alpha=1e-6)
"""Bounds of the kernel's hyperparameters."""


@dataclass(frozen=True)
class Posterior:
    """Posterior mean of a Gaussian process.

    Attributes:
        points: Features of the training points, (n, d).
        weights: Factors of the kernel functions of these points, (n,).
        length: Length scale of the kernel, in units of the features.
        mean: Prediction far from all points.
    """

    points: np.ndarray
    weights: np.ndarray
    length: float
    mean: float


def fit_posterior(features: np.ndarray, values: np.ndarray, seed: int) -> Posterior:
    """Fit a Gaussian process.

    Args:
        features: Features with standard deviations of about 1, (n, d).
        values: Values at these points, (n,).
        seed: Decides which points are used if there are too many.
    """
    known = subsample(len(values), seed)
    features, values = np.asarray(features, float)[known], np.asarray(values, float)[known]
    mean, std = values.mean(), max(values.std(), 1e-12)
    targets = (values - mean) / std
    process = fit_gaussian_process(features, targets, KERNEL, seed)
    matern = process.kernel_.k1  # amplitude times Matern; the white noise does not belong to a prediction
    weights = std * matern.k1.constant_value * process.alpha_
    return Posterior(features, weights, float(matern.k2.length_scale), float(mean))


class GaussianProcess(keras.layers.Layer):
    """Features (batch, d) to the posterior mean (batch, 1), float32.

    Args:
        n_points: Number of points of the posterior, which are weights of the layer, as their factors are.
        length: As in :class:`Posterior`.
        mean: As in :class:`Posterior`.
        settings (Any): Settings of a Keras layer.
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
