"""Every orientation used for training is the same crystal in the same cell."""

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, lattice_from_parameters, standard_cell
from ccdcgan.representation.orientations import equivalents, holohedry, orientations
from ccdcgan.representation.voxel_decoding import decode_crystal
from ccdcgan.representation.voxels import Geometry, encode_crystal
from tests.support.crystals import bi2se3, rock_salt

GEOMETRY = Geometry(box=15.0, sites_grid=32, sites_sigma=0.6, lattice_grid=16, lattice_sigma=0.8)
TRICLINIC = Structure(
    lattice_from_parameters(4.0, 4.9, 6.1, 80, 85, 76),
    ["Bi", "Se", "Se"],
    [[0, 0, 0], [0.5, 0.4, 0.3], [0.2, 0.6, 0.8]],
)


@pytest.mark.parametrize(
    ("lattice", "order"),
    [
        (Lattice.cubic(5), 48),
        (Lattice.hexagonal(4, 7), 24),
        (Lattice.tetragonal(4, 7), 16),
        (Lattice.orthorhombic(4, 5, 7), 8),
        (Lattice.monoclinic(4, 5, 7, 100), 4),
        (TRICLINIC.lattice, 2),
    ],
)
def test_the_order_of_the_holohedries(lattice, order):
    rotations = holohedry(lattice.matrix)
    assert len(rotations) == order and np.array_equal(rotations[0], np.eye(3))
    metric = lattice.matrix @ lattice.matrix.T
    for rotation in rotations:
        np.testing.assert_allclose(rotation.T @ metric @ rotation, metric, atol=1e-8)


@pytest.mark.parametrize("structure", [standard_cell(bi2se3()), standard_cell(rock_salt()), TRICLINIC])
def test_orientations_decode_to_the_crystal_or_its_mirror_image(structure):
    matcher = StructureMatcher()
    turned = orientations(structure)
    assert matcher.fit(turned[0], structure)
    for other in turned:
        encoded = encode_crystal(other, ("Bi", "Se"), GEOMETRY)
        decoded = decode_crystal(*encoded, ("Bi", "Se"), GEOMETRY).structure
        assert decoded is not None and matcher.fit(decoded, structure)
        np.testing.assert_allclose(sorted(decoded.lattice.abc), sorted(structure.lattice.abc), atol=0.02)


def test_orientations_differ_in_the_voxel_and_are_no_more_than_asked():
    turned = orientations(TRICLINIC)
    assert len(turned) == 2  # it has no inversion of its own
    voxels = [encode_crystal(structure, ("Bi", "Se"), GEOMETRY)[1] for structure in turned]
    assert np.abs(voxels[0] - voxels[1]).max() > 0.5
    crystals = equivalents([Crystal("a", TRICLINIC), Crystal("b", standard_cell(rock_salt()))], most=1)
    assert [crystal.id for crystal in crystals] == ["a", "b"]
