"""The distance rule of candidates by pairs of elements."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.candidates.distance_rule import EXPANDED, expand
from ccdcgan.crystals.distances import AUTO, PairDistances, bond_table, distance_rules, rejected_bonds, satisfies
from ccdcgan.crystals.structures import shortest_distance
from ccdcgan.report.data import ReportData
from ccdcgan.report.sentences import findings
from ccdcgan.representation.voxel_decoding import assemble_crystal


def rock_salt(first: str, second: str, a: float) -> Structure:
    """Return AB in rock salt with the cubic edge ``a`` (angstrom)."""
    lattice = Lattice(np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * a / 2)
    return Structure(lattice, [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]])


OXIDE = rock_salt("V", "O", 3.3)  # V-O 1.65 angstrom, V-V and O-O 2.33


def test_limits_come_from_the_shortest_bond_of_each_pair():
    table = bond_table([OXIDE, rock_salt("V", "O", 4.1)], ["V", "O"], AUTO).set_index("pair")
    assert table.loc["O-V", "shortest"] == pytest.approx(1.65)
    assert table.loc["O-V", "limit"] == pytest.approx(0.75 * 1.65, abs=1e-3)
    assert np.isnan(table.loc["O-O", "shortest"])  # 2.33 angstrom is no bond of oxygen
    assert table.loc["O-O", "limit"] == pytest.approx(0.75 * 1.32, abs=1e-3)


def test_a_number_that_rejects_bonds_of_the_database_is_noticed(tmp_path):
    table = bond_table([OXIDE], ["V", "O"], 2.0)
    assert list(rejected_bonds(table)["pair"]) == ["O-V"] and set(table["limit"]) == {2.0}
    assert rejected_bonds(bond_table([OXIDE], ["V", "O"], AUTO)).empty
    sentences = " ".join(map(str, findings("V-O", ReportData(distances=table), [])))
    assert "rejects bonds of the database itself (O-V 1.65" in sentences


def test_the_rule_of_a_run_is_read_from_its_table(tmp_path):
    bond_table([OXIDE], ["V", "O"], AUTO).to_csv(tmp_path / "distances.csv", index=False)
    rules = distance_rules({"min_distance": AUTO, "max_atoms": 20}, tmp_path / "distances.csv")
    assert rules["max_atoms"] == 20 and satisfies(OXIDE, rules["min_distance"])
    assert distance_rules({"min_distance": 1.7}, "unused.csv") == {"min_distance": 1.7}


@pytest.mark.parametrize(
    ("limits", "accepted"), [((1.2, 1.6, 2.3), True), ((1.2, 1.7, 2.3), False), ((2.4, 1, 1), False)]
)
def test_each_pair_has_its_own_limit(limits, accepted):
    rule = PairDistances(dict(zip(("O-O", "O-V", "V-V"), limits, strict=True)))
    assert satisfies(OXIDE, rule) == accepted
    positions = [OXIDE.cart_coords[:1], OXIDE.cart_coords[1:]]
    assert (assemble_crystal(OXIDE.lattice, positions, ["V", "O"], 20, rule).reason == "") == accepted


def test_equal_limits_decide_as_one_number_does():
    for limit in (1.6, 1.64, 1.66, 2.0):
        rule = PairDistances(dict.fromkeys(("O-O", "O-V", "V-V"), limit))
        assert satisfies(OXIDE, rule) == satisfies(OXIDE, limit)
        (by_pair, label), (by_number, same) = expand(OXIDE, rule, 1.3), expand(OXIDE, limit, 1.3)
        assert label == same and by_pair.volume == pytest.approx(by_number.volume)


def test_a_crystal_is_expanded_until_every_pair_is_satisfied():
    rule = PairDistances({"O-O": 1.0, "O-V": 1.8, "V-V": 1.0})
    expanded, label = expand(OXIDE, rule, 1.15)
    assert label == EXPANDED and satisfies(expanded, rule)
    assert shortest_distance(expanded) == pytest.approx(1.8, abs=1e-3)
    assert expand(OXIDE, rule, 1.05) == (OXIDE, "")


def test_an_empty_table_has_no_sentence():
    assert not any("angstrom apart" in str(text) for text in findings("V-O", ReportData(), []))
    assert rejected_bonds(pd.DataFrame()).empty
