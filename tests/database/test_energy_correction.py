"""Errors of an engine's formation energies: corrections fitted to DFT points, and refused points."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition, Lattice, Structure

from ccdcgan.crystals.gaussian_process import CrystalRegression
from ccdcgan.crystals.structures import Crystal, write_set
from ccdcgan.database.dft_points import measured_points
from ccdcgan.database.energies import (
    EnergyReferences,
    database_energies,
    hull_of,
    to_table,
    with_formation_energies,
    with_hull_distances,
)
from ccdcgan.database.energy_correction import Points, best_form, correction_of, fit_forms, read_points, rms
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import write_csv
from tests.support.alloys import copper_gold

FORMULAS = ["Cu3Au", "Cu2Au", "CuAu", "Cu2Au3", "CuAu2", "CuAu3", "Cu3Au2", "CuAu4"]
ELEMENTS = ["Au", "Cu"]


def points(error) -> pd.DataFrame:
    """Return points whose engine has the error ``error(fraction of Au, DFT energy, number)``, eV/atom."""
    energies = [-0.3, -0.1, 0.1, -0.2, 0.05, 0.2, -0.05, 0.15]
    fractions = [Composition(formula).get_atomic_fraction("Au") for formula in FORMULAS]
    off = [error(x, energy, number) for number, (x, energy) in enumerate(zip(fractions, energies, strict=True))]
    return pd.DataFrame({"formula": FORMULAS, "pbe": energies, "emt": np.add(energies, off)})


def of_formula(formula: str) -> Structure:
    """Return a crystal of a given formula."""
    symbols = [e.symbol for e, n in Composition(formula).items() for _ in range(int(n))]
    return Structure(Lattice.cubic(2.6 * len(symbols)), symbols, [[k / len(symbols)] * 3 for k in range(len(symbols))])


def swollen(seed: int = 0, number: int = 36) -> list[Crystal]:
    """Return elements, without error, and distorted CuAu, whose energy is underestimated more in larger cells."""
    rng = np.random.default_rng(seed)
    crystals = [Crystal(e, of_formula(e), {"pbe": 0.0, "emt": 0.0, "source": "element"}) for e in ELEMENTS]
    for index in range(number):
        edge = 3.8 + 0.02 * index
        structure = copper_gold(edge)
        structure.perturb(0.02, seed=int(rng.integers(1 << 30)))
        energy = -0.1 + 0.3 * rng.random()
        info = {"pbe": energy, "emt": energy - 0.2 * (edge - 3.8), "source": "database"}
        crystals.append(Crystal(f"c{index}", structure, info))
    return crystals


def test_an_offset_of_the_compounds_is_found_and_corrected(tmp_path: Path) -> None:
    table = points(lambda x, energy, number: -0.4 * x * (1 - x))
    write_csv(tmp_path / "points.csv", table)
    correction = correction_of("lj+emt", ELEMENTS, tmp_path / "points.csv")
    assert (correction.form, correction.coefficients) == ("offset", pytest.approx((0.4,)))
    assert correction.uncertainty == pytest.approx(0, abs=1e-9)
    for row in table.itertuples():
        assert row.emt + correction.of(of_formula(row.formula))[0] == pytest.approx(row.pbe)
    assert correction.of(of_formula("Cu"))[0] == 0.0


def test_an_error_without_form_is_not_corrected_but_stated(tmp_path: Path) -> None:
    table = points(lambda x, energy, number: 0.05 * (-1) ** number)
    write_csv(tmp_path / "points.csv", table)
    correction = correction_of("emt", ELEMENTS, tmp_path / "points.csv")
    assert (correction.form, correction.coefficients, correction.n_points) == ("none", (), 8)
    assert correction.uncertainty == pytest.approx(0.05)
    assert correction.of(of_formula("CuAu")) == (0.0, correction.uncertainty)


def test_forms_are_compared_by_leave_one_out_errors() -> None:
    table = points(lambda x, energy, number: 0.3 if number == 2 else 0.0)
    fits = fit_forms(Points(table), "emt", ELEMENTS)
    # if that point were fitted, the offset would seem to help
    assert rms(fits["offset"].left_out) > rms(fits["none"].left_out)
    assert best_form(fits) == "none"


def test_without_points_there_is_no_uncertainty() -> None:
    assert np.isnan(correction_of("7net-l3i5", ["Mg", "O"]).uncertainty)
    assert np.isnan(correction_of("vasp-PBE", ["Bi", "Se"]).uncertainty)


@pytest.mark.parametrize("model", ["7net-0", "7net-l3i5", "7net-mf-0"])
def test_the_measured_points_of_the_default_system_state_every_models_error(model: str) -> None:
    points = read_points(measured_points(["Bi", "Se"]))
    table = points.of(points.compounds).table
    assert (
        len(points.table) - len(table),
        points.table.loc[~np.array(points.compounds), [model, "pbe"]].abs().max().max(),
    ) == (2, 0)
    correction = correction_of(model, ["Bi", "Se"])
    assert correction.form == "none" and correction.n_points == len(table)
    lowest = np.fmin(table["pbe"], table["pbe_relaxed"])
    assert correction.uncertainty == pytest.approx(np.sqrt(((table[model] - lowest) ** 2).mean()))


def test_the_lowest_dft_energy_is_the_truth() -> None:
    given = {"formula": ["CuAu", "Cu3Au", "CuAu3"], "pbe": [-0.1, -0.2, 0.0], "emt": [-0.2, -0.2, -0.2]}
    relaxed = Points(
        pd.DataFrame(given | {"pbe_relaxed": [-0.15, np.nan, 0.01]})
    )  # the last one relaxed to a higher energy
    np.testing.assert_allclose(relaxed.errors("emt"), [-0.05, 0.0, -0.2])
    np.testing.assert_allclose(Points(pd.DataFrame(given)).errors("emt"), [-0.1, 0.0, -0.2])


def test_measured_crystals_keep_their_dft_energy_and_others_move_by_the_mean_error() -> None:
    points = read_points(measured_points(["Bi", "Se"]))
    correction = correction_of("7net-0+7net-l3i5", ["Bi", "Se"], "measured")
    assert (
        correction.form == "similarity"
        and correction.uncertainty < correction_of("7net-l3i5", ["Bi", "Se"]).uncertainty
    )
    crystals = zip(points.structures, points.table["7net-l3i5"], points.truth, points.compounds, strict=True)
    for structure, energy, truth, compound in crystals:
        shift, deviation = correction.of(structure)
        assert energy + shift == pytest.approx(truth, abs=0.02)
        assert 0 <= deviation < 0.02 or not compound
    strange = Structure(Lattice.cubic(9.0), ["Bi", "Se"], [[0, 0, 0], [0.1, 0.3, 0.4]])
    shift, deviation = correction.of(strange)
    errors = -points.of(points.compounds).errors("7net-l3i5")
    assert shift == pytest.approx(errors.mean(), abs=0.02) and deviation == pytest.approx(errors.std(), rel=0.3)


def test_errors_of_similar_crystals_are_predicted_from_their_structures(tmp_path: Path) -> None:
    write_set(tmp_path / "points.extxyz", swollen())
    correction = correction_of("emt", ELEMENTS, tmp_path / "points.extxyz")
    assert (correction.form, correction.n_points) == ("similarity", 36)
    fits = fit_forms(read_points(tmp_path / "points.extxyz"), "emt", ELEMENTS)
    assert correction.uncertainty == rms(fits["similarity"].left_out) < 0.2 * rms(fits["offset"].left_out)
    for edge in (3.91, 4.21):
        shift, deviation = correction.of(copper_gold(edge))
        assert shift == pytest.approx(0.2 * (edge - 3.8), abs=0.01)
    assert correction.of(copper_gold(6.0))[1] > 2 * deviation  # unlike all points
    assert correction.of(of_formula("Cu"))[0] == 0.0


def test_the_leave_one_out_error_is_that_of_a_fit_to_the_others() -> None:
    crystals = swollen()
    structures, errors = [c.structure for c in crystals], np.array([c.info["emt"] - c.info["pbe"] for c in crystals])
    process = CrystalRegression.fit(structures, errors, ELEMENTS)
    left = process.left_out()
    for number in (5, 20):
        others = [k for k in range(len(crystals)) if k != number]
        fresh = CrystalRegression.fit([structures[k] for k in others], errors[others], ELEMENTS)
        assert left[number] == pytest.approx(errors[number] - fresh.predict([structures[number]])[0][0], abs=0.004)


def test_similarity_needs_enough_crystals_with_structures(tmp_path: Path) -> None:
    write_set(tmp_path / "few.extxyz", swollen(number=19))
    points = read_points(tmp_path / "few.extxyz")
    assert "similarity" not in fit_forms(points, "emt", ELEMENTS)
    assert "similarity" not in fit_forms(Points(read_points(tmp_path / "few.extxyz").table), "emt", ELEMENTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="emt"), "no column emt"),
        (lambda table: table.drop(columns="pbe"), "no column pbe; it needs formula, pbe or pbe_relaxed, and emt"),
        (lambda table: table.head(4), "has 4 points of emt; give 5"),
        (lambda table: table.assign(formula="CuZn"), "crystals with Zn"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "points.csv"
    write_csv(path, change(points(lambda x, energy, number: 0.0)))
    with pytest.raises(InputError, match=message):
        correction_of("emt", ELEMENTS, path)


def test_a_relaxation_with_dft_is_enough(tmp_path: Path) -> None:
    table = points(lambda x, energy, number: -0.4 * x * (1 - x))
    write_csv(tmp_path / "points.csv", table)
    half = table.assign(pbe_relaxed=table["pbe"], pbe=table["pbe"].where(table.index % 2 == 0))
    write_csv(tmp_path / "half.csv", half)
    write_csv(tmp_path / "relaxed.csv", half.drop(columns="pbe"))
    one, *others = (correction_of("emt", ELEMENTS, tmp_path / f"{name}.csv") for name in ("points", "half", "relaxed"))
    assert [one, one] == others


def test_the_table_contains_both_energies_and_the_uncertainty(tmp_path: Path) -> None:
    write_csv(tmp_path / "points.csv", points(lambda x, energy, number: -0.4 * x * (1 - x)))
    correction = correction_of("emt", ELEMENTS, tmp_path / "points.csv")
    info = {"status": "ok", "energy_per_atom": -0.2}
    structure = Structure(Lattice.tetragonal(2.8, 3.9), ["Au", "Cu"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystals = with_formation_energies(
        [Crystal("a", structure, info)], EnergyReferences({"Au": 0.0, "Cu": 0.0}, correction=correction)
    )
    (row,) = to_table(with_hull_distances(crystals, hull_of(crystals, ELEMENTS)), ELEMENTS).to_dict("records")
    assert row["uncorrected_formation_energy"] == pytest.approx(-0.2)
    assert row["formation_energy"] == pytest.approx(-0.1)
    assert row["e_above_hull_uncertainty"] == correction.uncertainty


def test_the_hull_of_the_database_is_that_of_its_relaxed_crystals() -> None:
    structure = Structure(Lattice.tetragonal(2.8, 3.9), ["Au", "Cu"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    infos = [{"status": "ok", "energy_per_atom": energy} for energy in (-0.2, -0.1)]
    infos += [{"status": "failed", "reason": "too_close", "energy_per_atom": np.nan}]
    crystals = [Crystal(f"c{number}", structure, info) for number, info in enumerate(infos)]
    zero = {"Au": 0.0, "Cu": 0.0}
    placed, hull = database_energies(crystals, EnergyReferences(zero), ELEMENTS)
    assert [crystal.info.get("e_above_hull") for crystal in placed] == [pytest.approx(0), pytest.approx(0.1), None]
    assert {entry.composition.reduced_formula for entry in hull.stable_entries} == {"Au", "Cu", "CuAu"}
    with pytest.raises(InputError, match=r"none of the 1 substituted crystals could be relaxed \(too_close\)"):
        database_energies(crystals[2:], EnergyReferences(zero), ELEMENTS)
