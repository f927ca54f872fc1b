"""Constraint for small data sets: a network for structural descriptors, followed by a Gaussian process for the energy.

Two hundred labelled crystals are too few for a network to learn both the crystal graph and what formation energies
depend on. Descriptors need no labels: a network of residual dense layers is pre-trained to predict them from the
crystal graphs of synthetic crystals (:mod:`ccdcgan.models.constraint.synthetic_crystals`). A Gaussian process then
predicts the energy from the descriptors that the network predicts for the training crystals
(:mod:`ccdcgan.models.constraint.gaussian_process_layer`). Both form one differentiable Keras model, crystal graphs
(batch, side, side, 1) to eV/atom (batch, 1), which takes the place of network S5.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.crystals.structures import Crystal
from ccdcgan.models.constraint.base import HISTORY_COLUMNS, ConstraintData
from ccdcgan.models.constraint.gaussian_process_layer import GaussianProcess, fit_posterior
from ccdcgan.models.constraint.synthetic_crystals import SyntheticCrystals, make_synthetic_crystals
from ccdcgan.models.dense_networks import Standardisation, ToRows, residual_network
from ccdcgan.representation.crystal_graph import CrystalCodec
from ccdcgan.representation.orientations import equivalents
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
from ccdcgan.utils.hashing import fingerprint
from ccdcgan.utils.seeds import derive_seed

log = logging.getLogger(__name__)

ORIENTATIONS = 8
"""Maximum number of orientations of a training crystal in the Gaussian process, since their predicted descriptors
differ."""
STEPS_PER_ROW = 100
STEPS_PER_CHECKPOINT = 500


@dataclass(frozen=True)
class PretrainingData:
    """Data of the descriptor network, and the training crystals in several orientations.

    Attributes:
        synthetic: Synthetic crystals.
        graphs: Crystal graphs of labelled crystals in equivalent orientations, (n, side, side, 1).
        ids: Ids of these crystals, (n,).
    """

    synthetic: SyntheticCrystals
    graphs: np.ndarray
    ids: np.ndarray

    def restricted_to(self, ids: Sequence[str]) -> "PretrainingData":
        """Return the data that derive from these crystals only."""
        own, shown = np.isin(self.synthetic.parents, ids), np.isin(self.ids, ids)
        synthetic = SyntheticCrystals(
            self.synthetic.graphs[own], self.synthetic.descriptors[own], self.synthetic.parents[own]
        )
        return PretrainingData(synthetic, self.graphs[shown], self.ids[shown])


def make_pretraining_data(
    codec: CrystalCodec, crystals: Sequence[Crystal], ids: Sequence[str], total: int, seed: int
) -> PretrainingData:
    """Make the pre-training data of a constraint.

    Args:
        codec: Encodes the crystals.
        crystals: A set that contains the crystals ``ids``.
        ids: Ids of the crystals from which synthetic crystals are derived, the same number from each.
        total: Approximate number of synthetic crystals.
        seed: Seed of the training.

    Raises:
        InputError: A crystal is not in the set, or no synthetic crystal is within the voxel limits.
    """
    by_id = {crystal.id: crystal for crystal in crystals}
    missing = [name for name in ids if name not in by_id]
    if missing:
        raise InputError(f"crystal {missing[0]} has a crystal graph but is not in the database; encode it again.")
    set_determinism(seed)  # a resumed training needs the crystal graphs that it started with
    parents = [by_id[name] for name in ids]
    synthetic = make_synthetic_crystals(codec, parents, -(-total // max(len(parents), 1)), seed)
    if len(synthetic.graphs) < 2:
        raise InputError("no synthetic crystal is within the voxel limits; enlarge representation.box.")
    oriented = codec.encode(equivalents(parents, ORIENTATIONS))
    return PretrainingData(synthetic, oriented.graphs, oriented.ids)


def train_descriptor_constraint(
    data: ConstraintData, pretraining: PretrainingData, config: Mapping[str, Any], run: TrainingRun, seed: int
) -> keras.Model:
    """Train the constraint and return it: crystal graphs (batch, side, side, 1) to values (batch, 1).

    Args:
        data: Labelled crystal graphs.
        pretraining: Pre-training data; what derives from held-out crystals is left out.
        config: Section ``constraint.descriptors`` of the configuration.
        run: Checkpoint, learning curve (HISTORY_COLUMNS; loss of the standardised descriptors, held_out_mae in the rows
            of checkpoints only), label and precision.
        seed: Seed of weights, batches and the Gaussian process.

    Raises:
        InputError: The data do not fit together or the training diverges.
    """
    data.check()
    policy, pretraining = precision_policy(run.precision), pretraining.restricted_to(data.ids[~data.held_out])
    set_determinism(seed)
    row_of = {name: number for number, name in enumerate(data.ids)}
    labels = data.values[[row_of[name] for name in pretraining.ids]]
    log.info("the descriptor network is trained on %d synthetic crystals", len(pretraining.synthetic.graphs))
    training = DescriptorNetworkTraining(pretraining.synthetic, config, derive_seed(seed, "constraint"), policy)

    def constraint() -> keras.Model:
        points_seed = derive_seed(seed, "constraint", "points")
        return build_descriptor_constraint(training.network_in_float32(), pretraining.graphs, labels, points_seed)

    digest = hashlib.sha256(b"".join(part.tobytes() for part in (data.graphs, data.held_out))).hexdigest()
    identity = fingerprint([dict(config), seed, policy, list(data.ids), digest])
    steps = int(config["steps"])
    for block in run.blocks(
        steps, training.variables, identity, HISTORY_COLUMNS, every=STEPS_PER_ROW, interval=STEPS_PER_CHECKPOINT
    ):
        loss = float(training.run(tf.constant(block.first), tf.constant(block.end)))
        block.check([loss], "constraint.descriptors.learning_rate")
        # fitting the Gaussian process takes long, so its error is computed at checkpoints only
        evaluated = block.checkpoint_due and data.held_out.any()
        block.row = [loss, data.held_out_error(constraint()) if evaluated else ""]
        block.note = f"{loss:.3g} of the descriptors' variance unexplained"
    return constraint()


def build_descriptor_constraint(network: keras.Model, graphs: np.ndarray, values: np.ndarray, seed: int) -> keras.Model:
    """Return descriptor network and Gaussian process as one model, crystal graphs to values (batch, 1).

    Args:
        network: Descriptor network, from :meth:`DescriptorNetworkTraining.network_in_float32`.
        graphs: Crystal graphs of the training crystals, (n, side, side, 1).
        values: Their values, (n,).
        seed: Decides which crystals determine the kernel if there are very many.
    """
    predicted = [np.asarray(network(graphs[start : start + 256])) for start in range(0, len(graphs), 256)]
    process = GaussianProcess.of(fit_posterior(np.concatenate(predicted), values, seed), name="output_energy")
    stack = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
    return keras.Sequential([keras.Input(graphs.shape[1:], name="graph"), *stack, process], name="constraint")


class DescriptorNetworkTraining:
    """The descriptor network, its optimizer and compiled steps.

    The loss is the mean squared error of the standardised descriptors, 1 for an untrained network.

    Args:
        synthetic: Synthetic crystals.
        settings: steps, batch, width, blocks, learning_rate, schedule, beta_1, beta_2.
        seed: Seed of weights and batches.
        policy: Keras dtype policy of the training.

    Attributes:
        variables: All state, for the checkpoint.
    """

    def __init__(
        self, synthetic: SyntheticCrystals, settings: Mapping[str, Any], seed: int, policy: str = "float32"
    ) -> None:
        self.rows, self.seed, self.settings = Standardisation.of(synthetic.graphs), seed, settings
        self.batch = int(settings["batch"])
        mean, std = synthetic.descriptors.mean(0), synthetic.descriptors.std(0)
        # a descriptor with one value for all crystals (a pair of elements too far apart, say) is not trained on
        targets = (synthetic.descriptors - mean) / np.where(std > 1e-6, std, 1.0)
        self.inputs = tf.constant(self.rows.rows(synthetic.graphs))
        self.targets = tf.constant(targets, tf.float32)
        self.strategy = replicas(self.batch)
        with self.strategy.scope():
            self.network = self._build(policy)
            self.optimizer = adam(settings, self.network.trainable_variables, policy)
        self.variables = [*self.network.variables, *self.optimizer.variables]

    @tf.function
    def run(self, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """Run the steps ``first`` to ``end`` - 1 and return their mean loss."""
        return mean_over_steps(self.strategy, self._step, first, end, tf.constant(0.0))

    def _step(self, step: tf.Tensor) -> tf.Tensor:
        stream = [derive_seed(self.seed, "reading", "batches"), step]
        chosen = replica_slice(tf.random.stateless_uniform([self.batch], stream, 0, self.inputs.shape[0], tf.int32))
        weights = self.network.trainable_variables
        with tf.GradientTape() as tape:
            predicted = self.network(tf.gather(self.inputs, chosen), training=True)
            loss = tf.reduce_mean((predicted - tf.gather(self.targets, chosen)) ** 2)
            scaled = self.optimizer.scale_loss(loss)
        apply_gradients(self.optimizer, tape.gradient(scaled, weights), weights)
        return loss

    def network_in_float32(self) -> keras.Model:
        """Return the present network: crystal graphs (batch, side, side, 1) to standardised descriptors
        (batch, n_descriptors)."""
        graph = keras.Input((self.rows.side, self.rows.side, 1), name="graph")
        network = self._build("float32")
        network.set_weights(self.network.get_weights())
        return keras.Model(graph, network(ToRows.of(self.rows, name="output_rows")(graph)), name="reader")

    def _build(self, policy: str) -> keras.Model:
        network = residual_network(
            self.inputs.shape[1],
            self.targets.shape[1],
            int(self.settings["width"]),
            int(self.settings["blocks"]),
            derive_seed(self.seed, "reading", "weights"),
            policy=policy,
        )
        network.name = "output_descriptors"  # layers named "output..." stay in float32 in a generator of low precision
        return network
