"""Substituted crystals: every assignment, sensible volumes, each distinct crystal once."""

import pytest
from pymatgen.core import Element

from ccdcgan.structures import Crystal, shortest_distance, standard_cell
from ccdcgan.substitution import SubstitutionRules, can_balance, estimate_volume, substitute
from ccdcgan.uniqueness import Uniqueness
from tests.crystals import bi2se3, cesium_chloride, rock_salt

MATCHER = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0}


def prototype(name: str, structure) -> Crystal:
    return Crystal(name, standard_cell(structure), {"prototype": name})


def test_all_assignments_without_repeats():
    prototypes = [
        prototype("salt", rock_salt()),
        prototype("layers", bi2se3()),
        prototype("salt again", rock_salt(7.0)),
    ]
    crystals, table = substitute(prototypes, ["V", "O"], range(2, 3), 12.0, Uniqueness(MATCHER))
    assert {crystal.formula for crystal in crystals} == {"VO", "V2O3", "V3O2"}
    assert len(table) == 6  # two assignments of each prototype
    assert (table["reason"] == "duplicate").sum() == 3  # rock salt is its own mirror
    assert [crystal.id for crystal in crystals] == table.loc[table["status"] == "ok", "id"].tolist()


def test_a_ternary_system_takes_binary_prototypes_too():
    crystals, _ = substitute(
        [prototype("salt", rock_salt())], ["Mg", "Mn", "O"], range(2, 4), 12.0, Uniqueness(MATCHER)
    )
    assert {crystal.formula for crystal in crystals} == {"MgO", "MnO", "MgMn"}


def test_long_cells_are_dropped_with_their_length():
    crystals, table = substitute([prototype("layers", bi2se3())], ["Bi", "Se"], range(2, 3), 8.0, Uniqueness(MATCHER))
    assert crystals == []
    assert set(table["reason"]) == {"too_long"}
    assert table["detail"].str.contains("angstrom, at most 8").all()


def test_volume_does_not_depend_on_the_prototypes_own():
    small, large = rock_salt(3.0), rock_salt(9.0)
    assert estimate_volume(standard_cell(small)) == pytest.approx(estimate_volume(standard_cell(large)), rel=1e-6)


def test_volume_of_a_known_crystal_is_sensible():
    structure = standard_cell(bi2se3())
    assert estimate_volume(structure) == pytest.approx(structure.volume, rel=0.25)  # 28.4 angstrom^3/atom


def test_volume_is_bounded_by_the_elements_own():
    """A molecular prototype, all short bonds and voids, must not blow up."""
    molecule = standard_cell(cesium_chloride(20.0))
    molecule.translate_sites([1], [0.4, 0.4, 0.4])
    structure = standard_cell(molecule)
    own = sum(Element(symbol).molar_volume * 1.66054 for symbol in ("Bi", "Se"))
    assert estimate_volume(structure) <= 1.6 * own * 1.001
    assert shortest_distance(structure) < 5


def test_oxidation_states_leave_out_what_cannot_balance():
    prototypes = [prototype("salt", rock_salt()), prototype("layers", bi2se3())]
    rules = SubstitutionRules(assignments="oxidation_states")
    crystals, table = substitute(prototypes, ["Mg", "O"], range(2, 3), 12.0, Uniqueness(MATCHER), rules=rules)
    assert {crystal.formula for crystal in crystals} == {"MgO"}
    left_out = table[table["reason"] == "no_charge_balance"]
    assert set(left_out["formula"]) == {"Mg2O3", "Mg3O2"}
    assert can_balance("Bi2Se3") and can_balance("V2O5") and can_balance("Bi") and not can_balance("MgMn")


def test_volumes_can_be_those_of_the_elements():
    structure = standard_cell(bi2se3())
    own = sum(Element(site.specie.symbol).molar_volume for site in structure) / 0.60221408
    assert estimate_volume(structure, "elements") == pytest.approx(own, rel=1e-6)
    assert estimate_volume(structure, "elements") == pytest.approx(structure.volume, rel=0.1)
