"""Descriptors are rotation invariant; the constraint based on them is one reproducible model, better than the mean."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from ccdcgan.crystals import gaussian_process  # noqa: E402
from ccdcgan.crystals.descriptors import descriptor_names, descriptors  # noqa: E402
from ccdcgan.crystals.structures import Crystal, standard_cell  # noqa: E402
from ccdcgan.models.constraint import descriptor_network as module  # noqa: E402
from ccdcgan.models.constraint.base import HISTORY_COLUMNS, ConstraintData, load_constraint, predict  # noqa: E402
from ccdcgan.models.constraint.gaussian_process_layer import GaussianProcess, fit_posterior  # noqa: E402
from ccdcgan.models.constraint.objective import build_objective  # noqa: E402
from ccdcgan.models.constraint.synthetic_crystals import make_synthetic_crystals  # noqa: E402
from ccdcgan.models.convolutional_networks import in_precision  # noqa: E402
from ccdcgan.models.dense_networks import Standardisation, ToGraph, residual_network  # noqa: E402
from ccdcgan.models.generators.flow import EulerSteps  # noqa: E402
from ccdcgan.models.generators.latent_optimisation import optimise_generator  # noqa: E402
from ccdcgan.models.generators.loading import load_generator  # noqa: E402
from ccdcgan.representation.autoencoders import build_autoencoder  # noqa: E402
from ccdcgan.representation.crystal_graph import fit_codec  # noqa: E402
from ccdcgan.representation.voxels import Geometry  # noqa: E402
from ccdcgan.training.loop import TrainingRun  # noqa: E402
from ccdcgan.utils.errors import InputError  # noqa: E402

ELEMENTS = ("Bi", "Se")
GEOMETRY = Geometry(box=12.0, sites_grid=16, sites_sigma=0.8, lattice_grid=16, lattice_sigma=1.0)
CONFIG = {
    "steps": 200,
    "batch": 32,
    "width": 64,
    "blocks": 1,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "beta_1": 0.9,
    "beta_2": 0.999,
}


def caesium_chloride(edge: float, ratio: float = 1.0) -> Structure:
    """BiSe, tetragonal, edges in angstrom."""
    lattice = Lattice.tetragonal(edge, ratio * edge)
    return standard_cell(Structure(lattice, ["Bi", "Se"], [[0, 0, 0], [0.5, 0.5, 0.5]]))


@pytest.fixture(scope="module")
def autoencoders():
    return build_autoencoder(16, 4, 6, seed=1), build_autoencoder(16, 4, 20, seed=2)


@pytest.fixture(scope="module")
def crystals():
    edges = np.linspace(3.4, 4.4, 40)
    return [
        Crystal(f"c{number}", caesium_chloride(edge, 1.1 + 0.05 * (number % 3))) for number, edge in enumerate(edges)
    ]


@pytest.fixture(scope="module")
def encoded(crystals, autoencoders):
    """A codec fitted to the 40 crystals, and their crystal graphs."""
    return fit_codec(crystals, ELEMENTS, *autoencoders, GEOMETRY)


@pytest.fixture(scope="module")
def data(crystals, encoded):
    """Crystal graphs of 40 crystals, energies that grow with the volume, which are held out; pre-training data."""
    codec, known = encoded
    energies = np.array([0.02 * crystal.structure.volume - 0.8 for crystal in crystals])
    return known, energies, np.arange(40) % 4 == 0, pretraining_data(codec, crystals, known.ids)


def pretraining_data(codec, crystals, ids):
    return module.make_pretraining_data(codec, crystals, ids, 800, 1)


def train(folder, data, stop_after=None, **changes):
    known, energies, held_out, pretraining = data
    run = TrainingRun(folder / "checkpoint.npz", folder / "history.csv", "constraint", stop_after=stop_after)
    labelled = ConstraintData(known.ids, known.graphs, energies, held_out)
    return module.train_descriptor_constraint(labelled, pretraining, CONFIG | changes, run, seed=1)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train(folder, data), pd.read_csv(folder / "history.csv")


def test_descriptors_see_the_crystal_and_not_its_cell():
    sites = [[0, 0, 0], [1 / 3, 2 / 3, 0.3], [0.5, 0, 0.7]]
    crystal = Structure(Lattice.hexagonal(4.2, 5.9), ["Bi", "Se", "Se"], sites)
    own = descriptors(crystal, ELEMENTS)
    assert len(own) == len(descriptor_names(ELEMENTS)) == 3 + 33
    assert own[:3] == pytest.approx([1 / 3, crystal.volume / 3, 3])
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned = Structure(Lattice(crystal.lattice.matrix @ turn), crystal.species, crystal.frac_coords + [0.1, 0.2, 0.3])
    np.testing.assert_allclose(descriptors(turned, ELEMENTS), own, atol=1e-8)
    double = descriptors(crystal * (2, 1, 1), ELEMENTS)
    assert double[2] == 6
    np.testing.assert_allclose(np.delete(double, 2), np.delete(own, 2), atol=1e-8)


def test_a_pair_of_elements_is_placed_at_its_distance():
    names = descriptor_names(("Bi", "Se", "Te"))
    own = dict(zip(names, descriptors(caesium_chloride(4.0), ("Bi", "Se", "Te")), strict=True))
    assert len(names) == 4 + 6 * 11
    assert own["fraction of Se"] == 0.5 and own["Bi-Te at 3.5"] == own["Te-Te at 3.5"] == 0
    # 8 neighbours at 3.46 angstrom around one atom of two
    expected = 8 / 2 / 3.5**2 * np.exp(-((12**0.5 - 3.5) ** 2) / (2 * 0.35**2))
    assert own["Bi-Se at 3.5"] == pytest.approx(expected, rel=1e-6)


def test_synthetic_crystals_depend_on_their_own_parent_alone(encoded, crystals):
    codec = encoded[0]
    both = make_synthetic_crystals(codec, crystals[:2], 5, 1)
    one = make_synthetic_crystals(codec, crystals[1:2], 5, 1)
    own = both.parents == "c1"
    assert own.sum() == len(one.parents) and len(set(both.descriptors[:, 1])) == len(both.descriptors)
    np.testing.assert_array_equal(both.descriptors[own], one.descriptors)
    np.testing.assert_allclose(both.graphs[own], one.graphs, atol=1e-5)


def test_the_layer_is_scikit_learns_gaussian_process():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 3))
    values = np.sin(features[:, 0]) + 0.1 * rng.normal(size=60) - 2
    layer = GaussianProcess.of(fit_posterior(features, values, seed=0), name="energy")
    kernel = ConstantKernel() * Matern(3**0.5, nu=1.5) + WhiteKernel(0.3)
    theirs = GaussianProcessRegressor(kernel, normalize_y=True, alpha=1e-6).fit(features, values)
    asked = np.concatenate([features[:5], rng.normal(size=(20, 3))])
    np.testing.assert_allclose(np.asarray(layer(asked))[:, 0], theirs.predict(asked), atol=0.01)
    assert float(layer(np.full((1, 3), 1e4))[0, 0]) == pytest.approx(values.mean(), abs=1e-4)


def test_many_points_are_thinned(monkeypatch):
    monkeypatch.setattr(gaussian_process, "MOST_POINTS", 30)
    monkeypatch.setattr(gaussian_process, "MOST_FOR_KERNEL", 20)
    features = np.linspace(-2, 2, 200)[:, None]
    posterior = fit_posterior(features, features[:, 0] ** 2, seed=0)
    assert posterior.points.shape == (30, 1)
    layer = GaussianProcess.of(posterior, name="energy")
    np.testing.assert_allclose(np.asarray(layer(features))[:, 0], features[:, 0] ** 2, atol=0.2)


def test_it_learns_from_few_energies(data, trained):
    known, energies, held_out, *_ = data
    model, history = trained
    error = np.abs(predict(model, known.graphs) - energies)[held_out].mean()
    assert error < 0.4 * np.abs(energies[held_out] - energies[~held_out].mean()).mean()
    assert tuple(history.columns) == HISTORY_COLUMNS and list(history["step"]) == [100, 200]
    assert history["loss"].iloc[-1] < 0.5
    assert history["held_out_mae"].iloc[-1] == pytest.approx(error, rel=1e-3)


def test_it_is_one_saved_model_with_a_slope(tmp_path, data, trained):
    graphs, model = data[0].graphs, trained[0]
    model.save(tmp_path / "constraint.keras")
    loaded = load_constraint(tmp_path / "constraint.keras")
    assert loaded.input_shape == (None, *graphs.shape[1:]) and loaded.output_shape == (None, 1)
    np.testing.assert_allclose(predict(loaded, graphs), predict(model, graphs), atol=1e-6)
    copy = in_precision(loaded, "mixed_bfloat16")  # what a GAN makes of its constraint
    np.testing.assert_allclose(predict(copy, graphs), predict(model, graphs), atol=1e-6)
    objective = build_objective(
        {"density": loaded}, [{"name": "density", "goal": "maximise", "weight": 2}], {"density": 0.5}
    )
    np.testing.assert_allclose(predict(objective, graphs), -4 * predict(model, graphs), atol=1e-5)
    asked = tf.constant(graphs)
    with tf.GradientTape() as tape:
        tape.watch(asked)
        energy = loaded(asked, training=False)
    slope = tape.gradient(energy, asked).numpy()
    assert energy.dtype == tf.float32
    assert np.isfinite(slope).all() and (np.abs(slope).max(axis=(1, 2, 3)) > 0).all()


def test_it_guides_a_flow_that_is_saved_with_it(tmp_path, data, trained):
    rows = Standardisation.of(data[0].graphs)
    size = len(rows.pixels)
    noise = keras.Input((size,))
    flow = EulerSteps(residual_network(size, size, 8, 1, 0, timed=True), 2, dtype="float32", name="flow")
    generator = keras.Model(noise, ToGraph.undoing(rows)(flow(noise)))
    settings = {"optimisation_steps": 2, "optimisation_length": 0.1, "trust": 0.3}
    pulled = optimise_generator(generator, trained[0], settings)
    pulled.save(tmp_path / "generator.keras")
    start = np.random.default_rng(0).standard_normal((4, size)).astype(np.float32)
    made = load_generator(tmp_path / "generator.keras").predict_on_batch(start)
    np.testing.assert_allclose(made, pulled.predict_on_batch(start), atol=1e-5)


def test_an_interrupted_training_ends_in_the_same_bits(tmp_path, data, monkeypatch):
    monkeypatch.setattr(module, "STEPS_PER_ROW", 2)
    monkeypatch.setattr(module, "STEPS_PER_CHECKPOINT", 2)
    whole = train(tmp_path / "whole", data, steps=6)
    train(tmp_path / "cut", data, stop_after=4, steps=6)
    cut = train(tmp_path / "cut", data, steps=6)
    for first, second in zip(whole.get_weights(), cut.get_weights(), strict=True):
        assert first.tobytes() == second.tobytes()
    assert (tmp_path / "whole/history.csv").read_bytes() == (tmp_path / "cut/history.csv").read_bytes()


def test_held_out_crystals_are_not_trained_on(tmp_path, data):
    known, energies, held_out, pretraining = data
    barred = np.isin(pretraining.synthetic.parents, known.ids[held_out])
    synthetic = replace(
        pretraining.synthetic,
        graphs=np.where(barred[:, None, None, None], 0, pretraining.synthetic.graphs),
        descriptors=np.where(barred[:, None], 99, pretraining.synthetic.descriptors),
    )
    graphs = np.where(np.isin(pretraining.ids, known.ids[held_out])[:, None, None, None], 0, pretraining.graphs)
    first = train(tmp_path / "a", data, steps=2)
    other = replace(pretraining, synthetic=synthetic, graphs=graphs)
    changed = known, np.where(held_out, 99.0, energies), held_out, other
    second = train(tmp_path / "b", changed, steps=2)
    for one, two in zip(first.get_weights(), second.get_weights(), strict=True):
        assert one.tobytes() == two.tobytes()


def test_crystals_that_do_not_fit_are_refused(tmp_path, data, crystals, encoded):
    known, energies, _, pretraining = data
    with pytest.raises(InputError, match="c39 has a crystal graph but is not in the database"):
        pretraining_data(encoded[0], crystals[:-1], known.ids)
    with pytest.raises(InputError, match="at least 2"):
        train(tmp_path, (known, energies, np.ones(40, bool), pretraining))
