"""Crystals in any setting are reconstructed from their voxels: random crystals, and all available real ones."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure, SymmOp

from ccdcgan.crystals.structures import compact_positions, lattice_from_parameters, standard_cell
from ccdcgan.representation.voxel_decoding import decode_crystal, decode_lattice
from ccdcgan.representation.voxels import Geometry, encode_crystal, lattice_voxel, refusal
from tests.conftest import ROOT
from tests.support.crystals import random_crystal

DEFAULT = Geometry(15.0, 16, 0.8, 16, 0.8)
PAPER = Geometry(15.0, 64, 0.26, 32, 0.26)
STRICT = StructureMatcher(ltol=0.01, stol=0.02, angle_tol=0.5, scale=False, primitive_cell=True)

CRYSTALS = st.builds(random_crystal, st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 5))


@st.composite
def settings_of(draw, crystals=CRYSTALS) -> tuple[Structure, Structure]:
    """A crystal, and the same one with another origin, orientation, order of axes and of sites, and cell."""
    crystal = draw(crystals)
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    moved = crystal.copy()
    moved.translate_sites(range(len(moved)), rng.random(3), to_unit_cell=draw(st.booleans()))
    axes = draw(st.permutations([0, 1, 2]))
    scaling = np.eye(3, dtype=int)[axes]
    if np.linalg.det(scaling) < 0:
        scaling = -scaling  # keep the hand
    scaling = (
        draw(st.sampled_from([np.eye(3), np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]]), np.diag([1, 2, 1])])) @ scaling
    )
    moved.make_supercell(scaling.astype(int), to_unit_cell=draw(st.booleans()))
    moved = Structure.from_sites([moved[i] for i in rng.permutation(len(moved))])
    moved.apply_operation(SymmOp.from_axis_angle_and_translation(rng.normal(size=3), rng.uniform(0, 360)))
    return crystal, moved


def density_and_composition(crystal: Structure) -> tuple:
    return pytest.approx(crystal.density, rel=1e-4), crystal.composition.reduced_formula


@given(settings_of())
@settings(max_examples=40, deadline=None)
def test_every_setting_of_a_crystal_has_one_standard_cell(pair):
    crystal, moved = pair
    expected, found = standard_cell(crystal), standard_cell(moved)
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.lattice.parameters, expected.lattice.parameters, atol=1e-3)
    np.testing.assert_allclose(found.lattice.matrix, np.tril(found.lattice.matrix), atol=1e-9)  # a along x, b in xy
    assert np.linalg.det(found.lattice.matrix) > 0
    assert (found.density, found.composition.reduced_formula) == density_and_composition(crystal)
    assert STRICT.fit(found, moved)


@pytest.mark.parametrize("geometry", [DEFAULT, PAPER], ids=["default", "paper"])
@given(pair=settings_of())
@settings(max_examples=20, deadline=None)
def test_every_setting_of_a_crystal_is_reconstructed_from_its_voxels(geometry, pair):
    crystal, moved = pair
    standard = standard_cell(moved)
    elements = sorted({site.specie.symbol for site in moved})
    voxels = encode_crystal(standard, elements, geometry)
    if voxels is None:  # a compact basis of a long cell
        assert refusal(standard, geometry) == "outside_box"
        assert np.abs(compact_positions(standard)).max() > geometry.box / 2 - 0.5
        return
    decoded = decode_crystal(*voxels, elements, geometry)
    assert decoded.reason == ""
    assert (decoded.structure.density, decoded.structure.composition.reduced_formula) == (
        pytest.approx(crystal.density, rel=1e-2),
        crystal.composition.reduced_formula,
    )
    assert STRICT.fit(decoded.structure, crystal)
    rms, largest = STRICT.get_rms_dist(decoded.structure, crystal)
    assert largest * (crystal.volume / len(crystal)) ** (1 / 3) < 0.02  # angstrom


def test_voxels_with_noise_give_the_lattice_to_a_twentieth_of_an_angstrom():
    rng = np.random.default_rng(1)
    for grid, sigma in ((16, 0.8), (32, 0.8), (32, 0.26)):
        errors = []
        while len(errors) < 60:
            lattice = lattice_from_parameters(*rng.uniform(3, 10, 3), *rng.uniform(65, 115, 3))
            voxel = lattice_voxel(lattice.matrix, grid, sigma)
            decoded = decode_lattice(voxel + rng.normal(0, 1e-2, voxel.shape), sigma)
            assert decoded is not None, (grid, sigma, lattice.parameters)
            errors.append(np.abs(np.subtract(decoded.parameters, lattice.parameters)))
        median = np.median(errors, axis=0)
        assert median[:3].max() <= 0.05, (grid, sigma, median)
        assert median[3:].max() <= 0.5, (grid, sigma, median)


def test_prototypes_are_reconstructed_from_their_voxels():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/round_trip.py", "--every", "4"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "paper: 46 of 46 reconstructed" in done.stdout


@pytest.mark.slow
def test_every_binary_of_oqmd_is_reconstructed_from_its_voxels():
    command = [sys.executable, ROOT / "benchmarks/round_trip.py", "--oqmd"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
