"""Constraint: training on a smooth function, reported errors, and resumption with the same bits."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("keras")

from ccdcgan.evaluation.constraint_accuracy import parity_metrics
from ccdcgan.models.constraint import image_network as module  # noqa: E402
from ccdcgan.models.constraint.base import PARITY_COLUMNS, ConstraintData, parity, predict  # noqa: E402
from ccdcgan.training.loop import TrainingRun  # noqa: E402
from ccdcgan.utils.errors import InputError  # noqa: E402

SIDE = 8
CONFIG = {
    "steps": 120,
    "batch": 32,
    "learning_rate": 1e-3,
    "beta_1": 0.5,
    "beta_2": 0.999,
    "held_out": 0.1,
    "output": "linear",
}


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crystal graphs on a smooth sheet, their energies a smooth function of where they lie on it."""
    rng = np.random.default_rng(0)
    where = rng.uniform(-1, 1, size=(200, 2))
    patterns = rng.normal(size=(2, SIDE * SIDE))
    graphs = np.tanh(where @ patterns).reshape(-1, SIDE, SIDE, 1).astype(np.float32)
    energies = -0.3 + 0.2 * where[:, 0] + 0.1 * where[:, 1] ** 2
    return graphs, energies, np.arange(200) % 10 == 0


def train(folder, data, stop_after=None, **changes):
    graphs, energies, held_out = data
    run = TrainingRun(folder / "checkpoint.npz", folder / "history.csv", "constraint", stop_after=stop_after)
    labelled = ConstraintData(np.arange(len(graphs)).astype(str), graphs, energies, held_out)
    return module.train_image_constraint(labelled, CONFIG | changes, run, seed=1)


def test_it_learns_a_smooth_function_in_ev_per_atom(tmp_path, data):
    graphs, energies, held_out = data
    model = train(tmp_path, data)
    table = parity(model, [f"c{i}" for i in range(200)], graphs, energies, held_out)
    assert list(table.columns) == list(PARITY_COLUMNS)
    metrics = parity_metrics(table).set_index("split")
    assert metrics.loc["train", "n"] == 180 and metrics.loc["held_out", "n"] == 20
    assert metrics.loc["held_out", "r2"] > 0.6
    assert metrics.loc["held_out", "mae"] < 0.6 * metrics.loc["held_out", "baseline_mae"]
    history = pd.read_csv(tmp_path / "history.csv")
    assert list(history["step"]) == [100, 120]
    np.testing.assert_allclose(history["held_out_mae"].iloc[-1], metrics.loc["held_out", "mae"], rtol=1e-3)


def test_the_saved_model_predicts_ev_per_atom(tmp_path, data):
    import keras

    model = train(tmp_path, data, steps=2)
    model.save(tmp_path / "constraint.keras")
    loaded = keras.models.load_model(tmp_path / "constraint.keras")
    np.testing.assert_allclose(predict(model, data[0]), predict(loaded, data[0]), atol=1e-6)


def test_an_interrupted_training_ends_in_the_same_bits(tmp_path, data, monkeypatch):
    monkeypatch.setattr(module, "STEPS_PER_ROW", 2)
    monkeypatch.setattr(module, "STEPS_PER_CHECKPOINT", 2)
    whole = train(tmp_path / "whole", data, steps=6)
    train(tmp_path / "cut", data, steps=6, stop_after=4)
    cut = train(tmp_path / "cut", data, steps=6)
    for first, second in zip(whole.get_weights(), cut.get_weights(), strict=True):
        assert first.tobytes() == second.tobytes()
    assert (tmp_path / "whole/history.csv").read_bytes() == (tmp_path / "cut/history.csv").read_bytes()


def test_the_held_out_part_does_not_shape_the_model(tmp_path, data):
    graphs, energies, held_out = data
    other = np.where(held_out, 99.0, energies)
    first = train(tmp_path / "a", data, steps=3)
    second = train(tmp_path / "b", (graphs, other, held_out), steps=3)
    for one, two in zip(first.get_weights(), second.get_weights(), strict=True):
        assert one.tobytes() == two.tobytes()


def test_the_guess_has_no_skill():
    table = pd.DataFrame(
        {
            "split": ["train", "train", "held_out", "held_out"],
            "formation_energy": [-0.2, 0.0, -0.3, 0.1],
            "predicted": [-0.1, -0.1, -0.1, -0.1],
        }
    )
    metrics = parity_metrics(table).set_index("split")
    assert metrics.loc["train", "r2"] == pytest.approx(0)
    assert metrics.loc["train", "mae"] == pytest.approx(metrics.loc["train", "baseline_mae"])
    assert metrics.loc["held_out", "mae"] == pytest.approx(0.2)


def test_no_held_out_part_gives_nan_and_an_empty_field(tmp_path, data):
    graphs, energies, held_out = data
    none = np.zeros_like(held_out)
    model = train(tmp_path, (graphs, energies, none), steps=2)
    metrics = parity_metrics(parity(model, np.arange(200), graphs, energies, none))
    assert np.isnan(metrics["mae"].iloc[1]) and metrics["n"].iloc[1] == 0
    assert (tmp_path / "history.csv").read_text().splitlines()[-1].endswith(",")


def test_the_authors_output_is_kept_as_a_preset(tmp_path, data):
    assert np.isfinite(predict(train(tmp_path, data, steps=2, output="leaky_relu"), data[0])).all()
    with pytest.raises(InputError, match="constraint.image.output"):
        train(tmp_path, data, output="sigmoid")


def test_data_that_do_not_fit_are_refused(tmp_path, data):
    graphs, energies, held_out = data
    with pytest.raises(InputError, match="one of each"):
        train(tmp_path, (graphs[:5], energies, held_out))
    with pytest.raises(InputError, match="not a number"):
        train(tmp_path, (graphs, np.where(held_out, np.nan, energies), held_out))
    with pytest.raises(InputError, match="at least 2"):
        train(tmp_path, (graphs, energies, np.ones(200, bool)))
