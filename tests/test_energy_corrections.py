"""The error of an engine's formation energies: what is learned from points of DFT, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition, Lattice, Structure

from ccdcgan.database import hull_of, to_table, with_formation_energies, with_hull_distances
from ccdcgan.energy_corrections import best_form, correction_of, left_out_errors, rms
from ccdcgan.errors import InputError
from ccdcgan.files import write_csv
from ccdcgan.measured import measured_points
from ccdcgan.structures import Crystal

FORMULAS = ["Cu3Au", "Cu2Au", "CuAu", "Cu2Au3", "CuAu2", "CuAu3", "Cu3Au2", "CuAu4"]
ELEMENTS = ["Au", "Cu"]


def points(error) -> pd.DataFrame:
    """Return points whose engine is off by ``error(fraction of Au, DFT energy, number)``, eV/atom."""
    energies = [-0.3, -0.1, 0.1, -0.2, 0.05, 0.2, -0.05, 0.15]
    fractions = [Composition(formula).get_atomic_fraction("Au") for formula in FORMULAS]
    off = [error(x, energy, number) for number, (x, energy) in enumerate(zip(fractions, energies, strict=True))]
    return pd.DataFrame({"formula": FORMULAS, "pbe": energies, "emt": np.add(energies, off)})


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("offset", lambda x, energy, number: -0.4 * x * (1 - x)),
        ("linear", lambda x, energy, number: x * (1 - x) * (0.1 + 0.6 * (2 * x - 1))),
        ("share", lambda x, energy, number: 0.25 * energy),
        ("offset and share", lambda x, energy, number: -0.5 * energy - 0.3 * x * (1 - x)),
    ],
)
def test_an_error_of_a_known_form_is_found_and_taken_away(tmp_path: Path, form: str, error) -> None:
    table = points(error)
    write_csv(tmp_path / "points.csv", table)
    correction = correction_of("lj+emt", ELEMENTS, tmp_path / "points.csv")
    assert correction.form == form
    assert correction.uncertainty == pytest.approx(0, abs=1e-9)
    for row in table.itertuples():
        assert row.emt + correction.shift(Composition(row.formula), row.emt) == pytest.approx(row.pbe)
    assert correction.shift(Composition("Cu"), 0.0) == 0.0


def test_an_error_without_form_is_not_corrected_but_stated(tmp_path: Path) -> None:
    table = points(lambda x, energy, number: 0.05 * (-1) ** number)
    write_csv(tmp_path / "points.csv", table)
    correction = correction_of("emt", ELEMENTS, tmp_path / "points.csv")
    assert (correction.form, correction.coefficients, correction.n_points) == ("none", (), 8)
    assert correction.uncertainty == pytest.approx(0.05)
    assert correction.shift(Composition("CuAu"), -0.1) == 0


def test_points_are_judged_by_fits_that_have_not_seen_them() -> None:
    table = points(lambda x, energy, number: 0.3 if number == 2 else 0.0)
    left_out = left_out_errors(table, "emt", ELEMENTS)
    assert rms(left_out["offset"]) > rms(left_out["none"])  # seen, the point alone would make the offset look good
    assert best_form(left_out) == "none"


def test_what_was_never_measured_has_no_uncertainty() -> None:
    assert np.isnan(correction_of("7net-l3i5", ["Mg", "O"]).uncertainty)
    assert np.isnan(correction_of("vasp-PBE", ["Bi", "Se"]).uncertainty)


@pytest.mark.parametrize("model", ["7net-0", "7net-l3i5", "7net-mf-0"])
def test_the_measured_points_of_the_default_system_state_every_models_error(model: str) -> None:
    table = pd.read_csv(measured_points(["Bi", "Se"]))
    correction = correction_of(model, ["Bi", "Se"])
    assert correction.form == "none" and correction.n_points == len(table)
    assert correction.uncertainty == pytest.approx(np.sqrt(((table[model] - table["pbe"]) ** 2).mean()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="emt"), "no column emt"),
        (lambda table: table.head(4), "has 4 points of emt; give 5"),
        (lambda table: table.assign(formula="CuZn"), "crystals with Zn"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "points.csv"
    write_csv(path, change(points(lambda x, energy, number: 0.0)))
    with pytest.raises(InputError, match=message):
        correction_of("emt", ELEMENTS, path)


def test_both_energies_and_the_uncertainty_stand_in_the_table(tmp_path: Path) -> None:
    write_csv(tmp_path / "points.csv", points(lambda x, energy, number: -0.4 * x * (1 - x)))
    correction = correction_of("emt", ELEMENTS, tmp_path / "points.csv")
    info = {"status": "ok", "energy_per_atom": -0.2}
    structure = Structure(Lattice.tetragonal(2.8, 3.9), ["Au", "Cu"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystals = with_formation_energies([Crystal("a", structure, info)], {"Au": 0.0, "Cu": 0.0}, correction)
    (row,) = to_table(with_hull_distances(crystals, hull_of(crystals, ELEMENTS), 0.04), ELEMENTS).to_dict("records")
    assert row["uncorrected_formation_energy"] == pytest.approx(-0.2)
    assert row["formation_energy"] == pytest.approx(-0.1)
    assert row["e_above_hull_uncertainty"] == 0.04
