"""Refinement by re-encoding recovers details that a blurring decoder removes."""

from dataclasses import replace

import numpy as np
import pytest

from ccdcgan.crystals.structures import lattice_from_parameters
from ccdcgan.representation.crystal_graph import FAINT_ATOMS, CandidateRules, CrystalCodec, join_latents
from ccdcgan.representation.latent_decoding import decode_lattice_latents, decode_sites_latents
from ccdcgan.representation.voxel_decoding import decode_sites, largest_displacement
from ccdcgan.representation.voxels import Geometry, lattice_voxel, sites_voxel

GEOMETRY = Geometry(box=12.0, sites_grid=16, sites_sigma=0.8, lattice_grid=16, lattice_sigma=0.8)
ATOMS = np.array([[-3.0, 0.3, 1.0], [-1.3, 0.5, 1.1], [1.7, -2.0, -2.4], [2.2, 2.5, 0.1]])


class Blur:
    """An autoencoder whose latent is a voxel's slow Fourier components, damped by its decoder: a blurred voxel."""

    def __init__(self, grid, kept, damping):
        self.latent = 2 * (2 * kept + 1) ** 3
        slow = np.abs(np.fft.fftfreq(grid)) * grid <= kept
        self._kept = slow[:, None, None] & slow[:, None] & slow
        squares = np.fft.fftfreq(grid) ** 2
        self._damping = np.exp(-damping * (squares[:, None, None] + squares[:, None] + squares))

    def encode(self, voxels):
        components = np.fft.fftn(voxels, axes=(1, 2, 3), norm="ortho")[:, self._kept]
        return np.concatenate([components.real, components.imag], axis=1)

    def decode(self, latents):
        components = np.zeros((len(latents), *self._kept.shape), complex)
        real, imaginary = np.split(latents, 2, axis=1)
        components[:, self._kept] = real + 1j * imaginary
        return np.fft.ifftn(components * self._damping, axes=(1, 2, 3), norm="ortho").real.astype(np.float32)


@pytest.fixture(scope="module")
def autoencoder():
    return Blur(16, 6, 15.0)


def test_atoms_that_the_decoder_blurs_are_found(autoencoder):
    latents = autoencoder.encode(sites_voxel(ATOMS, 16, 12.0, 0.8)[None])
    plain, corrected = (decode_sites_latents(latents, autoencoder, replace(GEOMETRY, corrections=n))[0] for n in (0, 4))
    np.testing.assert_array_equal(plain, decode_sites(autoencoder.decode(latents)[0], 12.0, 0.8))
    assert not largest_displacement(ATOMS, plain) < 0.2
    assert largest_displacement(ATOMS, corrected) < 0.1


def test_a_cell_is_corrected_too_and_none_stays_none(autoencoder):
    cell = lattice_from_parameters(4.0, 5.0, 6.5, 85, 75, 110)
    latents = autoencoder.encode(lattice_voxel(np.array([cell.matrix, 1e-3 * np.eye(3)]), 16, 0.8))
    latents[1] = 0
    plain, corrected = (decode_lattice_latents(latents, autoencoder, replace(GEOMETRY, corrections=n)) for n in (0, 4))
    assert plain[1] is None
    assert corrected[1] is None
    errors = [np.abs(np.subtract(found[0].parameters, cell.parameters)).max() for found in (plain, corrected)]
    assert errors[1] < 0.5 * errors[0]


def test_an_empty_latent_gives_no_atoms_and_nothing_to_read_gives_nothing(autoencoder):
    empty = autoencoder.encode(np.zeros((1, 16, 16, 16), np.float32))
    assert [len(found) for found in decode_sites_latents(empty, autoencoder, replace(GEOMETRY, corrections=3))] == [0]
    assert decode_sites_latents(empty[:0], autoencoder, replace(GEOMETRY, corrections=3)) == []


def test_a_faint_atom_is_kept_though_the_latent_of_nothing_is_nearer():
    autoencoder = Blur(16, 6, 0.0)
    atom = autoencoder.encode(sites_voxel(np.array([[1.0, -2.0, 0.5]]), 16, 12.0, 0.8)[None])
    plain, corrected = (
        decode_sites_latents(0.45 * atom, autoencoder, replace(GEOMETRY, corrections=number))[0] for number in (0, 3)
    )
    assert len(plain) == len(corrected) == 1
    np.testing.assert_allclose(corrected, [[1.0, -2.0, 0.5]], atol=0.1)


def test_faint_atoms_of_an_element_are_found_with_a_lower_threshold_and_labelled():
    networks = Blur(16, 4, 0.0), Blur(16, 6, 0.0)
    cell = lattice_from_parameters(6.0, 6.5, 7.0, 90, 85, 95)
    atoms = [np.array([[0.0, 0.1, 0.2]]), np.array([[2.6, 0.3, -2.1], [-2.4, 1.9, 2.2]])]
    lattice = networks[0].encode(lattice_voxel(cell.matrix[None], 16, 0.8))
    sites = networks[1].encode(np.array([sites_voxel(positions, 16, 12.0, 0.8) for positions in atoms]))
    rows = np.array([sites, sites, sites])
    rows[1, 1] *= 0.3
    rows[2, 1] *= 0.05
    graphs = join_latents(np.repeat(lattice, 3, axis=0), rows)
    scale = np.ones(graphs.shape[1:], np.float32)
    codec = CrystalCodec(*networks, ("Bi", "Se"), replace(GEOMETRY, corrections=0), scale)
    plain, again = list(codec.decode(graphs)), list(codec.decode(graphs, CandidateRules(faint=0.6)))
    assert [decoded.reason for decoded in plain] == ["", "missing_element", "missing_element"]
    assert [decoded.reason for decoded in again] == ["", "", "missing_element"]  # of the last one nothing stands out
    assert [again[number].repaired for number in (0, 1)] == ["", FAINT_ATOMS]
    assert again[1].structure.formula == "Bi1 Se2"
    np.testing.assert_allclose(again[1].structure.distance_matrix, plain[0].structure.distance_matrix, atol=0.05)
