"""Accuracy of the constraint, compared with baselines that do not use the positions of the atoms.

The baselines are the mean energy of the composition, and gradient boosting on composition, volume per atom and number
of atoms. They use the same split as the constraint. If crystals are held out at random, the training set contains
similar crystals, and such baselines are accurate. If prototypes are held out, the comparison shows whether the network
uses the structure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.core import Composition

from ccdcgan import columns
from ccdcgan.utils.tables import complete

METHODS = ("constraint", "training mean", "composition mean", "gradient boosting")
"""The constraint and its baselines, in the order of the table."""


def errors(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the accuracy of predictions.

    Args:
        true: True values, (n,).
        predicted: Predicted values, (n,), in the same unit.

    Returns:
        n, r2 (coefficient of determination; NaN for fewer than two different values) and mae (mean absolute error).
    """
    if not len(true):
        return {"n": 0, "r2": np.nan, "mae": np.nan}
    total = float(((true - true.mean()) ** 2).sum())
    r2 = 1 - float(((predicted - true) ** 2).sum()) / total if total > 0 else np.nan
    return {"n": len(true), "r2": r2, "mae": float(np.abs(predicted - true).mean())}


def parity_metrics(parity: pd.DataFrame, quantity: str = "formation_energy") -> pd.DataFrame:
    """Return the accuracy of a constraint on each split.

    Args:
        parity: Table with split, predicted and the true values; rows with a missing number are ignored.
        quantity: Column of the true values.

    Returns:
        Table with split, n, r2, mae and baseline_mae (mean absolute error of the mean of the training values).
    """
    names = [quantity, "predicted"]
    parity = complete(parity, "split", *names).dropna(subset=names)
    pairs = {split: parity.loc[parity["split"] == split, names].to_numpy(dtype=float).T for split in columns.SPLITS}
    training = pairs["train"][0]
    mean = training.mean() if len(training) else np.nan
    rows = []
    for split, (true, predicted) in pairs.items():
        baseline = errors(true, np.full(len(true), mean))["mae"]
        rows.append({"split": split} | errors(true, predicted) | {"baseline_mae": baseline})
    return pd.DataFrame(rows)


def composition_mean(train: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Predict formation energies by the mean of the training crystals with the same formula.

    Args:
        train: Training crystals: formula, formation_energy (eV/atom).
        table: Crystals to predict: formula.

    Returns:
        Formation energies, (n,), eV/atom. A formula that is not in ``train`` has the mean of all training crystals.
    """
    means = train.groupby("formula")["formation_energy"].mean()
    return table["formula"].map(means).fillna(train["formation_energy"].mean()).to_numpy(dtype=float)


def features(table: pd.DataFrame, elements: Sequence[str]) -> np.ndarray:
    """Return the features of the gradient boosting.

    Args:
        table: Crystals: formula, volume_per_atom (angstrom^3), n_atoms.
        elements: Elements of the system.

    Returns:
        Atomic fractions, volume per atom (angstrom^3) and number of atoms in the cell, (n, n_elements + 2).
    """
    compositions = [Composition(formula) for formula in table["formula"]]
    fractions = [[composition.get_atomic_fraction(element) for element in elements] for composition in compositions]
    rest = table[["volume_per_atom", "n_atoms"]].to_numpy(dtype=float).reshape(-1, 2)
    return np.concatenate([np.array(fractions, dtype=float).reshape(-1, len(elements)), rest], axis=1)


def gradient_boosting(train: pd.DataFrame, table: pd.DataFrame, elements: Sequence[str], seed: int) -> np.ndarray:
    """Predict formation energies with gradient-boosted trees.

    Args:
        train: Training crystals: the columns of :func:`features`, and formation_energy (eV/atom).
        table: Crystals to predict: the columns of :func:`features`.
        elements: Elements of the system.
        seed: Seed of the subsampling.

    Returns:
        Formation energies, (n,), eV/atom.
    """
    from sklearn.ensemble import GradientBoostingRegressor  # imported here: most uses of this module do not need it

    model = GradientBoostingRegressor(
        n_estimators=200, max_depth=3, learning_rate=0.05, subsample=0.8, random_state=seed
    )
    model.fit(features(train, elements), train["formation_energy"].to_numpy(dtype=float))
    return model.predict(features(table, elements))


def compare_with_baselines(
    parities: Mapping[str, pd.DataFrame], database: pd.DataFrame, elements: Sequence[str], seed: int
) -> pd.DataFrame:
    """Compare the constraint with the baselines.

    Args:
        parities: Method of holding out (random, prototype) -> predictions of the constraint trained with that split:
            id, split (train, held_out), formation_energy and predicted (eV/atom).
        database: Crystals: id, formula, volume_per_atom (angstrom^3), n_atoms.
        elements: Elements of the system.
        seed: Seed of the gradient boosting.

    Returns:
        Table with held_out_by, split, method (METHODS), n, r2 and mae (eV/atom).
    """
    known = database.set_index("id")[["formula", "volume_per_atom", "n_atoms"]]
    rows = []
    for mode, parity in parities.items():
        table = parity.join(known, on="id", validate="one_to_one")
        train = table[table["split"] == "train"]
        predictions = {
            "constraint": table["predicted"].to_numpy(dtype=float),
            "training mean": np.full(len(table), train["formation_energy"].mean()),
            "composition mean": composition_mean(train, table),
            "gradient boosting": gradient_boosting(train, table, elements, seed),
        }
        true = table["formation_energy"].to_numpy(dtype=float)
        for split in columns.SPLITS:
            part = (table["split"] == split).to_numpy()
            for method in METHODS:
                row = {"held_out_by": mode, "split": split, "method": method}
                rows.append(row | errors(true[part], predictions[method][part]))
    return pd.DataFrame(rows)
