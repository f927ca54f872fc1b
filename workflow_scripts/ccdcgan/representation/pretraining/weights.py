"""Weights of pre-trained autoencoders: arrays of half precision in one file for each network, without pickles."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ccdcgan.representation.autoencoders import Autoencoder, build_autoencoder
from ccdcgan.representation.pretraining.shipped import shipped_record, weights_file
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_arrays, write_arrays


def save_weights(path: str | Path, autoencoder: Autoencoder) -> None:
    """Write the weights of an autoencoder (.npz), rounded to half precision."""
    arrays = {f"weight_{number}": array for number, array in enumerate(autoencoder.model.get_weights())}
    write_arrays(path, **{name: array.astype(np.float16) for name, array in arrays.items()})


def load_weights(path: str | Path, settings: Mapping[str, Any]) -> Autoencoder:
    """Return an autoencoder with the weights written by :func:`save_weights`, in single precision.

    Args:
        path: The file.
        settings: Settings of the network: grid, filters, latent and activation.

    Raises:
        InputError: The file does not hold the weights of such a network.
    """
    shape = int(settings["grid"]), int(settings["filters"]), int(settings["latent"]), settings["activation"]
    autoencoder = build_autoencoder(*shape)
    try:
        stored = read_arrays(path)
        arrays = [stored[f"weight_{number}"].astype(np.float32) for number in range(len(stored))]
        autoencoder.model.set_weights(arrays)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} does not hold the weights of an autoencoder with these settings ({error}); restore it with "
            "git checkout."
        ) from error
    return autoencoder


def load_pretrained(network: str) -> Autoencoder:
    """Return the pre-trained autoencoder that is shipped with the workflow.

    Args:
        network: ``sites`` or ``lattice``.
    """
    return load_weights(weights_file(network), shipped_record()["networks"][network]["settings"])
