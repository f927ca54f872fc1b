"""The distance rule of candidates by pairs of elements."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from ase.data import atomic_numbers, covalent_radii
from pymatgen.core import Lattice, Structure

from ccdcgan.candidates.distance_rule import EXPANDED, expand
from ccdcgan.crystals.distances import (
    AUTO,
    LONGEST_BOND,
    SHARE_OF_BOND,
    PairDistances,
    bond_table,
    distance_rules,
    rejected_bonds,
    satisfies,
    start_distances,
)
from ccdcgan.crystals.structures import shortest_distance
from ccdcgan.database.known_phases import known_crystals
from ccdcgan.relaxation.ase_relaxation import displaced
from ccdcgan.relaxation.guards import Guards, check_structure
from ccdcgan.report.data import ReportData
from ccdcgan.report.sentences import findings
from ccdcgan.representation.voxel_decoding import assemble_crystal
from ccdcgan.utils.errors import InputError


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


def test_no_limit_is_below_what_a_relaxation_accepts_as_a_start():
    refused = start_distances(["V", "O"], AUTO, 0.05)
    assert refused["O-O"] == pytest.approx(0.924 + 0.1225, abs=1e-3)  # the guard, and three times sqrt(2/3) 0.05
    assert start_distances(["V", "O"], 1.5, 0.0) == dict.fromkeys(refused, 1.5)
    molecule = Structure(Lattice.cubic(8), ["O", "O"], [[0, 0, 0], [1.23 / 8, 0, 0]])
    limits = {
        name: bond_table([OXIDE, molecule], ["V", "O"], AUTO, lowest).set_index("pair")["limit"]
        for name, lowest in (("bonds", None), ("starts", refused))
    }
    assert limits["bonds"]["O-O"] == pytest.approx(0.75 * 1.23, abs=1e-3) and limits["starts"]["O-O"] == pytest.approx(
        1.046, abs=1e-3
    )
    assert limits["starts"]["O-V"] == pytest.approx(1.322) and limits["starts"]["V-V"] == limits["bonds"]["V-V"]
    nitrogen = Structure(Lattice.cubic(8), ["N", "N"], [[0, 0, 0], [1.1 / 8, 0, 0]])
    limit = bond_table([nitrogen], ["N"], AUTO, start_distances(["N"], AUTO, 0.05))["limit"]
    assert limit.item() == pytest.approx(0.95 * 1.1, abs=1e-3)  # the bond itself stays allowed


def test_starts_at_the_limit_are_accepted_by_the_relaxation():
    refused = start_distances(["V", "O"], AUTO, 0.05)
    for number in range(200):
        for pair, distance in refused.items():
            cell = Lattice.from_parameters(6 + number / 100, 6, 6, 90, 90, 90)
            start = Structure(cell, pair.split("-"), [[0, 0, 0], [distance / cell.a, 0, 0]])
            assert check_structure(displaced(start, 0.05), Guards(max_volume=200, max_neighbour=9)) != "too_close"


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


def random_structure(seed: int) -> Structure:
    """Return a skewed cell with up to five atoms at random."""
    rng = np.random.default_rng(seed)
    n_atoms = int(rng.integers(1, 6))
    lattice = Lattice.from_parameters(*rng.uniform(2, 7, 3), *rng.uniform(60, 100, 3))
    return Structure(lattice, rng.choice(["Mg", "Mn", "O"], n_atoms), rng.random((n_atoms, 3)))


def every_distance(structure: Structure) -> list[tuple[str, float]]:
    """Return (pair, distance) of all atoms in 7 x 7 x 7 cells, images of an atom included."""
    symbols = [site.specie.symbol for site in structure]
    found = []
    for i, j, shift in product(range(len(structure)), range(len(structure)), product(range(-3, 4), repeat=3)):
        if i != j or any(shift):
            offset = structure.frac_coords[j] + shift - structure.frac_coords[i]
            pair = "-".join(sorted((symbols[i], symbols[j])))
            found.append((pair, float(np.linalg.norm(offset @ structure.lattice.matrix))))
    return found


BY_PAIR = {"Mg-Mg": 2.1, "Mg-Mn": 2.2, "Mg-O": 1.5, "Mn-Mn": 2.0, "Mn-O": 1.4, "O-O": 1.1}


def test_the_rule_agrees_with_brute_force():
    outcomes = set()
    for seed in range(12):
        structure = random_structure(seed)
        ratio = min(distance / BY_PAIR[pair] for pair, distance in every_distance(structure))
        assert PairDistances(BY_PAIR).ratio(structure) == pytest.approx(min(1.0, ratio), abs=1e-6)
        assert satisfies(structure, PairDistances(BY_PAIR)) == (ratio >= 1)
        outcomes.add(ratio >= 1)
    assert outcomes == {True, False}


def test_bonds_of_a_database_agree_with_brute_force():
    structures = [random_structure(seed) for seed in range(8)]
    table = bond_table(structures, ["Mg", "Mn", "O"], AUTO).set_index("pair")
    assert set(table.index) == set(BY_PAIR)
    shortest = dict.fromkeys(BY_PAIR, np.inf)
    for pair, distance in (found for structure in structures for found in every_distance(structure)):
        shortest[pair] = min(shortest[pair], distance)
    for pair, distance in shortest.items():
        radii = sum(covalent_radii[atomic_numbers[element]] for element in pair.split("-"))
        bond = distance if distance <= LONGEST_BOND * radii else np.nan
        assert table.loc[pair, "shortest"] == pytest.approx(bond, nan_ok=True)
        expected = SHARE_OF_BOND * (radii if np.isnan(bond) else bond)
        assert table.loc[pair, "limit"] == pytest.approx(expected, abs=1e-3)


def test_a_number_is_checked_against_the_shortest_distance():
    for seed in range(6):
        structure = random_structure(seed)
        distance = min(found for _, found in every_distance(structure))
        for number in (0.0, 1.3, 2.0):
            assert satisfies(structure, number) == satisfies(structure, number, shortest_distance(structure))
            assert satisfies(structure, number) == (distance >= number)


@pytest.mark.parametrize("system", ["V-O", "Mg-O", "Mn-O", "Ti-N", "N-O", "H-O", "Cs-Cl", "Sn-S", "Bi-Se"])
def test_the_known_crystals_of_any_system_are_accepted_and_2_angstrom_rejects_short_bonds(system, tmp_path):
    elements = system.split("-")
    crystals = [crystal.structure for crystal in known_crystals(elements, 12)]
    crystals = [crystal for crystal in crystals if len(crystal.composition) == 2]
    table = bond_table(crystals, elements, AUTO, start_distances(elements, AUTO, 0.05))
    table.to_csv(tmp_path / "distances.csv", index=False)
    rule = distance_rules({"min_distance": AUTO}, tmp_path / "distances.csv")["min_distance"]
    assert crystals and all(satisfies(crystal, rule) for crystal in crystals)
    rejected = set(rejected_bonds(bond_table(crystals, elements, 2.0))["pair"])
    assert (f"{min(elements)}-{max(elements)}" in rejected) == (system in ("V-O", "Mn-O", "Mg-O", "N-O", "H-O"))


@pytest.mark.parametrize(
    "text", ["pair\nO-V\n", "pair,limit\nO-V,\n", "pair,limit\nO-V,0\n", "limit\n1.2\n", "pair,limit\n"]
)
def test_a_damaged_table_is_refused(text, tmp_path):
    (tmp_path / "distances.csv").write_text(text)
    with pytest.raises(InputError, match="rename it and run again"):
        distance_rules({"min_distance": AUTO}, tmp_path / "distances.csv")
