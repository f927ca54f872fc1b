"""Many voxels are decoded at once as they are one by one, and matrix products give what the networks give."""

import numpy as np
import pytest

pytest.importorskip("keras")

from pymatgen.core import Lattice, Structure  # noqa: E402

from ccdcgan.candidates.distance_rule import closest_approaches, reduced_cells  # noqa: E402
from ccdcgan.crystals.distances import PairDistances  # noqa: E402
from ccdcgan.crystals.structures import lattice_from_parameters, shortest_distance  # noqa: E402
from ccdcgan.representation.autoencoders import build_autoencoder  # noqa: E402
from ccdcgan.representation.decoding.matrix_decoder import BLOCK, MatrixDecoder  # noqa: E402
from ccdcgan.representation.decoding.peaks import find_peaks, separated  # noqa: E402
from ccdcgan.representation.voxel_decoding import decode_cells, decode_many_sites, decode_sites  # noqa: E402
from ccdcgan.representation.voxels import lattice_voxel, sites_voxel, sites_voxels, voxel_centres  # noqa: E402

BOX, SIGMA = 15.0, 0.8


def random_sets(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Point sets of 0 to 12 atoms, some of them closer than the resolution."""
    return [rng.uniform(-6, 6, (rng.integers(13), 3)) for _ in range(n)]


@pytest.mark.parametrize(("grid", "filters", "latent"), [(16, 64, 200), (16, 8, 25), (12, 6, 20)])
def test_the_decoder_as_matrix_products_gives_the_voxels_of_the_network(grid, filters, latent):
    autoencoder = build_autoencoder(grid, filters, latent, seed=2)
    weights = autoencoder.decoder.get_weights()
    assert MatrixDecoder.suits([weight.shape for weight in weights])
    rng = np.random.default_rng(1)
    for number in (BLOCK + 3, 1, 0):
        latents = rng.uniform(-1, 1, (number, latent)).astype(np.float32)
        found = MatrixDecoder(weights).decode(latents)
        assert found.shape == (number, grid, grid, grid)
        if number:
            expected = autoencoder.decoder(latents).numpy()[..., 0]
            np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("grid", [8, 24])
def test_other_decoders_are_left_to_the_library(grid):
    autoencoder = build_autoencoder(grid, 4, 10)
    assert not MatrixDecoder.suits([weight.shape for weight in autoencoder.decoder.get_weights()])
    latents = np.random.default_rng(0).uniform(-1, 1, (11, 10)).astype(np.float32)
    expected = autoencoder.decoder(latents).numpy()[..., 0]
    np.testing.assert_allclose(autoencoder.decode(latents), expected, atol=1e-5)


def test_a_sigmoid_output_stays_one():
    autoencoder = build_autoencoder(16, 4, 10, "sigmoid")
    latents = np.random.default_rng(0).uniform(-1, 1, (3, 10)).astype(np.float32)
    np.testing.assert_allclose(autoencoder.decode(latents), autoencoder.decoder(latents).numpy()[..., 0], atol=1e-6)


@pytest.mark.parametrize("grid", [16, 24])
def test_sites_are_decoded_together_as_they_are_alone(grid):
    rng = np.random.default_rng(3)
    sets = random_sets(rng, 40)
    voxels = sites_voxels(sets, grid, BOX, SIGMA)
    np.testing.assert_allclose(voxels, [sites_voxel(atoms, grid, BOX, SIGMA) for atoms in sets], atol=1e-6)
    voxels += rng.normal(0, 0.02, voxels.shape).astype(np.float32)
    together = decode_many_sites(voxels, BOX, SIGMA)
    for voxel, atoms in zip(voxels, together, strict=True):
        np.testing.assert_array_equal(decode_sites(voxel, BOX, SIGMA), atoms)
    thresholds = rng.uniform(0.2, 0.6, len(voxels))
    for voxel, threshold, atoms in zip(
        voxels, thresholds, decode_many_sites(voxels, BOX, SIGMA, thresholds), strict=True
    ):
        np.testing.assert_array_equal(decode_sites(voxel, BOX, SIGMA, threshold), atoms)


def test_cells_are_decoded_together_as_they_are_alone():
    cells = [
        lattice_from_parameters(*lengths, 80, 95, 100) for lengths in np.random.default_rng(0).uniform(3, 9, (40, 3))
    ]
    voxels = lattice_voxel(np.array([cell.matrix for cell in cells]), 16, 0.8)
    voxels[7], voxels[8] = 0, 1
    found = decode_cells(voxels, 0.8)
    assert found[7] is None and found[8] is None
    for number, cell in enumerate(cells):
        if number not in (7, 8):
            np.testing.assert_allclose(found[number], cell.matrix, atol=1e-3)
            np.testing.assert_array_equal(decode_cells(voxels[number : number + 1], 0.8)[0], found[number])


def test_peaks_of_many_voxels_are_sorted_separated_and_limited():
    centres = voxel_centres(16, BOX)
    voxels = np.zeros((3, 16, 16, 16), np.float32)
    for height, place in ((0.9, (3, 3, 3)), (1.0, (3, 3, 5)), (0.7, (12, 12, 12)), (0.3, (0, 0, 0))):
        voxels[0][place] = height
    voxels[2] = 0.5  # a plateau
    nothing = [np.empty((0, 3))] * 3
    found = find_peaks(voxels, centres, 0.4, 2.5, nothing)
    np.testing.assert_array_equal(found[0], centres[[[3, 3, 5], [12, 12, 12]]])
    assert len(found[1]) == 0
    assert len(find_peaks(voxels, centres, np.array([0.2, 0.2, 0.6]), 0.1, nothing)[0]) == 4
    assert len(find_peaks(voxels, centres, 0.4, 2.5, nothing, most=1)[0]) == 1
    beside = [found[0][:1] + 0.5, *nothing[1:]]
    np.testing.assert_array_equal(find_peaks(voxels, centres, 0.4, 2.5, beside)[0], found[0][1:])
    assert find_peaks(voxels[:0], centres, 0.4, 2.5, []) == []


def test_separated_points_are_taken_in_order():
    rng = np.random.default_rng(5)
    sets = [rng.uniform(0, 4, (size, 3)) for size in (0, 1, 7, 40, 90)]
    for points, kept in zip(sets, separated(sets, 1.0), strict=True):
        accepted = []
        for point in points:
            if all(np.linalg.norm(point - other) >= 1.0 for other in accepted):
                accepted.append(point)
        np.testing.assert_array_equal(kept, np.array(accepted).reshape(-1, 3))


def test_distances_in_skewed_cells_are_those_of_the_crystals():
    rng = np.random.default_rng(7)
    rule = PairDistances({"Bi-Bi": 2.3, "Bi-Se": 2.0, "Se-Se": 1.7})
    structures = []
    for _ in range(40):
        lattice = Lattice(rng.integers(-2, 3, (3, 3)) + 9 * np.eye(3) + rng.uniform(-5, 5, (3, 3)))
        species = rng.choice(["Bi", "Se"], rng.integers(1, 7))
        structures.append(Structure(lattice, species, rng.uniform(0, 1, (len(species), 3))))
    for structure, approach in zip(structures, closest_approaches(structures, rule), strict=True):
        np.testing.assert_allclose(approach.shortest, shortest_distance(structure), rtol=1e-9)
        np.testing.assert_allclose(min(1, approach.ratio), rule.ratio(structure), rtol=1e-9)
    for structure, approach in zip(structures, closest_approaches(structures, 2.0), strict=True):
        np.testing.assert_allclose(approach.ratio, shortest_distance(structure) / 2.0, rtol=1e-9)
    cells = np.array([structure.lattice.matrix for structure in structures])
    reduced = reduced_cells(cells)
    np.testing.assert_allclose(np.abs(np.linalg.det(reduced)), np.abs(np.linalg.det(cells)))
    assert closest_approaches(structures[:1], 0.0)[0].ratio == np.inf
