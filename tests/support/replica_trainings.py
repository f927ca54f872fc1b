"""Train small networks on one and on two devices and write their weights.

    python -m tests.support.replica_trainings FOLDER

It runs in its own process, because the processor has to be divided into two devices before TensorFlow is initialised.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ccdcgan.representation.autoencoders import train_autoencoder
from ccdcgan.representation.training_voxels import Augmentation, SitesSource, one_element_sets
from ccdcgan.training import devices
from ccdcgan.training.loop import TrainingRun
from tests.models import test_constraint, test_generators
from tests.representation import test_autoencoders
from tests.support.crystals import rock_salt

ON_ONE = ("autoencoder", "flow")
"""What is trained on one device too: networks without batch normalisation, whose steps are those of the whole batch."""


def trainings() -> dict[str, Callable[[Path], keras.Model]]:
    """Return what is trained, by name; each takes a folder for its files and returns a model."""
    source = SitesSource(one_element_sets([rock_salt()] * 4, 15.0), 16, 15.0, 0.8, Augmentation(subsets=0.3))
    rng = np.random.default_rng(0)
    graphs = rng.uniform(-1, 1, (12, 8, 8, 1)).astype(np.float32)
    data = graphs, graphs.mean(axis=(1, 2, 3)), np.arange(12) == 0

    def autoencoder(folder: Path):
        settings = test_autoencoders.SETTINGS | {"steps": 4, "latent_noise": 0.1}
        run = TrainingRun.at(folder / "sites.npz", "sites autoencoder")
        return train_autoencoder(settings, source, source, run, seed=7).model

    return {
        "autoencoder": autoencoder,
        "constraint": lambda folder: test_constraint.train(folder, data, steps=4, batch=8),
        "flow": lambda folder: test_generators.train(folder, "flow"),
        "dcgan": lambda folder: test_generators.train(folder, "dcgan"),
        "float16": lambda folder: test_generators.train(folder, "flow", precision="mixed_float16"),
    }


def train_all(folder: Path) -> None:
    """Write an .npz of weights for each training: on one device, on two, and on two with a stop in between."""
    physical = tf.config.list_physical_devices("CPU")[:1]
    tf.config.set_logical_device_configuration(physical[0], [tf.config.LogicalDeviceConfiguration()] * 2)
    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    for way, used in {"one": names[:1], "two": names}.items():
        devices.devices = lambda used=used: used
        for name, train in trainings().items():
            if way == "two" or name in ON_ONE:
                save(folder / way / f"{name}.npz", train(made(folder / f"{name}-{way}")))
    stopped = made(folder / "flow-stopped")
    test_generators.train(stopped, "flow", stop_after=4)
    save(folder / "two/resumed.npz", test_generators.train(stopped, "flow"))


def made(folder: Path) -> Path:
    """Make a folder and return it."""
    folder.mkdir(parents=True)
    return folder


def save(path: Path, model) -> None:
    """Write a model's weights in their order."""
    path.parent.mkdir(exist_ok=True)
    np.savez(path, *model.get_weights())


if __name__ == "__main__":
    train_all(Path(sys.argv[1]))
