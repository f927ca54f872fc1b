"""Mutation and crossover: compositions, volumes, symmetry, and the choice of parents."""

from collections import Counter

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from ccdcgan.crystals.structures import Crystal, shortest_distance, standard_cell
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.search import mutation
from ccdcgan.search.crossover import cross, inversion_centre
from ccdcgan.search.mutation import exchange, mutate, other_assignments
from ccdcgan.search.parents import TEMPERATURE, Parents
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt, zinc_blende

MATCHER = Uniqueness({"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0})
TERNARY = ("Mg", "Mn", "O")


def crystal(name: str, structure: Structure, above: float = 0.0) -> Crystal:
    return Crystal(name, standard_cell(structure), {"formation_energy": -0.3 + above, "e_above_hull": above})


BINARY = Parents.of(
    [crystal("a", bi2se3()), crystal("b", rock_salt(), 0.05), crystal("c", zinc_blende(), 0.3)], ("Bi", "Se"), MATCHER
)


def mutations(
    structure: Structure, number: int, parents: Parents = BINARY, wanted=lambda names: True
) -> list[Structure]:
    """Return the mutations of a crystal that are possible, of a number of attempts."""
    parent = crystal("parent", structure)
    parents = Parents.of([*parents.crystals, parent], parents.elements, MATCHER)
    rng = np.random.default_rng(1)
    parent = next(one for one in parents.crystals if MATCHER.equal(one.structure, parent.structure))
    return [child for _ in range(number) if (child := mutate(parent, parents, rng, wanted)) is not None]


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
@pytest.mark.parametrize("generators", [0, 1, 2])
def test_each_kind_of_mutation_changes_what_it_says(monkeypatch, kind, generators):
    monkeypatch.setattr(mutation, "KINDS", {kind: 1.0})
    monkeypatch.setattr(mutation, "GENERATORS", {generators: 1.0})
    monkeypatch.setattr(mutation, "DOUBLED", 0.0)
    parent = standard_cell(bi2se3())
    made = mutations(parent, 30)
    if kind == "swap" and generators == 2:
        assert not made or all(species(child) == species(parent) for child in made)
        return
    assert made
    for child in made:
        assert set(species(child)) == {"Bi", "Se"}
        moved = sum((species(child) - species(parent)).values()) if len(child) == len(parent) else None
        if kind in ("swap", "rattle"):
            assert species(child) == species(parent)
            assert child.volume == pytest.approx(parent.volume)
        elif moved is not None:
            assert moved in (0, 1, 2) if generators == 0 else moved <= 4  # 0: as many of either element


@pytest.mark.parametrize("generators", [1, 2, 3])
@pytest.mark.parametrize("build", [bi2se3, rock_salt, zinc_blende])
def test_a_mutation_keeps_the_symmetry_that_its_operations_generate(monkeypatch, generators, build):
    monkeypatch.setattr(mutation, "GENERATORS", {generators: 1.0})
    parent = standard_cell(build())
    made = mutations(parent, 80)
    assert len(made) >= 10
    orders = [len(SpacegroupAnalyzer(child, 0.01).get_point_group_operations()) for child in made]
    assert min(orders) > 1
    changed = [child for child in made if not MATCHER.equal(child, parent)]
    assert changed  # the symmetry is not that of a crystal that is left as it is


def test_a_mutation_without_operations_keeps_no_symmetry(monkeypatch):
    monkeypatch.setattr(mutation, "GENERATORS", {0: 1.0})
    made = mutations(bi2se3(), 20)
    assert made and all(len(SpacegroupAnalyzer(c, 0.01).get_point_group_operations()) == 1 for c in made)


def test_operations_generate_a_group_of_permutations():
    rng = np.random.default_rng(4)
    cell = standard_cell(rock_salt())
    cell.make_supercell([1, 1, 2])
    for n_generators in (1, 2, 3):
        group = mutation.Group.of(cell, n_generators, rng)
        assert all(sorted(images) == list(range(len(cell))) for images in group.images.tolist())
        order = len(group.rotations)
        products = {
            ((group.rotations[a] @ group.rotations[b]).tobytes(), group.images[a][group.images[b]].tobytes())
            for a in range(order)
            for b in range(order)
        }
        assert len(products) == order
        assert sorted(np.concatenate(group.orbits())) == list(range(len(cell)))


def test_an_orbit_of_a_supercell_need_not_be_all_copies_of_an_atom(monkeypatch):
    monkeypatch.setattr(mutation, "KINDS", {"transmute": 1.0})
    monkeypatch.setattr(mutation, "GENERATORS", {1: 1.0})
    monkeypatch.setattr(mutation, "DOUBLED", 1.0)
    formulas = {child.composition.reduced_formula for child in mutations(cesium_chloride(), 20)}
    assert {"Bi3Se", "BiSe3"} <= formulas


def test_an_element_of_two_letters_takes_the_place_of_one_of_one(monkeypatch):
    monkeypatch.setattr(mutation, "KINDS", {"transmute": 1.0})
    vanadium = crystal("a", Structure(Lattice.cubic(4.2), ["V", "O"], [[0, 0, 0], [0.5] * 3]))
    parents = Parents.of([vanadium], ("Mn", "V", "O"), MATCHER)
    made = mutations(vanadium.structure, 40, parents)
    assert {name for child in made for name in species(child)} == {"Mn", "V", "O"}


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
    made = mutations(parent.structure, 60, parents)
    assert {name for child in made for name in species(child)} == set(TERNARY)
    assert all(len(species(child)) > 1 for child in made)
    assert any(len(species(child)) == 3 for child in made)


def test_an_exchange_has_the_sites_and_the_symmetry_of_its_parent_and_the_volumes_of_its_atoms():
    parent = next(one for one in BINARY.crystals if one.id == "a")
    (assignment,) = other_assignments(parent.structure, BINARY.elements)
    assert assignment == {"Bi": "Se", "Se": "Bi"}
    child = exchange(BINARY.symmetric["a"], assignment, BINARY, lambda species: True)
    assert child.composition.reduced_formula == "Bi3Se2"
    groups = [SpacegroupAnalyzer(one, 0.1).get_space_group_symbol() for one in (child, parent.structure)]
    assert groups == ["R-3m", "R-3m"]
    volumes = [BINARY.volumes[name] for name in ("Bi", "Se")]
    factor = (3 * volumes[0] + 2 * volumes[1]) / (2 * volumes[0] + 3 * volumes[1])
    assert child.volume == pytest.approx(parent.structure.volume * factor, rel=1e-6)
    assert exchange(parent.structure, assignment, BINARY, lambda species: False) is None


def test_the_exchanges_of_a_ternary_system_are_all_other_assignments():
    binary = other_assignments(rock_salt(), ("Bi", "Se", "Te"))
    assert len(binary) == 5 and {"Bi": "Se", "Se": "Te"} in binary and {"Bi": "Bi", "Se": "Se"} not in binary
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]
    ternary = other_assignments(Structure(Lattice.cubic(5), ["Mg", "Mn", "O"], sites), TERNARY)
    assert len(ternary) == 5 and all(set(one.values()) == set(TERNARY) for one in ternary)


def test_an_unwanted_composition_is_not_made():
    made = mutations(bi2se3(), 30, wanted=lambda names: Counter(names) == {"Bi": 2, "Se": 3})
    assert {child.composition.reduced_formula for child in made} == {"Bi2Se3"}


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


def test_a_centred_crossover_keeps_the_inversion_centre_of_its_parents():
    rng = np.random.default_rng(2)
    pair = standard_cell(bi2se3()), standard_cell(rock_salt())
    centred = [child for _ in range(30) if (child := cross(pair, BINARY, rng, centred=True)) is not None]
    others = [child for _ in range(30) if (child := cross(pair, BINARY, rng)) is not None]
    assert len(centred) > 5 and all(inversion_centre(child) is not None for child in centred)
    assert len({child.composition.reduced_formula for child in centred}) > 2
    assert not any(inversion_centre(child) is not None for child in others)
    without = standard_cell(zinc_blende()), standard_cell(rock_salt())
    assert all(cross(without, BINARY, rng, centred=True) is None for _ in range(5))


def test_the_inversion_centre_maps_a_crystal_onto_itself():
    moved = standard_cell(bi2se3())
    moved.translate_sites(range(len(moved)), [0.13, 0.27, 0.41])
    centre = inversion_centre(moved)
    for site in moved:
        image = 2 * centre - site.frac_coords
        assert any(
            other.specie == site.specie and other.distance_and_image_from_frac_coords(image)[0] < 0.01
            for other in moved
        )
    assert inversion_centre(standard_cell(zinc_blende())) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: mutate(BINARY.crystals[0], BINARY, rng),
        lambda rng: cross((standard_cell(bi2se3()),) * 2, BINARY, rng),
    ],
)
def test_the_same_seed_gives_the_same_crystal(make):
    first, second = (make(np.random.default_rng(5)) for _ in range(2))
    assert (first is None and second is None) or first == second


def test_a_crystal_that_relaxed_away_from_its_symmetry_is_mutated_in_its_symmetric_form(monkeypatch):
    rng = np.random.default_rng(6)
    exact = standard_cell(rock_salt())
    nearly = exact.copy()
    nearly.translate_sites([0], rng.normal(0, 0.03, 3), frac_coords=False)
    assert len(SpacegroupAnalyzer(nearly, 0.02).get_point_group_operations()) < 48
    for generators, keeps in (2, True), (0, False):
        monkeypatch.setattr(mutation, "GENERATORS", {generators: 1.0})
        orders = [len(SpacegroupAnalyzer(c, 0.01).get_point_group_operations()) for c in mutations(nearly, 20)]
        assert orders and (min(orders) > 1) == keeps
