"""Training of a scheme's generator: one loop for all families.

The networks and steps of a family are a :class:`GeneratorTraining` (``gan``, ``flow``, ``vae``). The loop around them
is the same for all: blocks of steps in one compiled function, learning curve, checkpoint, probe, and the choice of the
generator for which the probe found most different crystals. Every random number is a function of (seed, step) or of
state in the checkpoint, so a resumed training ends with the same bits as an uninterrupted one.
"""

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.models.generators.base import GeneratorTraining
from ccdcgan.models.generators.flow import FlowTraining
from ccdcgan.models.generators.gan import GanTraining
from ccdcgan.models.generators.probe import QUANTITIES, Probe
from ccdcgan.models.generators.vae import VaeTraining
from ccdcgan.schemes import SCHEMES, trained
from ccdcgan.training.devices import precision_policy, replicas, set_determinism
from ccdcgan.training.loop import TrainingRun
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.hashing import fingerprint

log = logging.getLogger(__name__)

FREE_KEYS = ("checkpoint_steps", "keep", "euler_steps", "optimisation_steps", "optimisation_length", "trust")
"""Keys that do not affect the training up to a given step; ``steps`` is another one, unless a schedule spans all
steps."""
SATURATED = 0.99
"""Accuracy of a discriminator above which the generator receives almost no gradient."""

FAMILIES: Mapping[str, type[GeneratorTraining]] = {"gan": GanTraining, "flow": FlowTraining, "vae": VaeTraining}


def train_generator(
    graphs: np.ndarray,
    config: Mapping[str, Any],
    scheme: str,
    run: TrainingRun,
    seed: int,
    constraint: keras.Model | None = None,
    probe: Probe | None = None,
) -> keras.Model:
    """Train one scheme and return its generator: noise (batch, noise) to crystal graphs (batch, side, side, 1).

    The generator computes in float32 whatever the precision of the training.

    Args:
        graphs: Crystal graphs, (n, side, side, 1), float32, in [-1, 1], side a multiple of 4. Several may belong to
            equivalent orientations of one crystal.
        config: Section of the scheme's family together with ``generators``. With ``keep: best`` the generator returned
            is that of the probe with most different crystals, the later one of equals.
        scheme: Name of the scheme.
        run: Checkpoint (every ``checkpoint_steps`` steps), precision, and learning curve with step, the quantities of
            the family and of the probe: one row per ``sample_every`` steps, means over these steps, empty where nothing
            was measured.
        seed: Seed of weights and batches.
        constraint: Crystal graphs to formation energies, eV/atom, for a constrained scheme. It runs in inference mode
            and is not changed.
        probe: Called every ``probe_every`` steps and at the end.

    Raises:
        InputError: A key or the crystal graphs are not as described, or the training diverges.
    """
    _check(graphs, config, scheme, constraint)
    policy = precision_policy(run.precision)
    set_determinism(seed)
    family = SCHEMES[scheme].family
    constraint = constraint if SCHEMES[scheme].constrained else None
    free = FREE_KEYS if config.get("schedule") == "cosine" else (*FREE_KEYS, "steps")
    shaping = {key: value for key, value in config.items() if key not in free}
    parts = [graphs, *(constraint.get_weights() if constraint is not None else [])]
    identity = fingerprint([shaping, scheme, seed, policy, graphs.shape, _digest(parts)])
    steps, every, probing = int(config["steps"]), int(config["sample_every"]), int(config["probe_every"])

    with replicas(int(config["batch"])).scope():
        training = FAMILIES[family](graphs, config, seed, constraint, policy)
    best, generator = _BestGenerator(training), training.generator()
    keys = f"{family}.learning_rate{' or gan.constraint_weight' if constraint is not None else ''}"
    columns = ("step", *training.quantities, *QUANTITIES)
    variables, interval = [*training.variables, *best.variables], int(config["checkpoint_steps"])
    for block in run.blocks(steps, variables, identity, columns, every=every, interval=interval):
        end = block.end
        means = training.run(tf.constant(block.first), tf.constant(end)).numpy().astype(float)
        block.check(means, keys)
        named = dict(zip(training.quantities, means, strict=True))
        measured: Sequence[float | str] = [""] * len(QUANTITIES)
        if probe is not None and probing and (end // probing > block.first // probing or end == steps):
            training.load(generator, [variable.numpy() for variable in training.weights])
            measured = probe(generator)
            best.offer(measured[-1], end)
            _log_probe(scheme, end, measured, named)
        means_or_empty = ["" if name == "constraint_term" and constraint is None else named[name] for name in named]
        block.row = [*means_or_empty, *measured]
        noted = [f"{name} {value:.2f}" for name, value in named.items() if name.endswith(("accuracy", "loss"))]
        block.note = ", ".join(noted)
    keep_best = config["keep"] == "best" and best.step > 0
    if keep_best and best.step < steps:
        log.info("%s: using the generator of step %d of %d, the best one by the probe", scheme, best.step, steps)
    values = best.values if keep_best else [variable.numpy() for variable in training.weights]
    training.load(generator, values)
    return generator


class _BestGenerator:
    """The generator's weights at the best probe; its ``variables`` are part of the checkpoint."""

    def __init__(self, training: GeneratorTraining) -> None:
        self._weights = training.weights
        self._stored = [tf.Variable(variable) for variable in self._weights]
        self._score, self._step = tf.Variable(-1.0), tf.Variable(0)
        self.variables = [self._score, self._step, *self._stored]

    @property
    def step(self) -> int:
        """Step of the best probe, 0 if there was none."""
        return int(self._step.numpy())

    @property
    def values(self) -> list[np.ndarray]:
        """The generator's weights at that step."""
        return [variable.numpy() for variable in self._stored]

    def offer(self, score: float, step: int) -> None:
        """Store the present weights unless earlier ones had a higher score."""
        if score >= float(self._score.numpy()):
            self._score.assign(float(score))
            self._step.assign(step)
            for stored, variable in zip(self._stored, self._weights, strict=True):
                stored.assign(variable.numpy())


def _log_probe(scheme: str, step: int, measured: Sequence[float], losses: Mapping[str, float]) -> None:
    """Log the result of a probe, and warn of a collapsed generator or a saturated discriminator."""
    success, formulas, different = measured
    text = "%s, probe at step %d: %.0f %% candidates, %d compositions, %d different"
    log.info(text, scheme, step, 100 * success, formulas, different)
    if success >= 0.1 and formulas == 1:
        log.warning("%s generates only one composition at step %d: its generator has collapsed", scheme, step)
    if losses.get("d_accuracy", 0.0) > SATURATED:
        text = "%s: discriminator accuracy %.1f %% at step %d; the generator receives almost no gradient"
        log.warning(text, scheme, 100 * losses["d_accuracy"], step)


def _digest(arrays: list[np.ndarray]) -> str:
    """Return a hash of the arrays' bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check(graphs: np.ndarray, config: Mapping[str, Any], scheme: str, constraint: keras.Model | None) -> None:
    """Raise InputError unless these arguments describe a training."""
    if scheme not in trained(SCHEMES):
        raise InputError(
            f"config key schemes names '{scheme}'; the schemes that are trained are {', '.join(trained(SCHEMES))}."
        )
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
