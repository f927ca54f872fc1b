"""Common parts of all constraints: training data, predictions and their errors, saved models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from ccdcgan.models.constraint.gaussian_process_layer import GaussianProcess
from ccdcgan.models.dense_networks import ToRows
from ccdcgan.utils.errors import InputError

HISTORY_COLUMNS = ("step", "loss", "held_out_mae")
PARITY_COLUMNS = ("id", "split", "formation_energy", "predicted")
CUSTOM_LAYERS = {layer.__name__: layer for layer in (ToRows, GaussianProcess)}
"""Layers of a constraint that are not Keras's own."""


@dataclass(frozen=True)
class ConstraintData:
    """Labelled crystal graphs of n crystals.

    Attributes:
        ids: Ids of the crystals, (n,).
        graphs: Crystal graphs, (n, side, side, 1), float32.
        values: Formation energies, eV/atom, or another property, (n,), float32.
        held_out: Which crystals are not trained on, (n,) of bool.
        unit: Unit of the values in messages, with a leading space; "" if there is none.
    """

    ids: np.ndarray
    graphs: np.ndarray
    values: np.ndarray
    held_out: np.ndarray
    unit: str = " eV/atom"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.asarray(self.values, dtype=np.float32))
        object.__setattr__(self, "held_out", np.asarray(self.held_out, dtype=bool))

    def check(self) -> None:
        """Check that these are the data of one training.

        Raises:
            InputError: The lengths differ, fewer than two crystals are left to train on, or a number is not finite.
        """
        if not len(self.graphs) == len(self.values) == len(self.held_out):
            raise InputError(
                f"there are {len(self.graphs)} crystal graphs, {len(self.values)} formation energies and "
                f"{len(self.held_out)} marks of the held-out part; one of each per crystal is needed."
            )
        if np.count_nonzero(~self.held_out) < 2:
            raise InputError(
                f"the constraint has {np.count_nonzero(~self.held_out)} crystals to train on; at least 2 are needed: "
                "use a larger database or lower constraint.held_out."
            )
        if not np.all(np.isfinite(self.values)) or not np.all(np.isfinite(self.graphs)):
            raise InputError("a formation energy or a crystal graph is not a number; leave failed crystals out.")

    def held_out_error(self, model: keras.Model) -> float | str:
        """Return the mean absolute error on the held-out crystals, "" if there are none."""
        return mean_error(model, self.graphs[self.held_out], self.values[self.held_out])


def load_constraint(path: str | Path) -> keras.Model:
    """Read a constraint of any kind, or an objective that combines several."""
    return keras.models.load_model(path, compile=False, custom_objects=CUSTOM_LAYERS)


def predict(model: keras.Model, graphs: np.ndarray, batch: int = 256) -> np.ndarray:
    """Return the predictions of a constraint.

    The last batch is padded. Only one shape is compiled, and a prediction does not depend on the number of graphs.

    Args:
        model: The constraint.
        graphs: Crystal graphs, (n, side, side, 1).
        batch: Number of crystal graphs in a batch.

    Returns:
        Predictions, (n,); eV/atom for formation energies.
    """
    predictions = []
    for start in range(0, len(graphs), batch):
        part = graphs[start : start + batch]
        padded = np.pad(part, [(0, batch - len(part)), (0, 0), (0, 0), (0, 0)])
        predictions.append(np.asarray(model.predict_on_batch(padded), dtype=float)[: len(part), 0])
    return np.concatenate(predictions) if predictions else np.empty(0)


def mean_error(model: keras.Model, graphs: np.ndarray, values: np.ndarray) -> float | str:
    """Return the mean absolute error of the predictions.

    Args:
        model: The constraint.
        graphs: Crystal graphs, (n, side, side, 1).
        values: True values, (n,).

    Returns:
        The error in the unit of the values; "" for no crystals.
    """
    return float(np.abs(predict(model, graphs) - values).mean()) if len(graphs) else ""


def parity(
    model: keras.Model, ids: Sequence[str], graphs: np.ndarray, energies: np.ndarray, held_out: np.ndarray
) -> pd.DataFrame:
    """Return the table of predicted against true formation energies, one row per crystal.

    Args:
        model: The constraint.
        ids: Ids of the crystals, (n,).
        graphs: Their crystal graphs, (n, side, side, 1).
        energies: Their formation energies, (n,), eV/atom.
        held_out: Which crystals were not trained on, (n,) of bool.

    Returns:
        Table with PARITY_COLUMNS; split is train or held_out.
    """
    return pd.DataFrame(
        {
            "id": np.asarray(ids, dtype=str),
            "split": np.where(np.asarray(held_out, dtype=bool), "held_out", "train"),
            "formation_energy": np.asarray(energies, dtype=float),
            "predicted": predict(model, graphs),
        },
        columns=PARITY_COLUMNS,
    )
