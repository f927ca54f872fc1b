"""The crystal graph contains the latents and nothing else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, lattice_from_parameters, standard_cell
from ccdcgan.database.splits import split_held_out
from ccdcgan.representation import crystal_graph
from ccdcgan.representation.autoencoders import build_autoencoder, save_autoencoder
from ccdcgan.representation.crystal_graph import (
    CandidateRules,
    CrystalCodec,
    CrystalGraphs,
    fit_codec,
    graph_side,
    join_latents,
    load_codec,
    load_graphs,
    save_graphs,
    split_latents,
)
from ccdcgan.representation.latent_tests import IDLE, latent_ranges, latent_tests
from ccdcgan.representation.reconstruction import COLUMNS, make_examples, matches, reconstruct, summarise
from ccdcgan.representation.reconstruction_examples import choose_examples
from ccdcgan.representation.voxels import Geometry, lattice_voxel
from ccdcgan.utils.errors import InputError
from tests.support.crystals import rock_salt, zinc_blende

GEOMETRY = Geometry(box=12.0, sites_grid=16, sites_sigma=0.8, lattice_grid=16, lattice_sigma=1.0)


@pytest.fixture(scope="module")
def crystals():
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(6.0), ["Bi", "Se"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    caesium = Structure(Lattice.cubic(3.7), ["Bi", "Se"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    long = Structure(lattice_from_parameters(4, 4, 18, 90, 90, 90), ["Bi", "Se"], [[0, 0, 0], [0, 0, 0.5]])
    chain = Structure(long.lattice, ["Bi", "Se"] * 3, [[0, 0, z] for z in np.arange(6) / 6])
    return [
        Crystal(name, standard_cell(structure, primitive=name != "chain"), {"prototype": name})
        for name, structure in (("salt", salt), ("chain", chain), ("caesium", caesium))
    ]


@pytest.fixture(scope="module")
def autoencoders():
    return build_autoencoder(16, 4, 6, seed=1), build_autoencoder(16, 4, 20, seed=2)


@pytest.mark.parametrize(
    ("n_elements", "latent", "side"), [(2, 200, 28), (1, 200, 28), (3, 200, 32), (2, 8, 28), (5, 200, 36)]
)
def test_the_side_of_a_crystal_graph(n_elements, latent, side):
    assert graph_side(n_elements, latent) == side


def test_a_crystal_graph_gives_its_latents_back():
    rng = np.random.default_rng(0)
    lattice = rng.uniform(-1, 1, (7, 25)).astype(np.float32)
    sites = rng.uniform(-1, 1, (7, 3, 200)).astype(np.float32)
    graphs = join_latents(lattice, sites)
    assert graphs.shape == (7, 32, 32, 1)
    lattice_back, sites_back = split_latents(graphs, 3, 200, 25)
    np.testing.assert_array_equal(lattice_back, lattice)
    np.testing.assert_array_equal(sites_back, sites)
    assert np.all(graphs.reshape(7, -1)[:, 25:200] == 0)
    assert np.all(graphs.reshape(7, -1)[:, 800:] == 0)


def test_a_lattice_latent_longer_than_its_row_is_refused():
    with pytest.raises(InputError, match=r"lattice\.latent"):
        join_latents(np.zeros((1, 30)), np.zeros((1, 2, 20)))


def test_crystal_graphs_survive_their_file_and_leave_out_what_does_not_fit(tmp_path, crystals, autoencoders):
    codec, graphs = fit_codec(crystals, ("Bi", "Se"), *autoencoders, GEOMETRY)
    assert list(graphs.ids) == ["salt", "caesium"]
    assert graphs.graphs.shape == (2, 28, 28, 1)
    assert np.abs(graphs.graphs).max() <= 1
    save_graphs(tmp_path / "graphs.npz", graphs, codec)
    read = load_graphs(tmp_path / "graphs.npz")
    np.testing.assert_array_equal(read.graphs, graphs.graphs)
    assert list(read.ids) == list(graphs.ids)
    networks = [tmp_path / "lattice.keras", tmp_path / "sites.keras"]
    for path, autoencoder in zip(networks, autoencoders, strict=True):
        save_autoencoder(path, autoencoder)
    loaded = load_codec(tmp_path / "graphs.npz", *networks)
    assert (loaded.elements, loaded.geometry) == (("Bi", "Se"), GEOMETRY)
    np.testing.assert_array_equal(loaded.encode(crystals).graphs, codec.encode(crystals).graphs)
    with pytest.raises(InputError, match="has a latent of 20, but the crystal graphs"):
        load_codec(tmp_path / "graphs.npz", *networks[::-1])


def test_a_codec_encodes_the_crystals_that_it_was_fitted_to_as_before(crystals, autoencoders):
    codec, graphs = fit_codec(crystals, ("Bi", "Se"), *autoencoders, GEOMETRY)
    again = codec.encode(crystals)
    assert list(again.ids) == list(graphs.ids)
    np.testing.assert_allclose(again.graphs, graphs.graphs, atol=1e-6)
    halved = replace(codec, scale=codec.scale / 2).encode(crystals)
    assert np.abs(halved.graphs).max() == 1  # values beyond the scale are clipped


def test_decoding_in_chunks_changes_nothing(autoencoders, monkeypatch):
    graphs = np.random.default_rng(1).uniform(-1, 1, (5, 28, 28, 1)).astype(np.float32)
    codec = CrystalCodec(*autoencoders, ("Bi", "Se"), GEOMETRY, np.ones((28, 28, 1), np.float32))
    whole = list(codec.decode_voxels(graphs))
    monkeypatch.setattr(crystal_graph, "CHUNK", 2)
    parts = list(codec.decode_voxels(graphs))
    assert len(whole) == len(parts) == 5
    for (lattice, sites), (lattice_part, sites_part) in zip(whole, parts, strict=True):
        assert sites.shape == (2, 16, 16, 16)
        np.testing.assert_allclose(lattice, lattice_part, atol=1e-5)
        np.testing.assert_allclose(sites, sites_part, atol=1e-5)
    reasons = {decoded.reason for decoded in codec.decode(graphs)}
    assert reasons <= {"bad_lattice", "missing_element", "too_many_atoms"}


def test_reconstruction_counts_every_crystal(crystals, autoencoders):
    codec, graphs = fit_codec(crystals, ("Bi", "Se"), *autoencoders, GEOMETRY)
    table = reconstruct(codec, crystals, graphs, np.array([False, True, True]))
    assert list(table.columns) == COLUMNS
    assert list(table["id"]) == ["salt", "chain", "caesium"]
    assert table["reason"][1] == "outside_box"
    assert table["voxels_matched"].tolist() == [True, False, True]
    summary = summarise(table, "prototype").set_index("split")
    assert summary.loc["held_out", "n"] == 2
    assert summary.loc["held_out", "voxels_matched"] == 1
    assert summary.loc["all", "voxels_matched_share"] == pytest.approx(2 / 3)
    roles = choose_examples(table)
    assert set(roles.values()) == {"salt", "caesium"}
    made = make_examples(codec, roles, {crystal.id: crystal for crystal in crystals}, graphs)
    assert made.sites.shape == (2, 2, 2, 16, 16) and made.lattices.shape == (2, 2, 16, 16)
    assert made.sites[:, 0].max() > 0.9
    for name in roles.values():
        true = next(crystal.structure for crystal in crystals if crystal.id == name)
        assert matches(made.crystal(name, "before").structure, true)[0]
    with pytest.raises(InputError, match="another order"):
        reconstruct(codec, crystals[::-1], graphs, np.zeros(3, bool))


def test_a_prototype_is_never_on_both_sides():
    prototypes = [f"p{number % 17}" for number in range(200)]
    held_out = split_held_out(prototypes, 0.2, "prototype", seed=3)
    inside = {name for name, out in zip(prototypes, held_out, strict=True) if not out}
    outside = {name for name, out in zip(prototypes, held_out, strict=True) if out}
    assert outside
    assert not inside & outside
    assert 0.1 < held_out.mean() <= 0.2
    assert split_held_out(prototypes, 0.2, "random", seed=3).sum() == 40
    assert not np.array_equal(held_out, split_held_out(prototypes, 0.2, "prototype", seed=4))


def test_every_pixel_fills_its_range_and_the_latents_are_recovered(autoencoders):
    crystals = [Crystal(str(i), standard_cell(structure)) for i, structure in enumerate((rock_salt(), zinc_blende()))]
    codec, graphs = fit_codec(crystals, ("Bi", "Se"), *autoencoders, GEOMETRY)
    latents = graphs.graphs * codec.scale
    largest = np.abs(graphs.graphs).max(axis=0).ravel()
    used = (1 + 2) * codec.sites.latent
    assert np.allclose(largest[largest > 0], 1)
    assert (largest[used:] == 0).all()
    assert np.abs(latents).max() <= 1
    lattice, _ = codec.split(latents)
    voxel = lattice_voxel(crystals[0].structure.lattice.matrix, GEOMETRY.lattice_grid, GEOMETRY.lattice_sigma)
    assert np.allclose(lattice[0], autoencoders[0].encode(voxel[None])[0], atol=1e-5)


def test_latents_are_measured_over_the_crystals_that_have_any(crystals, autoencoders):
    codec, graphs = fit_codec(crystals, ("Bi", "Se"), *autoencoders, GEOMETRY)
    ranges = latent_ranges(codec, graphs).set_index("latent")
    assert list(ranges.index) == ["lattice", "Bi", "Se"]
    assert list(ranges["components"]) == [6, 20, 20]
    assert list(ranges["n"]) == [len(graphs.ids)] * 3
    assert np.all(ranges["largest"] <= 1)
    assert np.all(ranges["least"] >= -1)
    same = latent_ranges(codec, CrystalGraphs(graphs.ids, np.repeat(graphs.graphs[:1], 2, axis=0)))
    assert list(same["idle"]) == list(same["components"])
    assert same["spread"].max() < IDLE

    def tests(seed):
        return latent_tests(codec, graphs, crystals, CandidateRules(20, 2.0), n=5, seed=seed)

    table = tests(1)
    assert list(table["n"]) == [len(graphs.ids)] * 6
    assert list(table.groupby("test").size()) == [2, 4]
    assert np.all(table["n_valid"] <= table["n_decoded"])
    assert np.all(table["n_matched"] <= table["n_decoded"])
    pd.testing.assert_frame_equal(table, tests(1))
