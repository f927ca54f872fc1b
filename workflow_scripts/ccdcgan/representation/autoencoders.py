"""The lattice autoencoder and the sites autoencoder (Long et al., Tables S1 and S2) and their training.

Both are the same convolutional network over a cubic voxel grid. The encoder has 4^3 convolutions of stride 2 down to a
4^3 grid (four for a 64^3 grid, three for 32^3) and one more to the latent, with tanh. The decoder mirrors it. There are
no biases, weights start Glorot-uniform, activations are LeakyReLU with slope 0.2. The sites autoencoder processes one
element at a time and is shared by all elements. Latents lie in [-1, 1].
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.representation.decoding.inference import batch_of, run_in_batches, uses_gpu
from ccdcgan.representation.decoding.matrix_decoder import MatrixDecoder
from ccdcgan.training.devices import (
    apply_gradients,
    mean_over_steps,
    precision_policy,
    replica_slice,
    replicas,
    set_determinism,
)
from ccdcgan.training.loop import TrainingRun
from ccdcgan.training.optimizers import adam
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import save_model
from ccdcgan.utils.hashing import fingerprint

log = logging.getLogger(__name__)

POSITIVE_WEIGHT = 100.0
"""Extra weight of a voxel of value 1 in the weighted loss, since 99.9 % of a sites voxel is empty."""
RAMP = 1e4
"""Slope of the authors' ramp clip(1e4 (p - 0.5), 0, 1) on the decoder's sigmoid output p."""
STEPS_PER_BLOCK, STEPS_PER_CHECKPOINT = 20, 500
HISTORY_COLUMNS = ("step", "loss", "loss_all_zero", "held_out_loss", "held_out_all_zero", "held_out_rebuilt")


class VoxelSource(Protocol):
    """Source of training voxels (batch, grid, grid, grid, 1), see :mod:`ccdcgan.representation.training_voxels`.

    Attributes:
        size: Number of point sets or lattices in the source.
        grid: Number of voxels along an edge.
        identity: Fingerprint of the data and of the settings of the source.
    """

    size: int
    grid: int
    identity: str

    def draw(self, seed: int, step: tf.Tensor, batch: int) -> tf.Tensor:
        """Return this replica's part of the random batch of a step."""

    def fixed(self, chosen: np.ndarray) -> tf.Tensor:
        """Return the voxels with these indices, without augmentation."""

    def rebuilt(self, true: np.ndarray, output: np.ndarray) -> np.ndarray:
        """Return which of the voxels (n, grid, grid, grid) an output reproduces, (n,) of bool."""


@dataclass(frozen=True)
class Autoencoder:
    """An encoder and a decoder.

    Attributes:
        encoder: Voxels (n, grid, grid, grid, 1) to latents (n, latent).
        decoder: Latents to voxels.
        model: Voxels to voxels.
    """

    encoder: keras.Model
    decoder: keras.Model
    model: keras.Model

    @property
    def latent(self) -> int:
        """Length of the latent."""
        return int(self.encoder.output_shape[-1])

    def encode(self, voxels: np.ndarray, batch: int | None = None) -> np.ndarray:
        """Return latents (n, latent), float32, of voxels (n, grid, grid, grid); batch: None: by device."""
        inputs = np.asarray(voxels, np.float32)[..., None]
        return run_in_batches(self.encoder, inputs, batch or batch_of(self.encoder.input_shape[1]))

    def decode(self, latents: np.ndarray, batch: int | None = None) -> np.ndarray:
        """Return voxels (n, grid, grid, grid), float32, of latents (n, latent); batch: None: by device."""
        inputs = np.asarray(latents, np.float32)
        if self._matrix_decoder is None:
            return run_in_batches(self.decoder, inputs, batch or batch_of(self.encoder.input_shape[1]))[..., 0]
        return self._matrix_decoder.decode(inputs)

    @cached_property
    def _matrix_decoder(self) -> MatrixDecoder | None:
        """The decoder as matrix products, with its weights at the first use; None where it would not be faster."""
        weights, output = self.decoder.get_weights(), self.decoder.layers[-1]
        plain = output.activation is keras.activations.linear and self.decoder.layers[1].compute_dtype == "float32"
        suits = plain and MatrixDecoder.suits([weight.shape for weight in weights])
        return MatrixDecoder(weights) if suits and not uses_gpu() else None


def build_autoencoder(
    grid: int,
    filters: int = 64,
    latent: int = 200,
    activation: str = "linear",
    policy: str = "float32",
    seed: int = 0,
) -> Autoencoder:
    """Return an untrained autoencoder of ``grid``^3 voxels; the layers are described at the top of the module.

    A grid of 64 with latent 200 gives Table S1 of Long et al. (3,219,456 parameters), a grid of 32 with latent 25 gives
    Table S2 (1,261,568).

    Args:
        grid: Number of voxels along an edge.
        filters: Number of filters of each convolution.
        latent: Length of the latent.
        activation: Activation of the decoder's output, linear or sigmoid.
        policy: Keras dtype policy; weights and outputs stay float32.
        seed: Seed of the initial weights.

    Raises:
        InputError: The grid cannot be halved often enough, or the activation is unknown.
    """
    halvings = max(int(np.ceil(np.log2(grid / 4))), 1)
    core = grid >> halvings
    if grid < 8 or core << halvings != grid:
        raise InputError(f"representation: grid is {grid}; it must be 8, 12, 16, 24, 32, 48 or 64.")
    if activation not in ("linear", "sigmoid"):
        raise InputError(f"representation: activation is {activation!r}; allowed are linear, sigmoid.")
    seeds = iter(range(seed, seed + 1000))
    dtype = keras.DTypePolicy(policy)

    def settings() -> dict:
        initializer = keras.initializers.GlorotUniform(seed=next(seeds))
        return {"use_bias": False, "kernel_initializer": initializer, "dtype": dtype}

    def leaky(tensor):
        return keras.layers.LeakyReLU(negative_slope=0.2, dtype=dtype)(tensor)

    layers = keras.layers
    voxel = tensor = keras.Input((grid, grid, grid, 1), name="voxel")
    for _ in range(halvings):
        tensor = leaky(layers.Conv3D(filters, 4, strides=2, padding="same", **settings())(tensor))
    tensor = layers.Conv3D(latent, core, padding="valid", **settings())(tensor)
    tensor = layers.Reshape((latent,), dtype=dtype)(tensor)
    encoder = keras.Model(voxel, layers.Activation("tanh", dtype="float32")(tensor), name="encoder")

    code = keras.Input((latent,), name="latent")
    tensor = layers.Reshape((1, 1, 1, latent), dtype=dtype)(code)
    tensor = leaky(layers.Conv3DTranspose(filters, core, padding="valid", **settings())(tensor))
    for _ in range(halvings - 1):
        tensor = leaky(layers.Conv3DTranspose(filters, 4, strides=2, padding="same", **settings())(tensor))
    tensor = layers.Conv3DTranspose(1, 4, strides=2, padding="same", **settings())(tensor)
    decoder = keras.Model(code, layers.Activation(activation, dtype="float32")(tensor), name="decoder")
    return Autoencoder(encoder, decoder, keras.Model(voxel, decoder(encoder(voxel)), name="autoencoder"))


def save_autoencoder(path: str | Path, autoencoder: Autoencoder) -> None:
    """Write encoder and decoder, with their weights, as one ``.keras`` file."""
    save_model(path, autoencoder.model)


def load_autoencoder(path: str | Path) -> Autoencoder:
    """Read a file written by :func:`save_autoencoder`.

    Raises:
        InputError: The file does not hold an autoencoder.
    """
    try:
        model = keras.models.load_model(path, compile=False)
        return Autoencoder(model.get_layer("encoder"), model.get_layer("decoder"), model)
    except ValueError as error:
        raise InputError(
            f"{path} does not hold an autoencoder of this workflow ({error}); rename it and run again."
        ) from error


def reconstruction_loss(name: str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return a loss: a function of true voxels and decoder output to the mean over all voxels.

    Args:
        name: ``weighted``: squared error times (1 + 100 x), for sites voxels, which are nearly empty. ``squared``:
            squared error, for lattice voxels, whose metric tensor lies in the flanks of the Gaussian. ``ramp``: squared
            error after clip(1e4 (p - 0.5), 0, 1) of a sigmoid output p, as in the authors' code.

    Raises:
        InputError: The name is unknown.
    """
    if name == "squared":
        return lambda true, output: tf.reduce_mean((output - true) ** 2)
    if name == "weighted":
        return lambda true, output: tf.reduce_mean((1 + POSITIVE_WEIGHT * true) * (output - true) ** 2)
    if name == "ramp":
        return lambda true, output: tf.reduce_mean((tf.clip_by_value(RAMP * (output - 0.5), 0, 1) - true) ** 2)
    raise InputError(f"representation: loss is {name!r}; allowed are weighted, squared, ramp.")


def all_zero_loss(name: str, true: tf.Tensor) -> tf.Tensor:
    """Return the loss of an output of zeros everywhere, the baseline of an untrained decoder."""
    return reconstruction_loss(name)(true, tf.zeros_like(true))


def train_autoencoder(
    settings: Mapping[str, Any], source: VoxelSource, held_out: VoxelSource | None, run: TrainingRun, seed: int
) -> Autoencoder:
    """Train an autoencoder on voxels of ``source`` and return it with float32 weights and arithmetic.

    The loss is Eq. 3 of Long et al., divided by its value for an all-zero output on training voxels, so that ``l2``
    means the same for every grid and width. The weights returned are those of the checkpoint that reconstructs most
    held-out voxels; among equals, those with the smallest held-out loss.

    Args:
        settings: Section ``sites`` or ``lattice`` of the configuration. ``latent_noise`` (optional, 0) is the standard
            deviation of normal noise added to the latents in training, which makes the decoder robust to the errors of
            a generator. ``patience`` (optional, 0) is the number of checkpoints without improvement after which the
            training stops; 0: never.
        source: Voxels to train on.
        held_out: Voxels that are never trained on, for the learning curve; None: there are none.
        run: Checkpoint, learning curve (HISTORY_COLUMNS, one row per checkpoint), label and precision.
        seed: Seed of weights and batches.

    Raises:
        InputError: There are no voxels to train on, a setting is unknown, or the training diverges.
    """
    if source.size == 0:
        raise InputError(f"{run.label}: there is nothing to train on; is the database empty?")
    set_determinism(seed)
    policy = precision_policy(run.precision)
    shape = (int(settings["grid"]), int(settings["filters"]), int(settings["latent"]), settings["activation"])
    steps, batch, l2 = int(settings["steps"]), int(settings["batch"]), float(settings["l2"])
    strategy = replicas(batch)
    with strategy.scope():
        autoencoder = build_autoencoder(*shape, policy, seed)
        weights = autoencoder.model.trainable_variables
        optimizer = adam(settings, weights, policy)
    loss_of = reconstruction_loss(settings["loss"])
    latent_noise = float(settings.get("latent_noise", 0.0))
    training_zero = float(all_zero_loss(settings["loss"], source.fixed(_spread(source.size, 64))))

    def train_step(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        voxels = source.draw(seed, step, batch)
        noise = replica_slice(tf.random.stateless_normal([batch, autoencoder.latent], [seed, -1 - step]))
        with tf.GradientTape() as tape:
            latents = autoencoder.encoder(voxels, training=True) + latent_noise * noise
            loss = loss_of(voxels, autoencoder.decoder(latents, training=True))
            objective = loss / training_zero
            if l2 > 0:
                objective += l2 * tf.add_n([tf.reduce_sum(weight**2) for weight in weights])
            objective = optimizer.scale_loss(objective)
        apply_gradients(optimizer, tape.gradient(objective, weights), weights)
        return loss, all_zero_loss(settings["loss"], voxels)

    @tf.function
    def train(first: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return mean_over_steps(strategy, train_step, first, end, (tf.constant(0.0), tf.constant(0.0)))

    best = _BestWeights(autoencoder.model, held_out, settings["loss"])
    patience = int(settings.get("patience", 0))
    identity = fingerprint([settings, seed, policy, source.identity, source.size])
    sums = tf.Variable(np.zeros(3))  # steps since the last row of the learning curve, their losses, all-zero losses
    variables = [*autoencoder.model.variables, *optimizer.variables, sums, *best.variables]
    for block in run.blocks(
        steps, variables, identity, HISTORY_COLUMNS, every=STEPS_PER_BLOCK, interval=STEPS_PER_CHECKPOINT
    ):
        if patience and best.checkpoints_since >= patience:
            break
        count = block.end - block.first
        loss, zero = (float(value) for value in train(tf.constant(block.first), tf.constant(block.end)))
        block.check([loss], "its learning_rate")
        block.note = f"loss {loss:.3g} (all-zero {zero:.3g})"
        sums.assign_add([count, count * loss, count * zero])
        if block.checkpoint_due:
            mean = (sums[1:] / sums[0]).numpy()
            block.row = [float(mean[0]), float(mean[1]), *best.update()]
            sums.assign(np.zeros(3))
    plain = build_autoencoder(*shape, "float32", seed)
    plain.model.set_weights(best.weights())
    return plain


class _BestWeights:
    """The weights of the checkpoint that reconstructs most held-out voxels.

    Args:
        model: The model in training.
        held_out: Voxels that are never trained on, or None.
        loss: Name of the loss, see :func:`reconstruction_loss`.

    Attributes:
        variables: State to store in a checkpoint.
    """

    def __init__(self, model: keras.Model, held_out: VoxelSource | None, loss: str) -> None:
        self._model, self._held_out, self._loss = model, held_out, loss
        enough = held_out is not None and held_out.size >= 8
        self._parts = np.array_split(_spread(held_out.size, 128), 8) if enough else []
        self._run = tf.function(lambda voxels: model(voxels, training=False))
        self._weights = [tf.Variable(weight.numpy()) for weight in model.weights]
        self._best = tf.Variable([-1.0, 0.0, 0.0])  # fraction reconstructed, loss, checkpoints since
        self.variables = [*self._weights, self._best]

    @property
    def checkpoints_since(self) -> float:
        """Number of checkpoints since the best one."""
        return self._best.numpy()[2]

    def update(self) -> tuple[float | str, float | str, float | str]:
        """Store the present weights if they are the best.

        Returns:
            Loss, all-zero loss and fraction reconstructed of the held-out voxels; empty strings without such voxels.
        """
        losses, zeros, rebuilt = [], [], []
        for part in self._parts:
            voxels = self._held_out.fixed(part)
            output = self._run(voxels)
            losses.append(float(reconstruction_loss(self._loss)(voxels, output)))
            zeros.append(float(all_zero_loss(self._loss, voxels)))
            rebuilt.append(self._held_out.rebuilt(voxels[..., 0].numpy(), output[..., 0].numpy()))
        if not losses:
            return "", "", ""
        loss, fraction = float(np.mean(losses)), float(np.mean(np.concatenate(rebuilt)))
        most, least, since = self._best.numpy()
        if np.float32(fraction) > most or (np.float32(fraction) == most and loss < least):
            self._best.assign([fraction, loss, 0.0])
            for copy, variable in zip(self._weights, self._model.weights, strict=True):
                copy.assign(variable)
        else:
            self._best.assign([most, least, since + 1])
        return loss, float(np.mean(zeros)), fraction

    def weights(self) -> list[np.ndarray]:
        """Return the best weights; the present ones if none were compared."""
        chosen = self._weights if self._best.numpy()[0] >= 0 else self._model.weights
        return [variable.numpy() for variable in chosen]


def _spread(size: int, most: int) -> np.ndarray:
    """Return at most ``most`` indices spread evenly over ``size``."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).astype(int))
