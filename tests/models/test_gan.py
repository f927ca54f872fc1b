"""Networks and training loop of the GAN: reproducible, resumable, guided by the constraint."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from ccdcgan.models import convolutional_networks as gan_networks  # noqa: E402
from ccdcgan.models.constraint.base import predict  # noqa: E402
from ccdcgan.models.generators import gan  # noqa: E402
from ccdcgan.models.generators import training as generators  # noqa: E402
from ccdcgan.training.loop import History, TrainingRun  # noqa: E402
from ccdcgan.utils.errors import InputError  # noqa: E402

CONFIG = {
    "steps": 6,
    "batch": 4,
    "learning_rate": 2e-4,
    "beta_1": 0.5,
    "beta_2": 0.999,
    "noise": 10,
    "constraint_weight": 0.1,
    "constraint_term": "mean",
    "checkpoint_steps": 2,
    "sample_every": 2,
    "ema": 0.9,
    "probe_every": 4,
    "keep": "best",
}
SIDE = 8


def real_graphs(n: int = 12) -> np.ndarray:
    """Crystal graphs on a curve: smooth, bounded, not noise."""
    phase = np.linspace(0, 3, n)[:, None] + np.linspace(0, 6, SIDE * SIDE)
    return np.tanh(np.sin(phase)).reshape(n, SIDE, SIDE, 1).astype(np.float32)


def mean_constraint() -> "keras.Model":
    """A constraint that says: the formation energy is the mean of the crystal graph."""
    graph = keras.Input((SIDE, SIDE, 1))
    output = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="output_sum")
    model = keras.Model(graph, output(keras.layers.GlobalAveragePooling2D()(graph)))
    return model


def train(
    folder: Path,
    scheme: str = "dcgan",
    constraint=None,
    seed: int = 1,
    stop_after=None,
    config=CONFIG,
    probe=None,
    **changes,
):
    """Train the tiny configuration in a folder."""
    run = TrainingRun(folder / "checkpoint.npz", folder / "history.csv", scheme, stop_after=stop_after)
    return generators.train_generator(real_graphs(), config | changes, scheme, run, seed, constraint, probe)


def same_bits(first, second) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_a_binary_system_has_the_networks_of_the_paper():
    assert gan_networks.build_generator(28, 200, 0).count_params() == 1_483_393
    assert gan_networks.build_generator(28, 200, 0, folded=True).count_params() == 1_483_393
    assert gan_networks.build_discriminator(28, 0).count_params() == 393_729
    assert gan_networks.build_constraint(28, 0).count_params() == 4_995_457


def test_larger_systems_have_larger_graphs_and_odd_sides_are_refused():
    assert gan_networks.build_generator(32, 5, 0).output_shape == (None, 32, 32, 1)
    assert gan_networks.build_discriminator(36, 0).output_shape == (None, 1)
    with pytest.raises(InputError, match="multiple of 4"):
        gan_networks.build_generator(30, 5, 0)


def test_the_folded_generator_is_the_same_function_in_fewer_operations():
    plain = gan_networks.build_generator(SIDE, 10, 3)
    folded = gan_networks.build_generator(SIDE, 10, 3, folded=True)
    noise = np.random.default_rng(0).normal(size=(5, 10)).astype(np.float32)
    for training in (False, True):
        np.testing.assert_allclose(plain(noise, training=training), folded(noise, training=training), atol=1e-5)


def test_a_lower_precision_changes_the_arithmetic_only():
    plain = gan_networks.build_constraint(SIDE, 0, mean=-0.2, std=0.3)
    low = gan_networks.in_precision(plain, "mixed_bfloat16")
    assert low.layers[0].compute_dtype == "bfloat16"
    assert str(low(real_graphs()).dtype) in ("float32", "<dtype: 'float32'>")
    assert same_bits(plain, low)
    np.testing.assert_allclose(predict(plain, real_graphs()), predict(low, real_graphs()), atol=0.05)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, "keras.Model"]:
    """One dcgan training of 6 steps: its folder and its generator."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(folder)


def test_another_seed_gives_another_generator(tmp_path, trained):
    generator = trained[1]
    settings = {key: value for key, value in CONFIG.items() if not key.startswith("constraint_")}
    assert not same_bits(generator, train(tmp_path, config=settings, seed=2))
    assert generator.output_shape == (None, SIDE, SIDE, 1)
    assert np.abs(generator(np.ones((2, 10), np.float32))).max() <= 1


def test_rows_after_the_checkpoint_and_torn_rows_are_cut(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,loss\n2,0.5\n4,0.4\n6,0.3\n8")
    History(path, ("step", "loss"), done=4).append([6, 0.25])
    assert path.read_text() == "step,loss\n2,0.5\n4,0.4\n6,0.25\n"
    History(path, ("step", "loss"))
    assert path.read_text() == "step,loss\n"


def test_a_killed_process_resumes_to_the_same_bits(tmp_path):
    code = (
        "import sys; from pathlib import Path; import test_gan as t;"
        "t.train(Path(sys.argv[1]), 'ccdcgan', t.mean_constraint(), steps=100000)"
    )
    tests, library = Path(__file__).parent, Path(gan.__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "killed")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), str(library)])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checkpoint = tmp_path / "killed/checkpoint.npz"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not checkpoint.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with np.load(checkpoint, allow_pickle=False) as stored:
        reached = int(stored["step"])
    resumed = train(tmp_path / "killed", "ccdcgan", mean_constraint(), steps=reached + 4)
    whole = train(tmp_path / "whole", "ccdcgan", mean_constraint(), steps=reached + 4)
    assert same_bits(resumed, whole)
    histories = [(tmp_path / name / "history.csv").read_bytes() for name in ("killed", "whole")]
    assert histories[0] == histories[1]


def test_a_checkpoint_of_other_settings_or_past_the_end_is_not_taken_up(tmp_path, trained):
    rows = (trained[0] / "history.csv").read_text().splitlines()
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    train(tmp_path, steps=4)
    assert (tmp_path / "history.csv").read_text().splitlines() == rows[:3]
    train(tmp_path, learning_rate=1e-2, steps=6)
    changed = (tmp_path / "history.csv").read_text().splitlines()
    assert len(changed) == len(rows) and changed[2] != rows[2]


def test_the_constraint_pulls_the_energy_down_and_stays_frozen(tmp_path, monkeypatch):
    constraint = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.25),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="output_sum"),
        ]
    )
    copies, convert = [], gan.in_precision
    monkeypatch.setattr(gan, "in_precision", lambda *args: copies.append(convert(*args)) or copies[-1])
    before = [np.asarray(variable).copy() for variable in constraint.variables]
    noise = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
    settings = {"steps": 20, "sample_every": 10, "learning_rate": 2e-3, "ema": 0.0, "constraint_weight": 20.0}
    energy = {}
    for scheme in ("dcgan", "ccdcgan"):
        generator = train(tmp_path / scheme, scheme, constraint, **settings)
        energy[scheme] = predict(constraint, np.asarray(generator(noise))).mean()
    assert energy["ccdcgan"] < energy["dcgan"] - 0.1
    frozen = copies[-1]  # the copy that ran in the loop: built last
    for model in (constraint, frozen):
        weights = [np.asarray(variable) for variable in model.variables]
        assert all(old.tobytes() == new.tobytes() for old, new in zip(before, weights, strict=True))


def test_the_term_is_the_papers_or_the_authors():
    energies = np.array([[-1.0], [0.5]], np.float32)
    assert float(gan.constraint_term(energies, "mean")) == pytest.approx(-0.25)
    assert float(gan.constraint_term(energies, "exp")) == pytest.approx((np.exp(-1) + np.exp(0.5)) / 2)


def test_the_saved_generator_needs_nothing_of_this_library(tmp_path, trained):
    generator = trained[1]
    generator.save(tmp_path / "generator.keras")
    code = (
        "import sys, keras, numpy as np; m = keras.models.load_model(sys.argv[1]);"
        "np.save(sys.argv[2], m(np.ones((3, 10), 'float32')))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "generator.keras", tmp_path / "out.npy"], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), generator(np.ones((3, 10), np.float32)), atol=1e-6)


def test_divergence_and_wrong_keys_end_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match="diverged.*learning_rate"):
        train(tmp_path / "a", learning_rate=float("inf"))
    assert not (tmp_path / "a/checkpoint.npz").exists()
    with pytest.raises(InputError, match="needs a constraint"):
        train(tmp_path / "b", "ccdcgan")
    with pytest.raises(InputError, match="constraint_term"):
        train(tmp_path / "c", "ccdcgan", mean_constraint(), constraint_term="median")
    with pytest.raises(InputError, match="sample_every"):
        train(tmp_path / "d", sample_every=0)
