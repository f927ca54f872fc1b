"""Training of a scheme's generator: one loop for all families.

What a family is, its networks and its step, is a :class:`Training` (``gan``, ``flow``, ``vae``); the loop around it
is the same for all: many steps in one call of one compiled function, history, checkpoint, probe, and the generator
kept where the probe found most different crystals. Every random number is a function of (seed, step) or of state
that the checkpoint holds, so a training that was killed and resumed ends in the same bits as one that was not.
"""

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.models.generators.base import Training
from ccdcgan.models.generators.flow import FlowTraining
from ccdcgan.models.generators.gan import GanTraining
from ccdcgan.models.generators.probe import QUANTITIES, Probe
from ccdcgan.models.generators.vae import VaeTraining
from ccdcgan.schemes import SCHEMES, trained
from ccdcgan.training.checkpoints import precision_policy, set_determinism, training_identity
from ccdcgan.training.devices import replicas
from ccdcgan.training.loop import stretches
from ccdcgan.utils.errors import InputError

log = logging.getLogger(__name__)

FREE_KEYS = (
    *("checkpoint_steps", "keep", "euler_steps"),
    *("guidance", "optimisation_steps", "optimisation_length", "trust"),
)
"""Keys that do not shape the training up to a given step; nor does ``steps``, unless a schedule spans all steps."""
SATURATED = 0.99
"""Accuracy of a discriminator above which the generator learns next to nothing from it."""


FAMILIES: Mapping[str, type[Training]] = {"gan": GanTraining, "flow": FlowTraining, "vae": VaeTraining}


def train_generator(
    graphs: np.ndarray,
    config: Mapping[str, Any],
    scheme: str,
    seed: int,
    *,
    checkpoint: str | Path,
    history: str | Path,
    constraint: keras.Model | None = None,
    probe: Probe | None = None,
    precision: str = "float32",
    xla: bool = False,
    stop_after: int | None = None,
) -> keras.Model:
    """Train one scheme; return its generator, noise (batch, noise) to crystal graphs (batch, side, side, 1).

    graphs: (n, side, side, 1), float32, in [-1, 1], side a multiple of 4; several may be equivalent graphs
    of one crystal. config: the section of the scheme's family together with ``generators``; constraint: crystal
    graphs to formation energies, eV/atom, for a scheme that is trained with one; it runs in inference mode and is
    never changed. probe: asked every ``probe_every`` steps and at the end; with ``keep: best`` the generator
    returned is that of the probe with most different crystals, the later one if two are equal. checkpoint: .npz,
    written every ``checkpoint_steps`` steps and taken up by the next call. history: CSV of step, the family's
    quantities and the probe's, one row per ``sample_every`` steps, means over these steps; a quantity is empty
    where it was not measured. precision: the config's, see ``training.precision_policy``; xla: compile the
    steps with XLA. stop_after: stop at this step as a killed run would (tests).

    The returned generator computes in float32 whatever the precision of the training.
    Raises InputError if a key or the graphs are not as described, or if the training diverges.
    """
    _check(graphs, config, scheme, constraint)
    policy = precision_policy(precision)
    set_determinism(seed)
    family = SCHEMES[scheme].family
    constraint = constraint if SCHEMES[scheme].constrained else None
    free = FREE_KEYS if config.get("schedule") == "cosine" else (*FREE_KEYS, "steps")
    shaping = {key: value for key, value in config.items() if key not in free}
    parts = [graphs, *(constraint.get_weights() if constraint is not None else [])]
    identity = training_identity(shaping, scheme, seed, policy, graphs.shape, _digest(parts), xla=xla)
    steps, every, probing = int(config["steps"]), int(config["sample_every"]), int(config["probe_every"])

    with replicas(int(config["batch"])).scope():
        training = FAMILIES[family](graphs, config, seed, constraint, policy)
    training.xla = xla
    best, generator = _Best(training), training.generator()
    remedy = f"{family}.learning_rate{' or gan.constraint_weight' if constraint is not None else ''}"
    columns = ("step", *training.quantities, *QUANTITIES)
    files = {"checkpoint": checkpoint, "history": history, "stop_after": stop_after}
    variables, interval = [*training.variables, *best.variables], int(config["checkpoint_steps"])
    for stretch in stretches(scheme, steps, variables, identity, columns, every=every, interval=interval, **files):
        end = stretch.end
        means = training.run(tf.constant(stretch.first), tf.constant(end)).numpy().astype(float)
        stretch.check(means, scheme, remedy)
        named = dict(zip(training.quantities, means, strict=True))
        found: Sequence[float | str] = [""] * len(QUANTITIES)
        if probe is not None and probing and (end // probing > stretch.first // probing or end == steps):
            training.load(generator, [variable.numpy() for variable in training.weights])
            found = probe(generator)
            best.offer(found[-1], end)
            _say(scheme, end, found, named)
        measured = ["" if name == "constraint_term" and constraint is None else named[name] for name in named]
        stretch.row = [*measured, *found]
        noted = [f"{name} {value:.2f}" for name, value in named.items() if name.endswith(("accuracy", "loss"))]
        stretch.note = ", ".join(noted)
    keep_best = config["keep"] == "best" and best.step > 0
    if keep_best and best.step < steps:
        log.info("%s: the generator of step %d of %d is kept, the best by the probe", scheme, best.step, steps)
    values = best.values if keep_best else [variable.numpy() for variable in training.weights]
    training.load(generator, values)
    return generator


class _Best:
    """The generator's weights at the probe that found most; part of the checkpoint as ``variables``."""

    def __init__(self, training: Training) -> None:
        self._weights = training.weights
        self._kept = [tf.Variable(variable) for variable in self._weights]
        self._score, self._step = tf.Variable(-1.0), tf.Variable(0)
        self.variables = [self._score, self._step, *self._kept]

    @property
    def step(self) -> int:
        """The step of the best probe, 0 if there was none."""
        return int(self._step.numpy())

    @property
    def values(self) -> list[np.ndarray]:
        """The generator's weights at that step."""
        return [variable.numpy() for variable in self._kept]

    def offer(self, score: float, step: int) -> None:
        """Keep the generator's present weights if none had a higher score."""
        if score >= float(self._score.numpy()):
            self._score.assign(float(score))
            self._step.assign(step)
            for kept, variable in zip(self._kept, self._weights, strict=True):
                kept.assign(variable.numpy())


def _say(scheme: str, step: int, found: Sequence[float], losses: Mapping[str, float]) -> None:
    """Log what a probe found, and warn of what it means."""
    success, formulas, different = found
    log.info(
        "%s, probe at step %d: %.0f %% candidates, %d compositions, %d different",
        *(scheme, step, 100 * success, formulas, different),
    )
    if success >= 0.1 and formulas == 1:
        log.warning("%s makes one composition only at step %d: its generator has collapsed", scheme, step)
    if losses.get("d_accuracy", 0.0) > SATURATED:
        log.warning(
            "%s: the discriminator tells %.1f %% right at step %d, the generator learns little from it",
            *(scheme, 100 * losses["d_accuracy"], step),
        )


def _digest(arrays: list[np.ndarray]) -> str:
    """Return a hash of the arrays' bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check(graphs: np.ndarray, config: Mapping[str, Any], scheme: str, constraint: keras.Model | None) -> None:
    """Raise InputError unless these describe a training."""
    if scheme not in trained(SCHEMES):
        raise InputError(f"schemes names '{scheme}'; those trained are {', '.join(trained(SCHEMES))}.")
    family = SCHEMES[scheme].family
    if not 0 <= float(config["ema"]) < 1:
        raise InputError(f"{family}.ema is {config['ema']}; it must be at least 0 and below 1.")
    if graphs.ndim != 4 or graphs.shape[1] != graphs.shape[2] or graphs.shape[3] != 1 or not len(graphs):
        raise InputError(f"crystal graphs have shape {graphs.shape}; (n, side, side, 1) with n > 0 is needed.")
    if not np.all(np.isfinite(graphs)) or np.abs(graphs).max() > 1 + 1e-6:
        raise InputError("crystal graphs hold values outside [-1, 1]; make them again from the autoencoders.")
    if SCHEMES[scheme].constrained and constraint is None:
        raise InputError(f"scheme {scheme} needs a constraint; train it first.")
    if SCHEMES[scheme].constrained and constraint.input_shape[1:] != graphs.shape[1:]:
        raise InputError(
            f"the constraint takes crystal graphs of shape {constraint.input_shape[1:]}, these have "
            f"{graphs.shape[1:]}; train it on the same crystal graphs."
        )
    for key in ("steps", "batch", "checkpoint_steps", "sample_every"):
        if not math.isfinite(config[key]) or int(config[key]) < 1:
            raise InputError(f"{family}.{key} is {config[key]}; a whole number of at least 1 is needed.")
