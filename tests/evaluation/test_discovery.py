"""Speed of discovery: curves, factors relative to random crystals, and their rows in the summary."""

import math

import numpy as np
import pandas as pd
import pytest

from ccdcgan import quantities
from ccdcgan.evaluation.discovery import (
    acceleration_factor,
    area_under_curve,
    discovery_curve,
    discovery_rows,
    enhancement_factor,
)
from ccdcgan.evaluation.summary import in_order_of_quantities


def table(scheme: str, finds: str) -> pd.DataFrame:
    """One row per relaxation: s, a distinct stable crystal; m, a meta-stable one; r, a stable repeat; u, unstable."""
    labels = {"s": "stable", "m": "meta-stable", "r": "stable", "u": "unstable"}
    return pd.DataFrame(
        {
            "scheme": scheme,
            "distinct": [find in "smu" for find in finds],
            "stability": [labels[find] for find in finds],
        }
    )


def curve(finds: str) -> np.ndarray:
    return discovery_curve(table("x", finds))


def test_a_find_is_distinct_and_at_least_meta_stable():
    assert curve("usrm").tolist() == [0, 0, 1, 1, 2]
    assert curve("").tolist() == [0]


def test_the_enhancement_compares_finds_after_the_same_number_of_relaxations():
    assert enhancement_factor(curve("ssss"), curve("suuu")) == 4
    assert enhancement_factor(curve("ssssssss"), curve("suuu")) == 4  # the first four of each
    assert math.isnan(enhancement_factor(curve("ssss"), curve("uuuu")))


def test_the_acceleration_compares_relaxations_for_the_same_number_of_finds():
    assert acceleration_factor(curve("ss"), curve("uuusus")) == 3  # two finds: 6 relaxations against 2
    assert acceleration_factor(curve("uuus"), curve("ss")) == 0.25  # one find: 1 against 4
    assert acceleration_factor(curve("su"), curve("su")) == 1
    assert math.isnan(acceleration_factor(curve("uu"), curve("su")))


def test_the_area_is_one_if_every_relaxation_is_a_find():
    assert area_under_curve(curve("sss")) == 1
    assert area_under_curve(curve("uuu")) == 0
    assert area_under_curve(curve("suu")) > area_under_curve(curve("uus"))
    assert math.isnan(area_under_curve(curve("")))


def test_rows_of_the_summary_compare_with_random_crystals_if_there_are_any():
    both = pd.concat([table("campaign", "sssu"), table("random", "uusu")])
    rows = pd.DataFrame(discovery_rows(both)).set_index(["scheme", "quantity"])["value"]
    assert rows["campaign", quantities.ENHANCEMENT] == 3 and rows["random", quantities.ENHANCEMENT] == 1
    assert rows["campaign", quantities.ACCELERATION] == 3
    assert rows["campaign", quantities.AREA] == pytest.approx(0.9)
    alone = pd.DataFrame(discovery_rows(table("flow", "su")))
    assert alone.loc[0, ["numerator", "denominator"]].tolist() == [2, 3]
    assert set(alone["quantity"]) == {quantities.AREA}


def test_the_comparison_follows_the_success_rate_of_its_scheme():
    asked = [quantities.SUCCESS_RATE, quantities.STABLE]
    rows = pd.DataFrame([{"scheme": scheme, "quantity": name} for scheme in ("b", "a") for name in asked])
    speed = pd.DataFrame([{"scheme": scheme, "quantity": quantities.ENHANCEMENT} for scheme in ("a", "b")])
    ordered = in_order_of_quantities(pd.concat([rows, speed], ignore_index=True))
    assert ordered["scheme"].tolist() == ["b"] * 3 + ["a"] * 3
    assert ordered["quantity"].tolist() == [quantities.SUCCESS_RATE, quantities.ENHANCEMENT, quantities.STABLE] * 2
