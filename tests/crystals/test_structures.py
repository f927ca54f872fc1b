"""Every setting of a crystal has the same standard cell, distances are exact, and structure sets round-trip."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure, SymmOp

from ccdcgan.crystals.structures import (
    Crystal,
    compact_positions,
    read_set,
    shortest_distance,
    standard_cell,
    write_set,
)
from ccdcgan.relaxation.guards import Guards, check_structure
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_csv, write_csv
from tests.support.crystals import REAL, bi2se3


@pytest.mark.parametrize("name", REAL)
@settings(max_examples=12, deadline=None)
@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1),
    angle=st.floats(0, 360),
    shift=st.tuples(*[st.floats(0, 1)] * 3),
    supercell=st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)]),
)
def test_every_setting_has_the_same_standard_cell(name, axis, angle, shift, supercell):
    expected = standard_cell(REAL[name]())
    moved = REAL[name]() * supercell
    moved.translate_sites(range(len(moved)), shift)
    moved.apply_operation(SymmOp.from_axis_angle_and_translation(axis, angle))
    found = standard_cell(moved)
    assert np.allclose(found.lattice.parameters, expected.lattice.parameters, atol=1e-3)
    assert np.allclose(found.lattice.matrix, np.tril(found.lattice.matrix), atol=1e-9)  # a along x, b in xy
    assert np.linalg.det(found.lattice.matrix) > 0
    assert StructureMatcher(scale=False).fit(found, moved)


def test_primitive_bi2se3_is_gathered_within_the_box():
    structure = standard_cell(bi2se3())
    assert len(structure) == 5
    positions = compact_positions(structure)
    assert np.allclose(positions.mean(axis=0), 0, atol=1e-9)
    assert np.abs(positions).max() < 7.5
    fractions = (positions - positions[0]) @ np.linalg.inv(structure.lattice.matrix)
    expected = structure.frac_coords - structure.frac_coords[0]
    assert np.allclose(np.round(fractions - expected), fractions - expected, atol=1e-6)  # images, nothing else


def test_shortest_distance_counts_images():
    one_atom = standard_cell(bi2se3())
    one_atom.remove_sites(range(1, len(one_atom)))
    assert shortest_distance(one_atom) == pytest.approx(min(one_atom.lattice.abc))
    assert shortest_distance(standard_cell(bi2se3())) == pytest.approx(2.86, abs=0.1)
    pair = Structure(Lattice.cubic(9), ["Bi", "Se"], [[0, 0, 0], [0, 0, 0.9]])
    assert shortest_distance(pair) == pytest.approx(0.9)
    coincident = Structure(Lattice.cubic(9), ["Bi", "Se"], [[0.2, 0, 0], [0.2, 0, 0]])
    assert shortest_distance(coincident) == pytest.approx(0, abs=1e-9)


def test_shortest_distance_in_a_cell_whose_edges_are_longer_than_its_shortest_vector():
    skewed = Structure(Lattice([[4, 0, 0], [3.9, 1.5, 0], [0, 0, 9]]), ["Bi"], [[0, 0, 0]])
    assert shortest_distance(skewed) == pytest.approx(np.hypot(0.1, 1.5), abs=1e-6)


def brute_force_distance(structure: Structure) -> float:
    """Return the shortest distance (angstrom) over all images that can lie within the shortest cell edge."""
    matrix, frac = structure.lattice.matrix, structure.frac_coords
    # |n_i| <= |b_i| |r| for every component of a vector r of the lattice; two atoms differ by less than 1 more
    limits = np.floor(min(structure.lattice.abc) * np.linalg.norm(np.linalg.inv(matrix), axis=0)).astype(int) + 2
    images = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in limits], indexing="ij"), axis=-1).reshape(-1, 3)
    shortest = np.inf
    for i, j in itertools.combinations_with_replacement(range(len(frac)), 2):
        offset = frac[j] - frac[i]
        lengths = np.linalg.norm((images + offset - np.floor(offset)) @ matrix, axis=1)
        shortest = min(shortest, lengths[lengths > 0].min() if i == j else lengths.min())
    return shortest


@st.composite
def skewed_crystals(draw, atoms: st.SearchStrategy[int]) -> Structure:
    """Random crystals in strongly skewed cells: repeated integer shears of a cell do not change its lattice."""
    matrix = np.diag(draw(st.tuples(*[st.floats(2.0, 6.0)] * 3))) + np.array(
        draw(st.lists(st.lists(st.floats(-0.8, 0.8), min_size=3, max_size=3), min_size=3, max_size=3))
    )
    shears = st.tuples(st.permutations(range(3)), st.integers(-3, 3))
    for (row, other, _), multiple in draw(st.lists(shears, max_size=4)):
        matrix[row] += multiple * matrix[other]
    n_atoms = draw(atoms)
    coords = draw(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=n_atoms, max_size=n_atoms))
    return Structure(Lattice(matrix), ["Bi"] * n_atoms, coords)


@settings(max_examples=150, deadline=None)
@given(skewed_crystals(st.integers(1, 5)))
def test_shortest_distance_is_exact_in_any_cell(structure):
    assert shortest_distance(structure) == pytest.approx(brute_force_distance(structure), abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(skewed_crystals(st.just(1)))
def test_the_shortest_distance_of_one_atom_is_the_shortest_lattice_vector(structure):
    niggli = structure.lattice.get_niggli_reduced_lattice()
    assert shortest_distance(structure) == pytest.approx(min(niggli.abc), abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(skewed_crystals(st.integers(1, 4)), st.floats(0.5, 4.9))
def test_the_guards_agree_with_the_shortest_distance(structure, min_distance):
    """The guards refuse a crystal as too close exactly if its shortest distance is below the limit."""
    guards = Guards(min_distance=min_distance, min_volume=1e-3, max_volume=1e6, min_angle=1e-3, max_angle=179.999)
    distance = shortest_distance(structure)
    if abs(distance - min_distance) > 1e-6:
        assert (check_structure(structure, guards) == "too_close") == (distance < min_distance)


def test_set_reads_back_as_written(tmp_path):
    info = {
        "parent": "aflow-x",
        "status": "failed",
        "reason": "",
        "energy_per_atom": -3.25,
        "n_steps": 7,
        "novel": True,
    }
    crystals = [Crystal("a-0123", bi2se3(), info), Crystal("b", bi2se3(), info | {"reason": "too_close"})]
    write_set(tmp_path / "set.extxyz", crystals)
    read = read_set(tmp_path / "set.extxyz")
    assert [crystal.id for crystal in read] == ["a-0123", "b"]
    assert read[0].info == info
    assert read[1].info["reason"] == "too_close"
    assert np.allclose(read[0].structure.cart_coords, bi2se3().cart_coords, atol=1e-7)
    assert not list(tmp_path.glob(".*"))


def test_empty_set(tmp_path):
    write_set(tmp_path / "empty.extxyz", [])
    assert read_set(tmp_path / "empty.extxyz") == []


def test_damaged_set_is_named(tmp_path):
    (tmp_path / "bad.extxyz").write_text("three\nnot a set\n")
    with pytest.raises(InputError, match=r"bad\.extxyz cannot be read"):
        read_set(tmp_path / "bad.extxyz")


def test_sodium_nitride_in_a_table_is_not_a_missing_number(tmp_path):
    table = pd.DataFrame({"formula": ["NaN", ""], "formation_energy": [0.5, np.nan]})
    write_csv(tmp_path / "table.csv", table)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv"), table)


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
@example(text="InF")
@example(text="NaN")
@example(text="T")
@example(text="1e5")
@example(text="007")
@example(text="a\\b")
@example(text="[1, 2]")
@example(text="line\nbreak")
def test_texts_of_a_set_stay_texts(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("set") / "set.extxyz"
    write_set(path, [Crystal(text, bi2se3(), {"parent": text, "n": 1})])
    (crystal,) = read_set(path)
    assert (crystal.id, crystal.info["parent"], crystal.info["n"]) == (text, text, 1)
