"""Training loop of all schemes: reproducible, resumable, the best probe is retained; flow and VAE."""

import zipfile

import numpy as np
import pandas as pd
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from ccdcgan.models.dense_networks import Standardisation  # noqa: E402
from ccdcgan.models.generators import training as generators  # noqa: E402
from ccdcgan.models.generators.latent_optimisation import optimise_generator  # noqa: E402
from ccdcgan.models.generators.loading import load_generator  # noqa: E402
from ccdcgan.training.loop import TrainingRun  # noqa: E402
from ccdcgan.utils.errors import InputError  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.models.test_gan import CONFIG as GAN  # noqa: E402
from tests.models.test_gan import SIDE, mean_constraint, real_graphs, same_bits  # noqa: E402

COMMON = {"checkpoint_steps": 2, "sample_every": 2, "probe_every": 2, "keep": "best", "steps": 6, "batch": 4}
ADAM = {"learning_rate": 1e-3, "schedule": "constant", "beta_1": 0.9, "beta_2": 0.999, "ema": 0.5}
SMALL = {**COMMON, **ADAM, "width": 16, "blocks": 1}
CONFIGS = {
    "dcgan": GAN | COMMON,
    "flow": SMALL | {"euler_steps": 5},
    "vae": SMALL | {"noise": 3, "divergence": 0.01},
}


class CountingProbe:
    """A probe that finds what it is told to, one number of different crystals after the other."""

    def __init__(self, *numbers: int) -> None:
        self.numbers, self.seen = list(numbers), []

    def __call__(self, generator: "keras.Model") -> tuple[float, int, int]:
        self.seen.append([weight.copy() for weight in generator.get_weights()])
        return 0.5, 1, self.numbers[len(self.seen) - 1]


def graphs() -> np.ndarray:
    """Crystal graphs with padding that never varies, as real ones have."""
    padded = real_graphs().copy()
    padded[:, -1] = 0
    return padded


def train(
    folder, scheme: str, probe=None, stop_after=None, seed: int = 1, precision: str = "float32", **changes
) -> "keras.Model":
    run = TrainingRun(folder / f"{scheme}.npz", folder / f"{scheme}.csv", scheme, precision, stop_after)
    return generators.train_generator(graphs(), CONFIGS[scheme] | changes, scheme, run, seed, probe=probe)


@pytest.mark.parametrize("scheme", ["flow", "vae"])
def test_a_stopped_training_resumes_to_the_same_bits(tmp_path, scheme):
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole = train(tmp_path / "whole", scheme, CountingProbe(1, 3, 2))
    train(tmp_path / "stopped", scheme, CountingProbe(1, 3), stop_after=4)
    resumed = train(tmp_path / "stopped", scheme, CountingProbe(2))
    assert same_bits(whole, resumed)
    files = [(tmp_path / name / f"{scheme}.csv").read_bytes() for name in ("whole", "stopped")]
    assert files[0] == files[1]
    assert not same_bits(whole, train(tmp_path, scheme, CountingProbe(1, 3, 2), seed=2))


@pytest.mark.parametrize("scheme", ["dcgan", "flow"])
def test_the_generator_of_the_best_probe_is_kept(tmp_path, scheme):
    probe = CountingProbe(3, 5, 5, 4)
    best = train(tmp_path, scheme, probe, steps=8)
    assert all(np.array_equal(a, b) for a, b in zip(best.get_weights(), probe.seen[2], strict=True))
    history = pd.read_csv(tmp_path / f"{scheme}.csv")
    assert history["n_different"].dropna().tolist() == [3, 5, 5, 4]
    (tmp_path / "last").mkdir()
    probe = CountingProbe(3, 5, 5, 4)
    last = train(tmp_path / "last", scheme, probe, steps=8, keep="last")
    assert all(np.array_equal(a, b) for a, b in zip(last.get_weights(), probe.seen[3], strict=True))


@pytest.mark.parametrize("scheme", ["flow", "vae"])
def test_a_saved_generator_is_read_back_and_gives_crystal_graphs(tmp_path, scheme):
    generator = train(tmp_path, scheme, steps=2)
    generator.save(tmp_path / "generator.keras")
    again = load_generator(tmp_path / "generator.keras")
    noise = np.random.default_rng(0).normal(size=(5, *generator.input_shape[1:])).astype(np.float32)
    made = np.asarray(again.predict_on_batch(noise))
    assert made.shape == (5, SIDE, SIDE, 1) and np.all(np.isfinite(made))
    np.testing.assert_allclose(made, generator.predict_on_batch(noise), atol=1e-5)
    assert np.all(made[:, -1] == 0)  # padding stays padding


def test_a_flow_carries_noise_to_the_data(tmp_path):
    settings = {"steps": 600, "batch": 32, "width": 64, "learning_rate": 3e-3, "ema": 0.98, "sample_every": 200}
    generator = train(tmp_path, "flow", probe=None, checkpoint_steps=600, euler_steps=20, **settings)
    losses = pd.read_csv(tmp_path / "flow.csv")["loss"].to_numpy()
    assert losses[-1] < 0.6 * losses[0]
    rows = Standardisation.of(graphs())
    noise = np.random.default_rng(1).standard_normal((64, generator.input_shape[1])).astype(np.float32)
    made = rows.rows(np.asarray(generator.predict_on_batch(noise)))
    data = rows.rows(graphs())

    def to_data(points: np.ndarray) -> float:
        return float(np.mean([np.linalg.norm(data - point, axis=1).min() for point in points]))

    assert to_data(made) < 0.5 * to_data(noise)


def test_optimised_noise_lowers_the_predicted_energy_and_stays_near_its_start(tmp_path):
    generator, constraint = train(tmp_path, "flow", steps=2, euler_steps=2), mean_constraint()
    noise = np.random.default_rng(0).standard_normal((32, generator.input_shape[1])).astype(np.float32)
    plain = np.asarray(generator.predict_on_batch(noise))
    settings = {"optimisation_steps": 6, "optimisation_length": 0.1, "trust": 0.3}
    model = optimise_generator(generator, constraint, settings)
    model.save(tmp_path / "optimised.keras")
    made = np.asarray(load_generator(tmp_path / "optimised.keras").predict_on_batch(noise))
    assert made.mean() < plain.mean()
    moved = model.get_layer("optimised_flow").optimised(tf.constant(noise)).numpy()
    size = np.linalg.norm(noise, axis=1)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), size, rtol=1e-4)
    away = np.linalg.norm(moved - noise, axis=1) / size
    assert np.all(away > 0.2) and np.all(away < 0.31)
    still = optimise_generator(generator, constraint, settings | {"optimisation_steps": 0}).predict_on_batch(noise)
    np.testing.assert_allclose(still, plain, atol=1e-5)


def test_standardised_rows_omit_constant_components():
    rows = Standardisation.of(graphs())
    assert len(rows.pixels) == SIDE * (SIDE - 1)
    made = rows.rows(graphs())
    np.testing.assert_allclose(made.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(made.std(0), 1, atol=1e-4)


def test_a_file_that_is_no_generator_and_an_untrained_scheme_end_in_a_sentence(tmp_path):
    (tmp_path / "generator.keras").write_text("nothing")
    with pytest.raises(InputError, match="does not hold a generator"):
        load_generator(tmp_path / "generator.keras")
    run = TrainingRun.at(tmp_path / "a.npz", "a")
    with pytest.raises(InputError, match="the schemes that are trained are dcgan, ccdcgan, flow, vae"):
        generators.train_generator(graphs(), CONFIGS["flow"], "optimised-flow", run, 1)


def test_a_generator_saved_by_the_first_release_loads_and_gives_the_same_crystal_graphs():
    """The file has all layers of its own: flow, optimisation of the noise, descriptor network, Gaussian process."""
    saved = np.load(ROOT / "tests/data/earlier/optimised_flow.npz")
    generator = load_generator(ROOT / "tests/data/earlier/optimised_flow.keras")
    made = np.asarray(generator.predict_on_batch(saved["noise"]))
    np.testing.assert_allclose(made, saved["graphs"], atol=1e-5)
    assert np.abs(made - saved["flow"]).max() > 0.01  # the noise was optimised


def test_a_saved_generator_of_a_removed_scheme_is_refused_with_a_sentence(tmp_path):
    generator = train(tmp_path, "flow", steps=2)
    generator.save(tmp_path / "flow.keras")
    with zipfile.ZipFile(tmp_path / "flow.keras") as old, zipfile.ZipFile(tmp_path / "guided.keras", "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "config.json":  # as the removed scheme guided-flow wrote it
                text = text.replace(b'"velocity":', b'"guidance": 0.1, "constraint": {"class_name": "x"}, "velocity":')
            new.writestr(name, text)
    with pytest.raises(InputError, match="does not hold a generator of this workflow"):
        load_generator(tmp_path / "guided.keras")
