"""The constraint (network S5): formation energy per atom, eV/atom, from the crystal graph.

It is trained on the relaxed structures' crystal graphs by mean squared error (Long et al., section on the
constraint) for the configured number of steps; the held-out part is never trained on and decides nothing.
Its error stands beside that of a guess, the training mean: a data set with little spread makes any error look
small.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from ccdcgan.models.constraint.gaussian_process_layer import GaussianProcess
from ccdcgan.models.convolutional_networks import build_constraint, in_precision
from ccdcgan.models.dense_networks import ToRows
from ccdcgan.training.checkpoints import precision_policy, set_determinism, training_identity
from ccdcgan.training.devices import descend, mean_over, own_share, replicas
from ccdcgan.training.loop import stretches
from ccdcgan.training.optimizers import adam
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.seeds import derive_seed

log = logging.getLogger(__name__)

HISTORY_COLUMNS = ("step", "loss", "held_out_mae")
PARITY_COLUMNS = ("id", "split", "formation_energy", "predicted")
CUSTOM_LAYERS = {layer.__name__: layer for layer in (ToRows, GaussianProcess)}
"""What a constraint may consist of besides Keras's own layers."""
STEPS_PER_ROW = 100
STEPS_PER_CHECKPOINT = 500


def train_constraint(
    graphs: np.ndarray,
    energies: np.ndarray,
    held_out: np.ndarray,
    config: Mapping[str, Any],
    seed: int,
    *,
    checkpoint: str | Path,
    history: str | Path,
    precision: str = "float32",
    xla: bool = False,
    stop_after: int | None = None,
    quantity: str = "",
) -> keras.Model:
    """Train the constraint and return it: crystal graphs (batch, side, side, 1) to eV/atom (batch, 1).

    graphs: (n, side, side, 1), float32; energies: formation energies (n,), eV/atom; held_out: (n,) of bool,
    crystals left out of the training; config: the ``constraint`` section (``schedule`` constant or cosine,
    default constant); checkpoint: .npz that a killed run goes on from, bit for bit; history: CSV of
    HISTORY_COLUMNS every 100 steps, loss in (eV/atom)^2 with dropout, held_out_mae in eV/atom without;
    xla: compile the steps with XLA; stop_after: stop at this step as a killed run would (tests); quantity: another
    property than the formation energy, whose unit then stands in place of eV/atom.

    With ``output: linear`` the mean and standard deviation of the training energies are part of the model.
    Raises InputError if the data do not fit together or the training diverges.
    """
    energies, held_out = np.asarray(energies, dtype=np.float32), np.asarray(held_out, dtype=bool)
    check_data(graphs, energies, held_out)
    policy = precision_policy(precision)
    set_determinism(seed)
    train = ~held_out
    mean, std = float(energies[train].mean()), max(float(energies[train].std()), 1e-3)
    side, output = graphs.shape[1], config["output"]
    plain = build_constraint(side, derive_seed(seed, "constraint", "weights"), output, mean, std)
    settings = {"schedule": "constant", **config}
    steps, batch = int(config["steps"]), int(config["batch"])
    strategy = replicas(batch)
    with strategy.scope():
        model = in_precision(plain, policy)
        weights = model.trainable_variables
        optimizer = adam(settings, weights, policy)
    inputs, targets = tf.constant(graphs[train], tf.float32), tf.constant(energies[train])
    batches_seed = derive_seed(seed, "constraint", "batches")
    unit = std if output == "linear" else 1.0  # the loss is that of normalised energies

    def train_step(step: tf.Tensor) -> tf.Tensor:
        chosen = tf.random.stateless_uniform([batch], [batches_seed, step], 0, inputs.shape[0], tf.int32)
        chosen = own_share(chosen)
        true = tf.gather(targets, chosen)
        with tf.GradientTape() as tape:
            predicted = model(tf.gather(inputs, chosen), training=True)[:, 0]
            loss = tf.reduce_mean(((predicted - true) / unit) ** 2)
            scaled = optimizer.scale_loss(loss)
        descend(optimizer, tape.gradient(scaled, weights), weights)
        return loss

    @tf.function
    def run(first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        return mean_over(strategy, train_step, first, end, tf.constant(0.0), xla) * unit**2

    digest = hashlib.sha256(b"".join(part.tobytes() for part in (graphs, energies, held_out))).hexdigest()
    identity = training_identity(settings, seed, policy, graphs.shape, digest, xla=xla)
    follow(
        run,
        [*model.variables, *optimizer.variables],
        steps,
        identity,
        lambda full: mean_error(model, graphs[held_out], energies[held_out]),
        lambda loss: f"root mean square error {loss**0.5:.3g}{'' if quantity else ' eV/atom'}",
        "constraint.learning_rate",
        checkpoint=checkpoint,
        history=history,
        stop_after=stop_after,
    )
    plain.set_weights(model.get_weights())
    return plain


def follow(
    run: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    variables: Sequence[Any],
    steps: int,
    identity: str,
    judge: Callable[[bool], float | str],
    remark: Callable[[float], str],
    rate: str,
    *,
    checkpoint: str | Path,
    history: str | Path,
    stop_after: int | None = None,
) -> None:
    """Do the steps of a constraint's training that are left, with its checkpoints, learning curve and progress.

    run: does the steps from one number to another and returns their mean loss; judge: the error on held-out crystals,
    "" for none, told whether a checkpoint is due; remark: what the progress says of a loss; rate: the key to lower
    where it diverges; variables, identity, checkpoint: see ``training.save_checkpoint``; history: CSV of
    HISTORY_COLUMNS.
    """
    files = {"checkpoint": checkpoint, "history": history, "stop_after": stop_after}
    every, interval = STEPS_PER_ROW, STEPS_PER_CHECKPOINT
    for stretch in stretches(
        "constraint", steps, variables, identity, HISTORY_COLUMNS, every=every, interval=interval, **files
    ):
        loss = float(run(tf.constant(stretch.first), tf.constant(stretch.end)))
        stretch.check([loss], "the constraint", rate)
        stretch.row, stretch.note = [loss, judge(stretch.full)], remark(loss)


def load_constraint(path: str | Path) -> keras.Model:
    """Read a constraint of either kind, or an objective made of several."""
    return keras.models.load_model(path, compile=False, custom_objects=CUSTOM_LAYERS)


def predict(model: keras.Model, graphs: np.ndarray, batch: int = 256) -> np.ndarray:
    """Return predicted formation energies (n,), eV/atom, of crystal graphs (n, side, side, 1).

    The last batch is padded: one shape is compiled, and a graph's energy does not depend on how many follow.
    """
    energies = []
    for start in range(0, len(graphs), batch):
        part = graphs[start : start + batch]
        padded = np.pad(part, [(0, batch - len(part)), (0, 0), (0, 0), (0, 0)])
        energies.append(np.asarray(model.predict_on_batch(padded), dtype=float)[: len(part), 0])
    return np.concatenate(energies) if energies else np.empty(0)


def mean_error(model: keras.Model, graphs: np.ndarray, energies: np.ndarray) -> float | str:
    """Return the mean absolute error of the predictions, "" for no crystals."""
    return float(np.abs(predict(model, graphs) - energies).mean()) if len(graphs) else ""


def parity(
    model: keras.Model, ids: Sequence[str], graphs: np.ndarray, energies: np.ndarray, held_out: np.ndarray
) -> pd.DataFrame:
    """Return one row per crystal: id, split (train or held_out), formation_energy and predicted, eV/atom."""
    return pd.DataFrame(
        {
            "id": np.asarray(ids, dtype=str),
            "split": np.where(np.asarray(held_out, dtype=bool), "held_out", "train"),
            "formation_energy": np.asarray(energies, dtype=float),
            "predicted": predict(model, graphs),
        },
        columns=PARITY_COLUMNS,
    )


def check_data(graphs: np.ndarray, energies: np.ndarray, held_out: np.ndarray) -> None:
    """Raise InputError unless these are the data of one training."""
    if not len(graphs) == len(energies) == len(held_out):
        raise InputError(
            f"there are {len(graphs)} crystal graphs, {len(energies)} formation energies and {len(held_out)} "
            "marks of the held-out part; one of each per crystal is needed."
        )
    if np.count_nonzero(~held_out) < 2:
        raise InputError(
            f"the constraint has {np.count_nonzero(~held_out)} crystals to train on; at least 2 are needed: "
            "take a larger database or lower constraint.held_out."
        )
    if not np.all(np.isfinite(energies)) or not np.all(np.isfinite(graphs)):
        raise InputError("a formation energy or a crystal graph is not a number; leave failed crystals out.")
