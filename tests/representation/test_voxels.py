"""Decoded voxels equal the encoded crystals."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import compact_positions, lattice_from_parameters, standard_cell
from ccdcgan.representation.reconstruction import matches
from ccdcgan.representation.voxel_decoding import decode_crystal, decode_lattice, decode_sites
from ccdcgan.representation.voxels import (
    Geometry,
    encode_batch,
    encode_crystal,
    fits_box,
    lattice_voxel,
    refusal,
    sites_voxel,
)

BOX = 15.0
GEOMETRIES = [
    Geometry(BOX, 64, 0.26, 32, 1.0),
    Geometry(BOX, 32, 0.5, 32, 1.0),
    Geometry(BOX, 24, 0.8, 16, 1.0),
]
NAMES = (
    *("AB_cF8_225_a_b", "AB_hP4_194_c_a", "A2B_oP12_62_2c_c", "A3B_oP16_62_cd_c", "AB2_tI6_139_a_e"),
    *("AB_cP2_221_b_a", "A_hR2_166_c", "AB_cF8_216_c_a", "A2B_hP9_152_c_a", "A3B2_hP5_164_ad_d"),
)


def prototypes() -> list:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY
    found = {entry["tags"]["aflow"]: entry["snl"].structure for entry in AFLOW_PROTOTYPE_LIBRARY}
    return [pytest.param(found[name], id=name) for name in NAMES if name in found]


PROTOTYPES = prototypes()


def bismuth_selenide() -> Structure:
    return Structure.from_spacegroup(
        "R-3m", Lattice.hexagonal(4.14, 28.64), ["Bi", "Se", "Se"], [[0, 0, 0.4], [0, 0, 0], [0, 0, 0.21]]
    )


def test_the_prototypes_are_there():
    assert len(PROTOTYPES) >= 6


def test_a_sites_voxel_is_the_sum_over_atoms_of_equation_2():
    positions = np.array([[0.3, -1.2, 2.0], [1.4, 0.1, -0.7]])
    voxel = sites_voxel(positions, 12, 9.0, 0.6)
    axis = (np.arange(12) + 0.5) * 0.75 - 4.5
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    squares = ((points[None] - positions[:, None, None, None]) ** 2).sum(-1)
    np.testing.assert_allclose(voxel, np.exp(-squares / (2 * 0.6**2)).sum(0), atol=1e-6)
    assert voxel.dtype == np.float32
    assert not sites_voxel(np.empty((0, 3)), 12, 9.0, 0.6).any()


def test_each_element_has_its_own_sites_voxel():
    crystal = Structure(5 * np.eye(3), ["Se", "Bi", "Bi"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]])
    positions = compact_positions(crystal)
    lattices, voxels, refusals = encode_batch([crystal], ["Bi", "Se", "Te"], GEOMETRIES[2])
    np.testing.assert_allclose(voxels[0, 0], sites_voxel(positions[1:], 24, BOX, 0.8), atol=1e-6)
    np.testing.assert_allclose(voxels[0, 1], sites_voxel(positions[:1], 24, BOX, 0.8), atol=1e-6)
    assert not voxels[0, 2].any()
    np.testing.assert_allclose(lattices[0], lattice_voxel(5 * np.eye(3), 16, 1.0), atol=1e-6)
    assert refusals == [""]


def test_a_batch_leaves_out_what_the_voxels_cannot_hold():
    good = standard_cell(bismuth_selenide())
    long = Structure(np.diag([4, 4, 30.0]), ["Bi", "Se"], [[0, 0, 0], [0, 0, 0.5]])
    close = Structure(5 * np.eye(3), ["Se", "Bi", "Bi"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.7]])
    lattices, voxels, refusals = encode_batch([long, good, close, good], ("Bi", "Se"), GEOMETRIES[2])
    assert refusals == ["outside_box", "", "unresolved", ""]
    assert len(lattices) == len(voxels) == 2
    np.testing.assert_array_equal(voxels[0], voxels[1])
    assert refusal(close, GEOMETRIES[0]) == ""
    assert encode_crystal(long, ("Bi", "Se"), GEOMETRIES[2]) is None
    assert len(encode_batch([], ("Bi", "Se"), GEOMETRIES[2])[0]) == 0


def test_atoms_outside_the_box_are_refused():
    assert fits_box(np.array([[6.9, 0, 0]]), BOX)
    assert not fits_box(np.array([[7.1, 0, 0]]), BOX)
    with pytest.raises(ValueError, match="outside"):
        sites_voxel(np.array([[7.6, 0, 0]]), 32, BOX, 0.5)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: str(geometry.sites_grid))
@pytest.mark.parametrize("structure", PROTOTYPES)
def test_a_crystal_survives_its_voxels(structure, geometry):
    crystal = standard_cell(structure)
    smallest = min(crystal.distance_matrix[np.triu_indices(len(crystal), 1)], default=2.4)
    crystal.scale_lattice(crystal.volume * max(2.4 / smallest, 1.0) ** 3)
    elements = sorted({site.specie.symbol for site in crystal})
    voxels = encode_crystal(crystal, elements, geometry)
    assert voxels is not None
    decoded = decode_crystal(*voxels, elements, geometry)
    assert decoded.reason == ""
    matched, rms = matches(crystal, decoded.structure)
    assert matched
    assert rms < 0.01


def test_long_primitive_bismuth_selenide_survives():
    crystal = standard_cell(bismuth_selenide())
    assert max(crystal.lattice.abc) < 11
    for geometry in GEOMETRIES:
        decoded = decode_crystal(*encode_crystal(crystal, ("Bi", "Se"), geometry), ("Bi", "Se"), geometry)
        assert matches(crystal, decoded.structure)[0]


@given(seed=st.integers(0, 10_000), geometry=st.sampled_from(GEOMETRIES[1:]))
@settings(max_examples=25, deadline=None)
def test_positions_are_reconstructed_within_0_02_angstrom(seed, geometry):
    rng = np.random.default_rng(seed)
    positions = np.empty((0, 3))
    for candidate in rng.uniform(-5, 5, (200, 3)):
        if len(positions) < 12 and not np.any(np.linalg.norm(positions - candidate, axis=1) < 2.4):
            positions = np.vstack([positions, candidate])
    voxel = sites_voxel(positions, geometry.sites_grid, BOX, geometry.sites_sigma)
    found = decode_sites(voxel, BOX, geometry.sites_sigma)
    assert len(found) == len(positions)
    apart = np.linalg.norm(found[:, None] - positions[None], axis=-1)
    assert apart.min(axis=0).max() < 0.02


def test_a_flat_top_is_one_atom_and_a_background_none():
    positions = np.array([[0.1, 0.2, -0.1], [3.0, -2.0, 1.0]])
    voxel = sites_voxel(positions, 32, BOX, 0.5)
    flat = np.minimum(voxel, 0.6)
    found = decode_sites(flat, BOX, 0.5)
    assert len(found) == 2
    assert np.linalg.norm(found[:, None] - positions, axis=-1).min(axis=0).max() < 0.1
    noisy = voxel + 0.1 + np.random.default_rng(0).normal(0, 0.05, voxel.shape)
    found = decode_sites(noisy, BOX, 0.5)
    assert len(found) == 2
    assert np.linalg.norm(found[:, None] - positions, axis=-1).min(axis=0).max() < 0.1
    assert len(decode_sites(np.full_like(voxel, 0.2), BOX, 0.5)) == 0


lengths, angles = st.floats(2.5, 10.0), st.floats(60.0, 120.0)


@given(lengths, lengths, lengths, angles, angles, angles, st.sampled_from([(32, 1.0), (16, 1.0), (16, 1.5)]))
@settings(max_examples=60, deadline=None)
def test_a_lattice_survives_its_voxel(a, b, c, alpha, beta, gamma, shape):
    if not 250 < alpha + beta + gamma < 350 or 2 * max(alpha, beta, gamma) > alpha + beta + gamma - 15:
        return
    lattice = lattice_from_parameters(a, b, c, alpha, beta, gamma)
    decoded = decode_lattice(lattice_voxel(lattice.matrix, *shape), shape[1])
    assert decoded is not None
    np.testing.assert_allclose(decoded.parameters, lattice.parameters, rtol=1e-3)
    np.testing.assert_allclose(decoded.matrix, lattice.matrix, atol=0.02)


def test_a_lattice_survives_noise():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(40):
        lattice = lattice_from_parameters(*rng.uniform(3, 10, 3), *rng.uniform(70, 110, 3))
        voxel = lattice_voxel(lattice.matrix, 32, 1.0) + rng.normal(0, 1e-2, (32, 32, 32))
        decoded = decode_lattice(voxel, 1.0)
        errors.append(np.abs(np.subtract(decoded.parameters, lattice.parameters)))
    assert np.max(np.array(errors)[:, :3]) < 0.15
    assert np.max(np.array(errors)[:, 3:]) < 2.0


def test_what_is_no_lattice_is_none():
    assert decode_lattice(np.zeros((16, 16, 16)), 1.0) is None
    assert decode_lattice(np.ones((16, 16, 16)), 1.0) is None
    assert decode_lattice(1.0 - lattice_voxel(4 * np.eye(3), 16, 1.0), 1.0) is None


def test_each_failure_has_its_reason():
    geometry = GEOMETRIES[2]
    lattice = lattice_voxel(4.0 * np.eye(3), 16, 1.0)

    def voxels(*sets):
        return np.stack([sites_voxel(np.array(one).reshape(-1, 3), 24, BOX, 0.8) for one in sets])

    pair = voxels([[0, 0, 0]], [[2, 2, 2]])
    assert decode_crystal(lattice, pair, ("Bi", "Se"), geometry, min_distance=2.0).reason == ""
    assert decode_crystal(0 * lattice, pair, ("Bi", "Se"), geometry).reason == "bad_lattice"
    alone = voxels([[0, 0, 0]], [])
    assert decode_crystal(lattice, alone, ("Bi", "Se"), geometry).reason == "missing_element"
    assert decode_crystal(lattice, alone[:1], ("Bi",), geometry).reason == ""
    two_of_three = voxels([[0, 0, 0]], [], [[2, 2, 2]])
    assert decode_crystal(lattice, two_of_three, ("Bi", "Se", "Te"), geometry).reason == ""
    assert decode_crystal(lattice, pair, ("Bi", "Se"), geometry, max_atoms=1).reason == "too_many_atoms"
    through_the_face = voxels([[0, 0, -2]], [[0, 0, 1]])
    assert decode_crystal(lattice, through_the_face, ("Bi", "Se"), geometry, min_distance=2.0).reason == "too_close"
    assert decode_crystal(lattice, through_the_face, ("Bi", "Se"), geometry).reason == ""
    thin = lattice_voxel(np.diag([1.9, 4.0, 4.0]), 16, 1.0)
    assert decode_crystal(thin, pair, ("Bi", "Se"), geometry, min_distance=2.0).reason == "too_close"
