"""The lattice and the sites autoencoder (Long et al., Tables S1 and S2) and their training.

Both are the same convolutional network over a cubic voxel: stride-2 4^3 convolutions down to 4^3 (four for a
64^3 grid, three for 32^3), one more to the latent with tanh, and the mirror image of it back to the voxel.
No biases, Glorot-uniform weights, LeakyReLU 0.2. The sites autoencoder sees one element at a time and is
shared by all elements. Latents lie in [-1, 1].
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.training.checkpoints import training_identity
from ccdcgan.training.devices import descend, mean_over, own_share, replicas
from ccdcgan.training.loop import stretches
from ccdcgan.training.optimizers import adam
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import save_model

log = logging.getLogger(__name__)

POSITIVE_WEIGHT = 100.0
"""Extra weight of a voxel of value 1 in the weighted loss: 99.9 % of a sites voxel is empty."""
RAMP = 1e4
"""Slope of the authors' ramp clip(1e4 (p - 0.5), 0, 1) on the decoder's sigmoid output p."""
HISTORY_COLUMNS = ("step", "loss", "loss_all_zero", "held_out_loss", "held_out_all_zero", "held_out_rebuilt")


class Source(Protocol):
    """Where training voxels (batch, grid, grid, grid, 1) come from; see ``points``."""

    size: int
    grid: int

    def draw(self, seed: int, step: tf.Tensor, batch: int) -> tf.Tensor: ...  # this replica's share of the batch

    def fixed(self, chosen: np.ndarray) -> tf.Tensor: ...

    def rebuilt(self, true: np.ndarray, output: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Autoencoder:
    """encoder: voxel (n, grid, grid, grid, 1) -> latent (n, latent); decoder: the way back; model: both."""

    encoder: keras.Model
    decoder: keras.Model
    model: keras.Model

    @property
    def latent(self) -> int:
        """Length of the latent."""
        return int(self.encoder.output_shape[-1])

    def encode(self, voxels: np.ndarray, batch: int = 32) -> np.ndarray:
        """Return latents (n, latent), float32, of voxels (n, grid, grid, grid)."""
        return _in_batches(self.encoder, np.asarray(voxels, np.float32)[..., None], batch)

    def decode(self, latents: np.ndarray, batch: int = 32) -> np.ndarray:
        """Return voxels (n, grid, grid, grid), float32, of latents (n, latent)."""
        return _in_batches(self.decoder, np.asarray(latents, np.float32), batch)[..., 0]


def _in_batches(model: keras.Model, inputs: np.ndarray, batch: int) -> np.ndarray:
    """Run a model over many inputs; the last batch is padded, so that one shape is compiled."""
    outputs = []
    for start in range(0, len(inputs), batch):
        part = inputs[start : start + batch]
        padding = [(0, batch - len(part))] + [(0, 0)] * (inputs.ndim - 1)
        outputs.append(np.asarray(model.predict_on_batch(np.pad(part, padding)))[: len(part)])
    if not outputs:
        return np.empty((0, *model.output_shape[1:]), np.float32)
    return np.concatenate(outputs).astype(np.float32)


def build_autoencoder(
    grid: int,
    filters: int = 64,
    latent: int = 200,
    activation: str = "linear",
    policy: str = "float32",
    seed: int = 0,
) -> Autoencoder:
    """Return an untrained autoencoder of ``grid``^3 voxels; see the module's text for the layers.

    activation: of the decoder's output, linear or sigmoid; policy: Keras dtype policy, weights and outputs
    stay float32. A grid of 64 gives Table S1 (3,219,456 parameters with latent 200), 32 with latent 25 Table
    S2 (1,261,568). Raises InputError if the grid cannot be halved often enough.
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
    """Read what :func:`save_autoencoder` wrote. Raises InputError if the file is none of it."""
    try:
        model = keras.models.load_model(path, compile=False)
        return Autoencoder(model.get_layer("encoder"), model.get_layer("decoder"), model)
    except ValueError as error:
        raise InputError(f"{path} is no autoencoder of this workflow ({error}); delete it and run again.") from error


def reconstruction_loss(name: str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return the loss(true voxels, decoder's output) -> mean over all voxels.

    ``weighted``: squared error times (1 + 100 x), for sites voxels, which are nearly empty; ``squared``:
    plain, for lattice voxels, whose metric is in the flanks and not at the top; ``ramp``: the authors'
    squared error after clip(1e4 (p - 0.5), 0, 1) of a sigmoid output p. Raises InputError for others.
    """
    if name == "squared":
        return lambda true, output: tf.reduce_mean((output - true) ** 2)
    if name == "weighted":
        return lambda true, output: tf.reduce_mean((1 + POSITIVE_WEIGHT * true) * (output - true) ** 2)
    if name == "ramp":
        return lambda true, output: tf.reduce_mean((tf.clip_by_value(RAMP * (output - 0.5), 0, 1) - true) ** 2)
    raise InputError(f"representation: loss is {name!r}; allowed are weighted, squared, ramp.")


def all_zero_loss(name: str, true: tf.Tensor) -> tf.Tensor:
    """Return the loss of a decoder that sees nothing: zeros everywhere (after the ramp, if there is one)."""
    return reconstruction_loss(name)(true, tf.zeros_like(true))


def train_autoencoder(
    settings: dict,
    source: Source,
    held_out: Source | None,
    *,
    checkpoint: str | Path,
    history_csv: str | Path,
    seed: int,
    policy: str = "float32",
    xla: bool = False,
    label: str = "autoencoder",
    identity: str = "",
    steps_per_call: int = 20,
    calls_per_checkpoint: int = 25,
    stop_after: int | None = None,
) -> Autoencoder:
    """Train an autoencoder on voxels drawn from ``source`` and return it with float32 weights and arithmetic.

    settings: the config's ``sites`` or ``lattice`` section; held_out: voxels never trained on, for the history;
    checkpoint: .npz that a killed run goes on from, bit for bit; history_csv: written as it goes, one row per
    checkpoint, losses beside those of an all-zero output, and the share of held-out voxels rebuilt; policy: Keras
    dtype policy while training; xla: compile the steps with XLA; identity: fingerprint of the data, checkpoints of
    another are not used; stop_after: stop at this step as a killed run would (tests). The loss is that of Long et
    al., Eq. 3, divided by its all-zero value on training voxels so that ``l2`` means the same for every grid and
    sigma. settings ``latent_noise`` (optional, 0): standard deviation of normal noise on the latents in training;
    the decoder then forgives a generator its small errors. The weights returned are those of the checkpoint that
    rebuilt most held-out voxels, of several the one with the smallest loss; settings ``patience`` (optional, 0):
    stop after so many checkpoints that were none better, 0 for never.
    """
    if source.size == 0:
        raise InputError(f"{label}: there is nothing to train on; is the database empty?")
    shape = (int(settings["grid"]), int(settings["filters"]), int(settings["latent"]), settings["activation"])
    steps, batch, l2 = int(settings["steps"]), int(settings["batch"]), float(settings["l2"])
    strategy = replicas(batch)
    with strategy.scope():
        autoencoder = build_autoencoder(*shape, policy, seed)
        weights = autoencoder.model.trainable_variables
        optimizer = adam(settings, weights, policy)
    loss_of = reconstruction_loss(settings["loss"])
    latent_noise = float(settings.get("latent_noise", 0.0))

    sample = _spread(source.size, 64)
    training_zero = float(all_zero_loss(settings["loss"], source.fixed(sample)))
    held_out_parts = np.array_split(_spread(held_out.size, 128), 8) if held_out and held_out.size >= 8 else []

    def train_step(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        voxels = source.draw(seed, step, batch)
        noise = own_share(tf.random.stateless_normal([batch, autoencoder.latent], [seed, -1 - step]))
        with tf.GradientTape() as tape:
            latents = autoencoder.encoder(voxels, training=True) + latent_noise * noise
            loss = loss_of(voxels, autoencoder.decoder(latents, training=True))
            objective = loss / training_zero
            if l2 > 0:
                objective += l2 * tf.add_n([tf.reduce_sum(weight**2) for weight in weights])
            objective = optimizer.scale_loss(objective)
        descend(optimizer, tape.gradient(objective, weights), weights)
        return loss, all_zero_loss(settings["loss"], voxels)

    @tf.function
    def train(first: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return mean_over(strategy, train_step, first, end, (tf.constant(0.0), tf.constant(0.0)), xla)

    run = tf.function(lambda voxels: autoencoder.model(voxels, training=False))
    kept = [tf.Variable(weight.numpy()) for weight in autoencoder.model.weights]
    best = tf.Variable([-1.0, 0.0, 0.0])  # share rebuilt and loss of the weights kept; checkpoints since

    def judge() -> tuple[float | str, float | str, float | str]:
        """Return loss, all-zero loss and share rebuilt of held-out voxels; keep the weights if they are the best."""
        losses, zeros, rebuilt = [], [], []
        for part in held_out_parts:
            voxels = held_out.fixed(part)
            output = run(voxels)
            losses.append(float(loss_of(voxels, output)))
            zeros.append(float(all_zero_loss(settings["loss"], voxels)))
            rebuilt.append(held_out.rebuilt(voxels[..., 0].numpy(), output[..., 0].numpy()))
        if not losses:
            return "", "", ""
        loss, share = float(np.mean(losses)), float(np.mean(np.concatenate(rebuilt)))
        most, least, since = best.numpy()
        if np.float32(share) > most or (np.float32(share) == most and loss < least):
            best.assign([share, loss, 0.0])
            for copy, variable in zip(kept, autoencoder.model.weights, strict=True):
                copy.assign(variable)
        else:
            best.assign([most, least, since + 1])
        return loss, float(np.mean(zeros)), share

    patience = int(settings.get("patience", 0))
    identity = training_identity(settings, seed, policy, identity, source.size, xla=xla)
    sums = tf.Variable(np.zeros(3))  # steps since the last row of the history, their losses, the all-zero ones
    variables = [*autoencoder.model.variables, *optimizer.variables, sums, *kept, best]
    files = {"checkpoint": checkpoint, "history": history_csv, "stop_after": stop_after}
    interval = steps_per_call * calls_per_checkpoint
    for stretch in stretches(
        label, steps, variables, identity, HISTORY_COLUMNS, every=steps_per_call, interval=interval, **files
    ):
        if patience and best.numpy()[2] >= patience:
            break
        count = stretch.end - stretch.first
        loss, zero = (float(value) for value in train(tf.constant(stretch.first), tf.constant(stretch.end)))
        stretch.check([loss], label, "its learning_rate")
        stretch.note = f"loss {loss:.3g} (all-zero {zero:.3g})"
        sums.assign_add([count, count * loss, count * zero])
        if stretch.full:
            mean = (sums[1:] / sums[0]).numpy()
            stretch.row = [float(mean[0]), float(mean[1]), *judge()]
            sums.assign(np.zeros(3))
    plain = build_autoencoder(*shape, "float32", seed)
    chosen = kept if best.numpy()[0] >= 0 else autoencoder.model.weights
    plain.model.set_weights([variable.numpy() for variable in chosen])
    return plain


def _spread(size: int, most: int) -> np.ndarray:
    """Return at most ``most`` indices spread evenly over ``size``."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).astype(int))
