"""What the constraint must beat: guesses of the formation energy that never see where the atoms are.

On the same split as the constraint: the mean energy of the composition, and gradient boosting on composition, volume
per atom and number of atoms. With every crystal's relaxed siblings in the training set (split at random) such guesses
are good already; held out by prototype they show what a network has learned of crystals.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.core import Composition
from sklearn.ensemble import GradientBoostingRegressor

from ccdcgan import columns

METHODS = ("constraint", "training mean", "composition mean", "gradient boosting")
"""The constraint and its baselines, in the order of the table."""


def composition_mean(train: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Return for each crystal (n,) the mean formation energy, eV/atom, of its formula among the training crystals.

    train, table: formula; train also formation_energy. A formula not in ``train`` gets the mean of all.
    """
    means = train.groupby("formula")["formation_energy"].mean()
    return table["formula"].map(means).fillna(train["formation_energy"].mean()).to_numpy(dtype=float)


def features(table: pd.DataFrame, elements: Sequence[str]) -> np.ndarray:
    """Return (n, n_elements + 2): atomic fractions, volume per atom (angstrom^3) and atoms in the cell.

    table: formula, volume_per_atom, n_atoms.
    """
    compositions = [Composition(formula) for formula in table["formula"]]
    fractions = [[composition.get_atomic_fraction(element) for element in elements] for composition in compositions]
    rest = table[["volume_per_atom", "n_atoms"]].to_numpy(dtype=float).reshape(-1, 2)
    return np.concatenate([np.array(fractions, dtype=float).reshape(-1, len(elements)), rest], axis=1)


def gradient_boosting(train: pd.DataFrame, table: pd.DataFrame, elements: Sequence[str], seed: int) -> np.ndarray:
    """Return formation energies (n,), eV/atom, that gradient-boosted trees on :func:`features` predict."""
    model = GradientBoostingRegressor(
        n_estimators=200, max_depth=3, learning_rate=0.05, subsample=0.8, random_state=seed
    )
    model.fit(features(train, elements), train["formation_energy"].to_numpy(dtype=float))
    return model.predict(features(table, elements))


def compare_with_baselines(
    parities: Mapping[str, pd.DataFrame], database: pd.DataFrame, elements: Sequence[str], seed: int
) -> pd.DataFrame:
    """Return how well the constraint and every baseline predict: held_out_by, split, method, n, r2, mae (eV/atom).

    parities: how crystals were held out (random, prototype) -> parity table of a constraint trained without them: id,
    split (train, held_out), formation_energy, predicted; database: id, formula, volume_per_atom, n_atoms.
    """
    known = database.set_index("id")[["formula", "volume_per_atom", "n_atoms"]]
    rows = []
    for mode, parity in parities.items():
        table = parity.join(known, on="id", validate="one_to_one")
        train = table[table["split"] == "train"]
        guesses = {
            "constraint": table["predicted"].to_numpy(dtype=float),
            "training mean": np.full(len(table), train["formation_energy"].mean()),
            "composition mean": composition_mean(train, table),
            "gradient boosting": gradient_boosting(train, table, elements, seed),
        }
        true = table["formation_energy"].to_numpy(dtype=float)
        for split in columns.SPLITS:
            part = (table["split"] == split).to_numpy()
            rows += [
                {"held_out_by": mode, "split": split, "method": method} | _errors(true[part], guesses[method][part])
                for method in METHODS
            ]
    return pd.DataFrame(rows)


def _errors(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return n, R2 (NaN for fewer than two different energies) and MAE."""
    if not len(true):
        return {"n": 0, "r2": np.nan, "mae": np.nan}
    total = float(((true - true.mean()) ** 2).sum())
    r2 = 1 - float(((predicted - true) ** 2).sum()) / total if total > 0 else np.nan
    return {"n": len(true), "r2": r2, "mae": float(np.abs(predicted - true).mean())}


def parity_metrics(parity: pd.DataFrame) -> pd.DataFrame:
    """Return how well the constraint predicts each split: split, n, r2, mae, baseline_mae (eV/atom).

    parity: id, split, formation_energy, predicted; rows with a missing number are left out. ``baseline_mae``
    is that of answering the training energies' mean. R2 is NaN for fewer than two different energies.
    """
    names = ["formation_energy", "predicted"]
    parity = columns.complete(parity, "split", *names).dropna(subset=names)
    pairs = {split: parity.loc[parity["split"] == split, names].to_numpy(dtype=float).T for split in columns.SPLITS}
    training = pairs["train"][0]
    guess = training.mean() if len(training) else np.nan
    rows = []
    for split, (true, predicted) in pairs.items():
        row = {"split": split, "n": len(true), "r2": np.nan, "mae": np.nan, "baseline_mae": np.nan}
        if len(true):
            total = float(((true - true.mean()) ** 2).sum())
            row["r2"] = 1 - float(((predicted - true) ** 2).sum()) / total if total > 0 else np.nan
            row["mae"] = float(np.abs(predicted - true).mean())
            row["baseline_mae"] = float(np.abs(true - guess).mean())
        rows.append(row)
    return pd.DataFrame(rows)
