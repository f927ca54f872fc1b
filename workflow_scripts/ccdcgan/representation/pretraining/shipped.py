"""The record of the pre-trained autoencoders that are shipped with the workflow, and what they fit.

The record is read without TensorFlow; ``weights`` reads the weights. ``representation/data/README.md`` describes the
files and how they are made.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ccdcgan.utils.files import read_csv

FOLDER = Path(__file__).parent.parent / "data"
NETWORKS = ("lattice", "sites")
NETWORK_KEYS = ("grid", "sigma", "latent", "filters", "activation")
"""Settings that decide the voxels and the shapes of the weights; the others are settings of the training."""


@cache
def shipped_record() -> dict[str, Any]:
    """Return how the shipped weights were made: data, settings, held-out figures, versions (``record.json``)."""
    return json.loads((FOLDER / "record.json").read_text(encoding="utf-8"))


def weights_file(network: str) -> Path:
    """Return the file of the shipped weights of a network, ``sites`` or ``lattice``."""
    return FOLDER / f"{network}.npz"


def history_file(network: str) -> Path:
    """Return the learning curve of the pre-training of a network, ``sites`` or ``lattice``."""
    return FOLDER / f"{network}_history.csv"


def kinds_trained_on() -> set[str]:
    """Return the kinds of prototypes (``crystals.kind_of``) that the shipped weights were trained on."""
    table = read_csv(FOLDER / "kinds.csv")
    return set(table.loc[table["split"] == "train", "kind"])


def first_difference(representation: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Return the first key of a configuration for which the shipped weights do not fit.

    Args:
        representation: Section ``representation`` of the configuration.

    Returns:
        Key (without ``representation.``), its value, and the value that the weights need; None if the weights fit.
    """
    record = shipped_record()
    if float(representation["box"]) != float(record["box"]):
        return "box", representation["box"], record["box"]
    for network in NETWORKS:
        for key in NETWORK_KEYS:
            value, needed = representation[network][key], record["networks"][network]["settings"][key]
            if value != needed:
                return f"{network}.{key}", value, needed
    return None
