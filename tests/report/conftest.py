"""Tables of a run, small enough to check by hand."""

import numpy as np
import pandas as pd
import pytest

from ccdcgan import quantities
from ccdcgan.evaluation.summary import summarise
from ccdcgan.utils.tables import is_true

PAPER_SCHEMES = ("dcgan", "dcgan+constraint", "ccdcgan")
ELEMENTS = ("Bi", "Se")
FORMULAS = {0.2: "Bi4Se", 0.5: "BiSe", 0.6: "Bi2Se3", 0.75: "BiSe3"}


def hull(fraction):
    return np.interp(fraction, [0, 0.5, 0.6, 1], [0, -0.24, -0.39, 0])


@pytest.fixture
def database() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    fraction = np.array([0.6, 0.5, *rng.choice(list(FORMULAS), 48)])
    distance = np.array([0, 0, *rng.gamma(2, 0.1, 48)])
    frame = pd.DataFrame(
        {
            "id": [f"db-{i:03d}" for i in range(50)],
            "formula": [FORMULAS[x] for x in fraction],
            "fraction": fraction,
            "formation_energy": hull(fraction) + distance,
            "e_above_hull": distance,
            "status": "ok",
            "reason": "",
        }
    )
    failed = frame.index[-5:]
    frame.loc[failed, ["status", "reason"]] = ["failed", "not_converged"]
    frame.loc[failed, ["formation_energy", "e_above_hull"]] = np.nan
    return frame


@pytest.fixture
def candidates() -> pd.DataFrame:
    """Four of dcgan, two of which passed the screen, and three of ccdcgan, one below the hull."""
    rows = [
        ("dcgan", "d0", 0.6, 0.05, True, "stable", "R-3m"),
        ("dcgan", "d1", 0.2, 0.12, True, "unstable", "P1"),
        ("dcgan", "d2", 0.5, 0.11, False, "meta-stable", "C2/m"),
        ("dcgan", "d3", 0.5, np.nan, None, "", None),
        ("dcgan+constraint", "d0", 0.6, 0.05, True, "stable", "R-3m"),
        ("dcgan+constraint", "d2", 0.5, 0.11, False, "meta-stable", "C2/m"),
        ("ccdcgan", "c0", 0.6, -0.0125, True, "stable", "R-3m"),
        ("ccdcgan", "c1", 0.75, 0.149, True, "meta-stable", "Pnma"),
        ("ccdcgan", "c2", 0.2, 0.4, True, "unstable", "P1"),
    ]
    names = ["scheme", "id", "fraction", "e_above_hull", "distinct", "stability", "space_group"]
    frame = pd.DataFrame(rows, columns=names)
    frame["formula"] = frame["fraction"].map(FORMULAS)
    frame["formation_energy"] = hull(frame["fraction"]) + frame["e_above_hull"]
    frame["status"] = np.where(frame["formation_energy"].notna(), "ok", "failed")
    frame["reason"] = np.where(frame["formation_energy"].notna(), "", "wall_clock")
    return frame.assign(known="", repaired="", rmsd=0.2, **dict.fromkeys(quantities.GUESSES.values(), -0.1))


@pytest.fixture
def known() -> pd.DataFrame:
    """Two compounds of the sources that the database lacks, one that it has, one failure and an element."""
    rows = [
        ("oqmd-1", "Bi4Se3", 3 / 7, -0.33, 0.0, "R-3m", "ok", "", "", -0.27),
        ("oqmd-2", "BiSe", 0.5, hull(0.5) + 0.1, 0.11, "Fm-3m", "ok", "", "", -0.16),
        ("oqmd-3", "Bi2Se3", 0.6, hull(0.6), 0.0, "R-3m", "ok", "", "db-000", -0.39),
        ("oqmd-4", "BiSe3", 0.75, np.nan, np.nan, "", "failed", "not_converged", "", -0.1),
        ("oqmd-5", "Se", 1.0, 0.01, 0.01, "P3_121", "ok", "", "", 0.0),
    ]
    names = ["id", "formula", "fraction", "formation_energy", "e_above_hull", "space_group", "status", "reason"]
    return pd.DataFrame(rows, columns=[*names, "repeats", "source_formation_energy"]).assign(source="oqmd")


@pytest.fixture
def summary(candidates) -> pd.DataFrame:
    made = {"dcgan": 2397, "dcgan+constraint": 1998, "ccdcgan": 3106}
    rows = []
    for scheme, n in made.items():
        sent = candidates[candidates["scheme"] == scheme].assign(distinct=lambda f: is_true(f["distinct"]))
        rows += [{"scheme": scheme} | row for row in summarise(sent, 12000, n, 1200, 0.1)]
    return pd.DataFrame(rows)


@pytest.fixture
def losses() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "scheme": ["dcgan", "ccdcgan", "dcgan"],
            "reason": ["too_close", "too_close", "wall_clock"],
            "count": [9603, 8894, 1],
        }
    )


@pytest.fixture
def parity() -> pd.DataFrame:
    true = np.array([-0.4, -0.2, 0.0, 0.2, -0.3, 0.1])
    error = np.array([0.01, -0.01, 0.01, -0.01, 0.1, 0.1])
    split = ["train"] * 4 + ["held_out"] * 2
    return pd.DataFrame({"id": list("abcdef"), "split": split, "formation_energy": true, "predicted": true + error})
