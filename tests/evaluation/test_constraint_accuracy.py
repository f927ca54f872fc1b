"""Baselines with which the errors of the constraint are compared."""

import numpy as np
import pandas as pd
import pytest

from ccdcgan.evaluation.constraint_accuracy import (
    METHODS,
    compare_with_baselines,
    composition_mean,
    features,
    gradient_boosting,
)


def database(n: int = 120) -> pd.DataFrame:
    """Crystals whose formation energy is a function of composition and volume, and a little noise."""
    rng = np.random.default_rng(0)
    formulas = np.array(["Bi2Se3", "BiSe", "BiSe2"])[rng.integers(0, 3, n)]
    volume = rng.uniform(20, 30, n)
    offset = pd.Series(formulas).map({"Bi2Se3": -0.3, "BiSe": -0.1, "BiSe2": 0.1}).to_numpy()
    return pd.DataFrame(
        {
            "id": [f"c{i}" for i in range(n)],
            "formula": formulas,
            "volume_per_atom": volume,
            "n_atoms": rng.integers(2, 9, n),
            "formation_energy": offset + 0.02 * (volume - 25) + 0.005 * rng.standard_normal(n),
        }
    )


def test_features_are_fractions_volume_and_number():
    table = pd.DataFrame({"formula": ["Bi2Se3"], "volume_per_atom": [28.0], "n_atoms": [5]})
    np.testing.assert_allclose(features(table, ["Bi", "Se"]), [[0.4, 0.6, 28.0, 5.0]])


def test_the_mean_of_a_composition_and_of_all_for_an_unknown_one():
    train = pd.DataFrame({"formula": ["BiSe", "BiSe", "Bi2Se3"], "formation_energy": [0.0, 0.2, -0.5]})
    asked = pd.DataFrame({"formula": ["BiSe", "Bi2Se3", "BiSe7"]})
    np.testing.assert_allclose(composition_mean(train, asked), [0.1, -0.5, -0.1])


def test_boosting_uses_the_volume_and_repeats():
    table = database()
    train, rest = table.iloc[:90], table.iloc[90:]
    guess = gradient_boosting(train, rest, ["Bi", "Se"], 1)
    true = rest["formation_energy"].to_numpy()
    assert np.abs(guess - true).mean() < 0.5 * np.abs(composition_mean(train, rest) - true).mean()
    assert np.array_equal(guess, gradient_boosting(train, rest, ["Bi", "Se"], 1))


def test_every_method_is_judged_on_the_same_crystals():
    table = database()
    parity = table[["id", "formation_energy"]].assign(
        split=np.where(np.arange(len(table)) % 5 == 0, "held_out", "train"), predicted=table["formation_energy"] + 0.01
    )
    crystals = table.drop(columns="formation_energy")
    metrics = compare_with_baselines({"random": parity, "prototype": parity}, crystals, ["Bi", "Se"], 1)
    held_out = metrics[(metrics["split"] == "held_out") & (metrics["held_out_by"] == "prototype")].set_index("method")
    assert tuple(held_out.index) == METHODS and set(held_out["n"]) == {24}
    assert held_out.loc["constraint", "mae"] == pytest.approx(0.01)
    assert held_out.loc["training mean", "r2"] < held_out.loc["composition mean", "r2"] < 1
    none = compare_with_baselines({"random": parity.assign(split="train")}, crystals, ["Bi", "Se"], 1)
    assert none.loc[none["split"] == "held_out", "n"].tolist() == [0] * len(METHODS)
