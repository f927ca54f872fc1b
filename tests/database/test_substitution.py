"""Substituted crystals: every assignment, realistic volumes, no duplicates."""

import pytest
from pymatgen.core import Composition, Element, Lattice, Structure

from ccdcgan.crystals.structures import Crystal, shortest_distance, standard_cell
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.substitution import estimate_volume, substitute
from ccdcgan.database.substitution_rules import SubstitutionRules, substitution_probability
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt

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
    assert (table["reason"] == "duplicate").sum() == 3  # rock salt with exchanged elements is the same crystal
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
    """The volume of a molecular prototype, with short bonds and voids, is limited."""
    molecule = standard_cell(cesium_chloride(20.0))
    molecule.translate_sites([1], [0.4, 0.4, 0.4])
    structure = standard_cell(molecule)
    own = sum(Element(symbol).molar_volume * 1.66054 for symbol in ("Bi", "Se"))
    assert estimate_volume(structure) <= 1.6 * own * 1.001
    assert shortest_distance(structure) < 5


def test_oxidation_states_exclude_compositions_without_charge_balance():
    prototypes = [prototype("salt", rock_salt()), prototype("layers", bi2se3())]
    rules = SubstitutionRules(assignments="oxidation_states")
    crystals, table = substitute(prototypes, ["Mg", "O"], range(2, 3), 12.0, Uniqueness(MATCHER), rules=rules)
    assert {crystal.formula for crystal in crystals} == {"MgO"}
    left_out = table[table["reason"] == "no_charge_balance"]
    assert set(left_out["formula"]) == {"Mg2O3", "Mg3O2"}
    for formula, passes in (("Bi2Se3", True), ("V2O5", True), ("Bi", True), ("MgMn", False)):
        composition = Composition(formula)
        same = {element.symbol: element.symbol for element in composition}
        assert (rules.refusal(composition, same) is None) == passes


@pytest.mark.parametrize(
    ("prototype", "replaced", "reason"),
    [
        ("NaCl", {"Na": "K", "Cl": "Cl"}, ""),
        ("NaCl", {"Na": "Na", "Cl": "Cl"}, ""),  # nothing is exchanged
        ("CaO", {"Ca": "Mg", "O": "O"}, ""),
        ("Fe2O3", {"Fe": "V", "O": "O"}, ""),
        ("Sb2S3", {"Sb": "Bi", "S": "Se"}, ""),
        ("NaCl", {"Na": "Cl", "Cl": "Na"}, "improbable"),  # an anion replaces a cation
        ("NaCl", {"Na": "V", "Cl": "O"}, "improbable"),
        ("NaCl", {"Na": "Mg", "Cl": "Mn"}, "no_charge_balance"),
        ("CuAu", {"Cu": "Na", "Au": "Cl"}, "unknown_ions"),  # a salt from an alloy
        ("Cu", {"Cu": "Bi"}, ""),
    ],
)
def test_ions_that_known_crystals_exchange_pass(prototype, replaced, reason):
    refusal = SubstitutionRules("probability").refusal(Composition(prototype), replaced)
    assert (refusal[0] if refusal else "") == reason


def test_the_threshold_decides():
    exchange = Composition("NaCl"), {"Na": "K", "Cl": "Br"}
    probability = substitution_probability(*exchange)
    assert 1e-4 < probability < 1
    assert SubstitutionRules("probability", 0.99 * probability).refusal(*exchange) is None
    assert SubstitutionRules("probability", 1.01 * probability).refusal(*exchange)[0] == "improbable"
    assert substitution_probability(Composition("NaCl"), {"Na": "Cl", "Cl": "Na"}) < 0.1 * probability


def test_volumes_can_be_those_of_the_elements():
    structure = standard_cell(bi2se3())
    own = sum(Element(site.specie.symbol).molar_volume for site in structure) / 0.60221408
    assert estimate_volume(structure, "elements") == pytest.approx(own, rel=1e-6)
    assert estimate_volume(structure, "elements") == pytest.approx(structure.volume, rel=0.1)


def test_noble_gases_take_the_sum_of_the_atomic_volumes():
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5), ["Xe", "F"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert estimate_volume(structure) == pytest.approx(estimate_volume(structure, "elements"))
