"""The training loop of the generative adversarial networks over crystal graphs, one for both schemes.

Scheme ``dcgan`` trains the generator against the discriminator alone. Scheme ``ccdcgan`` adds to the
generator's loss ``constraint_weight`` times a term of the formation energies (eV/atom) that a frozen
constraint predicts for the generated crystal graphs: their mean (Long et al., Eq. 5), or the mean of their
exponential (the authors' code).
Each step updates the discriminator on real crystal graphs, then on generated ones, then the generator, by
binary cross-entropy. Many steps are one call of one compiled function; the data stay on the device.

Every random number is a function of (seed, step) or of a dropout state that the checkpoint holds, so a
training that was killed and resumed ends in the same bits as one that was not.
"""

import hashlib
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.errors import InputError
from ccdcgan.files import fingerprint
from ccdcgan.gan_networks import build_discriminator, build_generator, in_precision
from ccdcgan.history import History
from ccdcgan.interruption import asked
from ccdcgan.progress import Progress
from ccdcgan.seeds import derive_seed
from ccdcgan.training import load_checkpoint, precision_policy, save_checkpoint, set_determinism

log = logging.getLogger(__name__)

SCHEMES = ("dcgan", "ccdcgan")
TERMS = ("mean", "exp")
HISTORY_COLUMNS = ("step", "d_loss_real", "d_loss_fake", "d_accuracy", "g_loss", "constraint_term")
FREE_KEYS = ("schemes", "steps", "checkpoint_steps")
"""Keys of the config's ``gan`` section that do not shape the training up to a given step."""


def train_gan(
    graphs: np.ndarray,
    config: Mapping[str, Any],
    scheme: str,
    seed: int,
    *,
    checkpoint: str | Path,
    history: str | Path,
    constraint: keras.Model | None = None,
    precision: str = "float32",
    stop_after: int | None = None,
) -> keras.Model:
    """Train one scheme; return its generator, noise (batch, noise) to crystal graphs (batch, side, side, 1).

    graphs: (n, side, side, 1), float32, in [-1, 1], side a multiple of 4; several may be equivalent graphs
    of one crystal. config: the ``gan`` section, of which ``dcgan`` needs no ``constraint_`` key; ``ema`` >
    0 (default 0) returns the moving average of the generator's weights with this memory per step.
    constraint: crystal graphs to formation energies, eV/atom, needed by ``ccdcgan``; it runs in inference
    mode and is never changed. checkpoint: .npz, written every ``checkpoint_steps`` steps and taken up by
    the next call. history: CSV of HISTORY_COLUMNS, one row per ``sample_every`` steps, means over these
    steps; d_accuracy is the share of graphs told apart rightly, constraint_term is empty without a
    constraint. precision: the config's, see ``training.precision_policy``. stop_after: stop at this step as
    a killed run would (tests).

    The returned generator computes in float32 whatever the precision of the training.
    Raises InputError if a key or the graphs are not as described, or if the training diverges.
    """
    _check(graphs, config, scheme, constraint)
    policy = precision_policy(precision)
    set_determinism(seed)
    shaping = {key: value for key, value in config.items() if key not in FREE_KEYS}
    if scheme == "dcgan":
        constraint = None
        shaping = {key: value for key, value in shaping.items() if not key.startswith("constraint_")}
    parts = [graphs, *(constraint.get_weights() if constraint is not None else [])]
    identity = fingerprint([shaping, scheme, seed, policy, graphs.shape, _digest(parts)])
    steps, every = int(config["steps"]), int(config["sample_every"])

    training = _Training(graphs, config, seed, constraint, policy)
    done = load_checkpoint(checkpoint, training.variables, identity)
    if done > steps:
        log.warning("checkpoint %s is past gan.steps (%d > %d): training starts anew", checkpoint, done, steps)
        training, done = _Training(graphs, config, seed, constraint, policy), 0
    curve = History(history, HISTORY_COLUMNS, done)
    progress = Progress(steps, scheme, done, unit="steps")
    saved, interval = done, int(config["checkpoint_steps"])
    while done < steps and (stop_after is None or done < stop_after):
        end = min(every * (done // every + 1), steps)
        means = training.run(tf.constant(done), tf.constant(end)).numpy().astype(float)
        done = end
        losses = [*means[:4], means[4] if constraint is not None else ""]
        curve.append([done, *losses])
        if not np.all(np.isfinite(means)):
            raise InputError(
                f"{scheme} diverged before step {done} (losses {means.tolist()}); lower gan.learning_rate"
                f"{' or gan.constraint_weight' if constraint is not None else ''} and run again."
            )
        if done // interval > saved // interval or done == steps or asked():
            save_checkpoint(checkpoint, done, training.variables, identity)
            saved = done
        progress.advance(done - progress.done, f"d_accuracy {means[2]:.2f}, g_loss {means[3]:.2f}")
    return training.inference_generator()


def constraint_term(energies: tf.Tensor, kind: str) -> tf.Tensor:
    """Return the scalar that is weighted and added to the generator's loss.

    energies: predicted formation energies (batch, 1), eV/atom; kind: ``mean`` (Long et al., Eq. 5) or
    ``exp``, the mean of their exponential (authors' code), which pulls least on the lowest graphs.
    """
    return tf.reduce_mean(tf.exp(energies) if kind == "exp" else energies)


class _Training:
    """The networks, their optimizers and the compiled steps. ``variables``: all state, for the checkpoint."""

    def __init__(
        self,
        graphs: np.ndarray,
        config: Mapping[str, Any],
        seed: int,
        constraint: keras.Model | None,
        policy: str,
    ) -> None:
        self.side, self.batch, self.noise = graphs.shape[1], int(config["batch"]), int(config["noise"])
        self.ema = float(config.get("ema", 0.0))
        self.seeds = {name: derive_seed(seed, "gan", name) for name in ("weights", "batches", "noise")}
        self.graphs = tf.constant(graphs, tf.float32)
        generator = build_generator(self.side, self.noise, self.seeds["weights"], folded=True)
        self.generator = in_precision(generator, policy)
        self.discriminator = in_precision(build_discriminator(self.side, self.seeds["weights"]), policy)
        self.constraint = None
        if constraint is not None:
            self.weight, self.term = float(config["constraint_weight"]), config["constraint_term"]
            self.constraint = in_precision(constraint, policy)
            self.constraint.trainable = False
        self.generator_optimizer = _adam(config, policy, self.generator)
        self.discriminator_optimizer = _adam(config, policy, self.discriminator)
        self.averages = [tf.Variable(value) for value in self.generator.variables] if self.ema > 0 else []
        self.variables = [
            *self.generator.variables,
            *self.discriminator.variables,
            *self.generator_optimizer.variables,
            *self.discriminator_optimizer.variables,
            *self.averages,
        ]

    @tf.function
    def run(self, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """Do the steps ``first`` to ``end`` - 1; return the means of what :meth:`step` returns."""
        total = tf.zeros(5)
        for step in tf.range(first, end):
            total += self.step(step)
        return total / tf.cast(end - first, tf.float32)

    def step(self, step: tf.Tensor) -> tf.Tensor:
        """Do one step; return d_loss_real, d_loss_fake, d_accuracy, g_loss the constraint's term, (5,)."""
        generator, discriminator = self.generator, self.discriminator
        chosen = tf.random.stateless_uniform(
            [self.batch], [self.seeds["batches"], step], 0, self.graphs.shape[0], tf.int32
        )
        noise = tf.random.stateless_normal([self.batch, self.noise], [self.seeds["noise"], step])
        with tf.GradientTape() as generator_tape:
            generated = generator(noise, training=True)

        logits_real = self._update_discriminator(tf.gather(self.graphs, chosen), True)
        logits_generated = self._update_discriminator(tf.stop_gradient(generated), False)

        with tf.GradientTape(watch_accessed_variables=False) as tape:  # towards the graphs, not D's weights
            tape.watch(generated)
            g_loss = _cross_entropy(discriminator(generated, training=True), True)
            loss, term = g_loss, tf.constant(0.0)
            if self.constraint is not None:
                term = constraint_term(self.constraint(generated, training=False), self.term)
                loss += self.weight * term
            loss = self.generator_optimizer.scale_loss(loss)
        weights = generator.trainable_variables
        gradients = generator_tape.gradient(generated, weights, tape.gradient(loss, generated))
        self.generator_optimizer.apply(gradients, weights)
        self._average(step)

        accuracy = tf.concat([logits_real > 0, logits_generated <= 0], 0)
        return tf.stack(
            [
                _cross_entropy(logits_real, True),
                _cross_entropy(logits_generated, False),
                tf.reduce_mean(tf.cast(accuracy, tf.float32)),
                g_loss,
                term,
            ]
        )

    def _update_discriminator(self, graphs: tf.Tensor, real: bool) -> tf.Tensor:
        """Update the discriminator on one batch; return its logits (batch, 1) from before the update."""
        weights = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.discriminator(graphs, training=True)
            loss = self.discriminator_optimizer.scale_loss(_cross_entropy(logits, real))
        self.discriminator_optimizer.apply(tape.gradient(loss, weights), weights)
        return logits

    def _average(self, step: tf.Tensor) -> None:
        """Move the averages towards the generator's variables, faster in the first steps."""
        done = tf.cast(step, tf.float32)
        rate = 1 - tf.minimum(self.ema, (1 + done) / (10 + done))
        for average, variable in zip(self.averages, self.generator.variables, strict=bool(self.averages)):
            average.assign_add(rate * (variable.value - average))

    def inference_generator(self) -> keras.Model:
        """Return the generator of float32 standard layers, with averaged weights if there are any."""
        plain = build_generator(self.side, self.noise, self.seeds["weights"])
        plain.set_weights([value.numpy() for value in self.averages] or self.generator.get_weights())
        return plain


def _adam(config: Mapping[str, Any], policy: str, model: keras.Model) -> keras.optimizers.Optimizer:
    """Return a built Adam for the model; float16 gradients would vanish, so there the loss is scaled."""
    optimizer = keras.optimizers.Adam(
        float(config["learning_rate"]), beta_1=float(config["beta_1"]), beta_2=float(config["beta_2"])
    )
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


def _cross_entropy(logits: tf.Tensor, real: bool) -> tf.Tensor:
    """Return the mean binary cross-entropy of logits (batch, 1) against one label, real or generated."""
    return tf.reduce_mean(tf.nn.softplus(-logits if real else logits))


def _digest(arrays: list[np.ndarray]) -> str:
    """Return a hash of the arrays' bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check(graphs: np.ndarray, config: Mapping[str, Any], scheme: str, constraint: keras.Model | None) -> None:
    """Raise InputError unless these describe a training."""
    if scheme not in SCHEMES:
        raise InputError(f"gan.schemes names '{scheme}'; allowed are {', '.join(SCHEMES)}.")
    if not 0 <= float(config.get("ema", 0.0)) < 1:
        raise InputError(f"gan.ema is {config['ema']}; it must be at least 0 and below 1.")
    if graphs.ndim != 4 or graphs.shape[1] != graphs.shape[2] or graphs.shape[3] != 1 or not len(graphs):
        raise InputError(f"crystal graphs have shape {graphs.shape}; (n, side, side, 1) with n > 0 is needed.")
    if not np.all(np.isfinite(graphs)) or np.abs(graphs).max() > 1 + 1e-6:
        raise InputError("crystal graphs hold values outside [-1, 1]; make them again from the autoencoders.")
    if scheme == "ccdcgan" and config["constraint_term"] not in TERMS:
        raise InputError(f"gan.constraint_term is '{config['constraint_term']}'; allowed are {', '.join(TERMS)}.")
    if scheme == "ccdcgan" and constraint is None:
        raise InputError("scheme ccdcgan needs a constraint; train it first.")
    if scheme == "ccdcgan" and constraint.input_shape[1:] != graphs.shape[1:]:
        raise InputError(
            f"the constraint takes crystal graphs of shape {constraint.input_shape[1:]}, these have "
            f"{graphs.shape[1:]}; train it on the same crystal graphs."
        )
    for key in ("steps", "batch", "noise", "checkpoint_steps", "sample_every"):
        if not math.isfinite(config[key]) or int(config[key]) < 1:
            raise InputError(f"gan.{key} is {config[key]}; a whole number of at least 1 is needed.")
