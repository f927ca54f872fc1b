"""Mutation and crossover: compositions, volumes, symmetry, and the choice of parents."""

from collections import Counter

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from ccdcgan.crystals.structures import Crystal, shortest_distance, standard_cell
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.search import mutation
from ccdcgan.search.crossover import cross
from ccdcgan.search.mutation import mutate
from ccdcgan.search.parents import TEMPERATURE, Parents
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt, zinc_blende

MATCHER = Uniqueness({"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0})
TERNARY = ("Mg", "Mn", "O")


def crystal(name: str, structure: Structure, above: float = 0.0) -> Crystal:
    return Crystal(name, standard_cell(structure), {"formation_energy": -0.3 + above, "e_above_hull": above})


BINARY = Parents.of(
    [crystal("a", bi2se3()), crystal("b", rock_salt(), 0.05), crystal("c", zinc_blende(), 0.3)], ("Bi", "Se"), MATCHER
)


def species(structure: Structure) -> Counter:
    return Counter(site.specie.symbol for site in structure)


def test_parents_are_chosen_by_their_hull_distance_and_equal_ones_once():
    again = Parents.of(
        [crystal("x", rock_salt(), 0.05), crystal("y", rock_salt(6.0), 0.07), crystal("z", bi2se3())],
        ("Bi", "Se"),
        MATCHER,
    )
    assert [one.id for one in again.crystals] == ["z", "x"]
    assert again.weights[1] / again.weights[0] == pytest.approx(np.exp(-0.05 / TEMPERATURE))
    assert again.weights.sum() == pytest.approx(1)


def test_crystals_below_the_hull_are_as_likely_as_those_on_it():
    parents = Parents.of([crystal("x", rock_salt(), -0.1), crystal("z", bi2se3())], ("Bi", "Se"), MATCHER)
    assert parents.weights == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("kind", list(mutation.KINDS))
def test_each_kind_of_mutation_changes_what_it_says(monkeypatch, kind):
    monkeypatch.setattr(mutation, "KINDS", {kind: 1.0})
    monkeypatch.setattr(mutation, "DOUBLED", 0.0)
    parent = standard_cell(bi2se3())
    rng = np.random.default_rng(1)
    made = [child for _ in range(30) if (child := mutate(parent, BINARY, rng)) is not None]
    assert made
    for child in made:
        assert set(species(child)) == {"Bi", "Se"}
        moved = sum((species(child) - species(parent)).values()) if len(child) == len(parent) else None
        if kind in ("swap", "rattle"):
            assert species(child) == species(parent)
            assert child.volume == pytest.approx(parent.volume)
        elif kind == "transmute" and moved is not None:
            assert moved in (0, 1, 2)  # 0: two atoms of different elements
        elif kind == "transmute_orbit":
            assert SpacegroupAnalyzer(child, 0.01).get_space_group_symbol() == "R-3m"


def test_an_orbit_of_a_supercell_is_not_all_copies_of_an_atom(monkeypatch):
    monkeypatch.setattr(mutation, "KINDS", {"transmute_orbit": 1.0})
    monkeypatch.setattr(mutation, "DOUBLED", 1.0)
    rng = np.random.default_rng(1)
    children = [mutate(standard_cell(cesium_chloride()), BINARY, rng) for _ in range(10)]
    formulas = {child.composition.reduced_formula for child in children if child is not None}
    assert formulas and formulas <= {"Bi3Se", "BiSe3"}


def test_a_heavier_atom_takes_its_own_volume():
    small = Structure(Lattice.cubic(3.0), ["Mg", "O"], [[0, 0, 0], [0.5] * 3])
    large = Structure(Lattice.cubic(4.0), ["Mg", "Mn"], [[0, 0, 0], [0.5] * 3])
    parents = Parents.of([crystal("a", small), crystal("b", large)], TERNARY, MATCHER)
    assert parents.volume_factor(["Mg", "O"], ["Mg", "Mn"]) > 1.2
    assert parents.volume_factor(["Mg", "Mn"], ["Mg", "O"]) < 0.8
    assert parents.volume_factor(["O"], ["O", "O"]) == pytest.approx(1)


def test_mutations_of_a_ternary_system_reach_all_its_elements():
    parent = crystal("a", Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5] * 3]))
    parents = Parents.of([parent], TERNARY, MATCHER)
    rng = np.random.default_rng(3)
    made = [child for _ in range(60) if (child := mutate(parent.structure, parents, rng)) is not None]
    assert {name for child in made for name in species(child)} == set(TERNARY)
    assert all(len(species(child)) > 1 for child in made)
    assert any(len(species(child)) == 3 for child in made)


def test_an_unwanted_composition_is_not_made():
    rng = np.random.default_rng(2)
    made = [
        mutate(standard_cell(bi2se3()), BINARY, rng, lambda names: Counter(names) == {"Bi": 2, "Se": 3})
        for _ in range(30)
    ]
    assert {child.composition.reduced_formula for child in made if child is not None} == {"Bi2Se3"}


def test_a_crossover_has_atoms_of_both_parents_and_a_volume_between():
    rng = np.random.default_rng(1)
    pair = standard_cell(bi2se3()), standard_cell(rock_salt())
    made = [child for _ in range(40) if (child := cross(pair, BINARY, rng)) is not None]
    assert len(made) > 10
    assert len({child.composition.reduced_formula for child in made}) > 3
    volumes = [structure.volume / len(structure) for structure in pair]
    for child in made:
        assert 0.6 * min(volumes) < child.volume / len(child) < 1.7 * max(volumes)
        assert shortest_distance(child) > 0


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: mutate(standard_cell(bi2se3()), BINARY, rng),
        lambda rng: cross((standard_cell(bi2se3()),) * 2, BINARY, rng),
    ],
)
def test_the_same_seed_gives_the_same_crystal(make):
    first, second = (make(np.random.default_rng(5)) for _ in range(2))
    assert (first is None and second is None) or first == second
