"""Devices and arithmetic of a training. On several devices it equals the training on one: the same batches, divided.

One process with about 20 s of CPU time runs all trainings. The two devices are two halves of the processor.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ccdcgan.training import devices
from tests.conftest import ROOT
from tests.support.replica_trainings import ON_ONE


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the weights of every training, on one device and on two."""
    folder = tmp_path_factory.mktemp("replicas")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "workflow_scripts")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.replica_trainings", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


def weights(path: Path) -> list[np.ndarray]:
    """Return a model's weights."""
    with np.load(path) as stored:
        return [stored[name] for name in stored.files]


@pytest.mark.parametrize("name", ON_ONE)
def test_two_devices_learn_what_one_learns_from_the_same_batches(trained: Path, name: str):
    pairs = list(zip(weights(trained / f"one/{name}.npz"), weights(trained / f"two/{name}.npz"), strict=True))
    assert max(np.abs(one).max() for one, _ in pairs) > 0.01
    for one, two in pairs:
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)  # sums are in another order


def test_half_precision_scales_the_loss_of_all_devices_alike(trained: Path):
    for plain, half in zip(weights(trained / "two/flow.npz"), weights(trained / "two/float16.npz"), strict=True):
        np.testing.assert_allclose(half, plain, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("name", ["constraint", "dcgan"])
def test_networks_with_batch_normalisation_train_on_two_devices(trained: Path, name: str):
    assert all(np.all(np.isfinite(weight)) for weight in weights(trained / f"two/{name}.npz"))


def test_a_training_interrupted_on_two_devices_resumes_with_identical_results(trained: Path):
    for whole, resumed in zip(weights(trained / "two/flow.npz"), weights(trained / "two/resumed.npz"), strict=True):
        assert whole.tobytes() == resumed.tobytes()


def test_a_batch_is_shared_evenly_or_by_fewer(monkeypatch):
    made = []
    monkeypatch.setattr(devices, "devices", lambda: [f"GPU:{number}" for number in range(4)])
    monkeypatch.setattr(devices, "_mirrored", lambda names: made.append(names))
    for batch in (32, 6, 5):
        devices.replicas(batch)
    assert made == [("GPU:0", "GPU:1", "GPU:2", "GPU:3"), ("GPU:0", "GPU:1", "GPU:2")]


CONVOLVE = """
import ccdcgan, keras, numpy
keras.layers.Conv3D(2, 3)(numpy.ones((1, 8, 8, 8, 1), "float32"))
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="TensorFlow has oneDNN's convolutions on x86-64 only")
def test_convolutions_use_onednn_on_every_processor():
    """TensorFlow's default depends on the processor, and its own 3D convolutions are a hundred times slower."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", CONVOLVE],
        env=environment | {"PYTHONPATH": str(ROOT / "workflow_scripts"), "ONEDNN_VERBOSE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search("^onednn_verbose.*,convolution,", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    "precision, flags, emulated",
    [
        ("mixed_bfloat16", "sse2 avx2", True),
        ("mixed_bfloat16", "sse2 avx512_bf16", False),
        ("mixed_float16", "sse2 avx512_bf16", True),
        ("float32", "sse2", False),
        ("mixed_bfloat16", "asimd bf16", False),
    ],
)
def test_a_precision_without_instructions_is_emulated(precision: str, flags: str, emulated: bool):
    assert devices.is_emulated(precision, set(flags.split())) is emulated


def test_an_emulated_precision_is_announced(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(devices, "processor_features", lambda: {"sse2", "avx2"})
    assert devices.precision_policy("mixed_bfloat16") == "mixed_bfloat16"
    assert "mixed_bfloat16 is emulated on this processor, which lacks amx_bf16 and avx512_bf16" in caplog.text
    caplog.clear()
    assert devices.precision_policy("auto") == "float32" and not caplog.text
