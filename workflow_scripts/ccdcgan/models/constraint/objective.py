"""The objective of the design: one property, or a weighted sum of several.

The objective of Long et al. (Eq. 5) is the formation energy alone. Here each property has its own constraint, crystal
graph -> property, and the objective is the weighted sum of

    p / s  to minimise p,    -p / s  to maximise it,    ((p - v) / s)^2  to bring it towards v,

with s the standard deviation of p over the training crystals, so that weights compare properties of any unit. The
objective is one network, crystal graph -> number, to be minimised. It takes the place of the formation energy wherever
a generator is guided by the gradient of the latter.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from pymatgen.core import Composition
from scipy.constants import atomic_mass

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_csv

CUBIC_ANGSTROM_IN_CM3 = 1e-24


def property_values(table: pd.DataFrame, name: str, file: str | Path | None = None) -> pd.Series:
    """Return a property of the relaxed crystals by id, without those that have no value.

    Args:
        table: Table of the database.
        name: A column of the table, ``density`` (g/cm^3), or a column of ``file``.
        file: CSV with a column ``id``.

    Raises:
        InputError: The file or a column is missing, a value is not a number, or fewer than two crystals have a value.
    """
    relaxed = table[table["status"] == "ok"].set_index("id")
    if file is not None:
        values = _own_values(Path(file), name).reindex(relaxed.index)
    elif name == "density":
        grams = relaxed["formula"].map(lambda formula: Composition(formula).weight / Composition(formula).num_atoms)
        values = grams * atomic_mass * 1e3 / (relaxed["volume_per_atom"] * CUBIC_ANGSTROM_IN_CM3)
    else:
        values = relaxed[name]
    values = values.astype(float).rename(name).dropna()
    if len(values) < 2:
        where = f"{file} holds" if file is not None else "the database holds"
        raise InputError(
            f"properties: {where} {name} for {len(values)} of {len(relaxed)} relaxed crystals; at least 2 are needed, "
            "with the ids of the column id in database/database.csv."
        )
    return values


def _own_values(file: Path, name: str) -> pd.Series:
    """Return the column ``name`` of the user's CSV by id."""
    if not file.is_file():
        raise InputError(f"properties: {file} does not exist; name a CSV with the columns id and {name}.")
    try:
        frame = read_csv(file)
    except ValueError as error:  # includes all parsing errors of pandas
        problem = " ".join(str(error).split())
        raise InputError(f"properties: {file} is not a CSV with the columns id and {name} ({problem}).") from None
    if not {"id", name} <= set(frame):
        raise InputError(f"properties: {file} has the columns {', '.join(frame)}; it must have id and {name}.")
    if (frame["id"] == "").any():
        raise InputError(f"properties: {file} has {int((frame['id'] == '').sum())} rows without an id.")
    if frame["id"].duplicated().any():
        raise InputError(f"properties: {file} names {frame['id'][frame['id'].duplicated()].iloc[0]} twice.")
    numbers = pd.to_numeric(frame[name], errors="coerce")
    wrong = frame.loc[(numbers.isna() & frame[name].notna()) | np.isinf(numbers), name]
    if len(wrong):
        raise InputError(f"properties: {file} has {str(wrong.iloc[0])!r} in its column {name}; numbers are needed.")
    return pd.Series(numbers.to_numpy(), index=frame["id"])


def build_objective(
    constraints: Mapping[str, keras.Model], targets: Sequence[Mapping[str, Any]], scales: Mapping[str, float]
) -> keras.Model:
    """Return the objective: crystal graphs (batch, side, side, 1) to one number each (batch, 1), to be minimised.

    Args:
        constraints: Property -> its constraint.
        targets: Section ``properties`` of the configuration (name, goal, weight).
        scales: Property -> standard deviation over the training crystals.
    """
    graph = keras.Input(next(iter(constraints.values())).input_shape[1:], name="graph")
    terms = []
    for target in targets:
        name, goal, weight = target["name"], target["goal"], float(target["weight"])
        predicted = _copied(constraints[name], graph, name)
        scale = max(float(scales[name]), 1e-6)
        if goal in ("minimise", "maximise"):
            factor = weight / scale if goal == "minimise" else -weight / scale
            terms.append(_rescaled(predicted, factor, 0.0, f"output_term_{name}"))
        else:
            away = _rescaled(
                predicted, weight**0.5 / scale, -(weight**0.5) * float(goal) / scale, f"output_away_{name}"
            )
            terms.append(keras.layers.Multiply(dtype="float32", name=f"output_term_{name}")([away, away]))
    total = keras.layers.Add(dtype="float32", name="output_objective")(terms) if len(terms) > 1 else terms[0]
    return keras.Model(graph, total, name="objective")


def _rescaled(values: Any, factor: float, shift: float, name: str) -> Any:
    """Return ``factor`` times values plus ``shift``."""
    return keras.layers.Rescaling(factor, shift, dtype="float32", name=name)(values)


def _copied(network: keras.Model, graph: Any, name: str) -> Any:
    """Return the output of a copy of a constraint for ``graph``; layers are copied one by one, for one flat model."""
    values, pairs = graph, []
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        copy = type(layer).from_config(layer.get_config() | {"name": f"{layer.name}_{name}"})
        values = copy(values)
        pairs.append((copy, layer))
    for copy, layer in pairs:
        copy.set_weights(layer.get_weights())
    return values


def scale_of(table: pd.DataFrame) -> float:
    """Return the standard deviation of a property over the training crystals of a table of ``train_property``."""
    return float(np.std(table.loc[table["split"] == "train", "value"]))
