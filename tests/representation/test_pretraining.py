"""Pre-training of the autoencoders: choice of crystals, split by kind, weights of half precision."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, shortest_distance, standard_cell
from ccdcgan.representation.autoencoders import build_autoencoder
from ccdcgan.representation.pretraining.crystals import CLOSEST, choose_crystals, kind_of
from ccdcgan.representation.pretraining.evaluation import reconstruct_voxels, summarise_voxels
from ccdcgan.representation.pretraining.weights import load_weights, save_weights
from ccdcgan.representation.training_data import pretraining_sources
from ccdcgan.utils.errors import InputError

SITES = {
    "grid": 8,
    "sigma": 1.6,
    "filters": 4,
    "latent": 8,
    "activation": "linear",
    "augment": True,
    "subsets": 0.3,
    "crowded": 0.5,
}


def cubic(group: str, first: str, second: str, length: float) -> Structure:
    lattice, sites = Lattice.cubic(length), [[0] * 3, [0.5] * 3]
    return standard_cell(Structure.from_spacegroup(group, lattice, [first, second], sites))


def rock_salt(first: str, second: str, length: float) -> Structure:
    return cubic("Fm-3m", first, second, length)


def caesium_chloride(first: str, second: str, length: float) -> Structure:
    return cubic("Pm-3m", first, second, length)


@pytest.fixture(scope="module")
def prototypes() -> list[Crystal]:
    """Eight rock salts and three crystals of caesium chloride, of different volumes, and one metal."""
    salts = {f"salt-{a}": rock_salt("Na", "Cl", a) for a in np.linspace(4.2, 7.0, 8)}
    others = {f"cscl-{a}": caesium_chloride("Cs", "Cl", a) for a in (3.4, 4.1, 4.5)}
    metal = standard_cell(Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.6), ["Cu"], [[0] * 3]))
    crystals = salts | others | {"copper": metal}
    return [Crystal(name, structure, {"status": "ok"}) for name, structure in crystals.items()]


def test_a_kind_is_the_same_for_all_elements_and_volumes_but_not_for_another_structure():
    assert kind_of(rock_salt("Na", "Cl", 5.6)) == kind_of(rock_salt("Pb", "Te", 6.5)) == "AB-225-2"
    assert kind_of(caesium_chloride("Na", "Cl", 3.5)) == "AB-221-2"


def test_crystals_of_a_kind_are_limited_spread_in_volume_and_on_one_side(prototypes):
    chosen = choose_crystals(prototypes, 3, 1 / 3, seed=1)
    sources = [crystal for crystal in chosen if crystal.info["volume"] == "source"]
    kinds = {kind: [x for x in sources if x.info["kind"] == kind] for kind in {x.info["kind"] for x in sources}}
    assert {kind: len(members) for kind, members in kinds.items()} == {"AB-225-2": 3, "AB-221-2": 3, "A-225-1": 1}
    volumes = [x.structure.volume for x in kinds["AB-225-2"]]
    every = [x.structure.volume for x in prototypes if x.id.startswith("salt")]
    assert min(volumes) == min(every) and max(volumes) == max(every)
    splits = {kind: {x.info["split"] for x in chosen if x.info["kind"] == kind} for kind in kinds}
    assert all(len(split) == 1 for split in splits.values()) and list(splits.values()).count({"held_out"}) == 1


def test_copies_are_rescaled_and_keep_atoms_apart(prototypes):
    chosen = choose_crystals(prototypes, 8, 0.0, seed=1)
    copies = [crystal for crystal in chosen if crystal.info["volume"] == "rescaled"]
    assert len(copies) == len(prototypes) and {crystal.info["split"] for crystal in chosen} == {"train"}
    assert all(shortest_distance(crystal.structure) >= CLOSEST - 1e-6 for crystal in copies)
    volumes = {round(crystal.structure.volume / len(crystal.structure), 3) for crystal in copies}
    assert len(volumes) == len(copies) and min(volumes) >= 10 and max(volumes) <= 32
    again = choose_crystals(prototypes[::-1], 8, 0.0, seed=1)
    assert {x.id: x.structure.volume for x in again} == {x.id: x.structure.volume for x in chosen}


@pytest.mark.parametrize("network", ["sites", "lattice"])
def test_held_out_kinds_are_not_trained_on(prototypes, network):
    chosen = choose_crystals(prototypes, 8, 1 / 3, seed=1)
    train, held_out = pretraining_sources(network, SITES, 15.0, chosen)
    n_held_out = sum(crystal.info["split"] == "held_out" for crystal in chosen)
    assert 0 < n_held_out < len(chosen)
    per_crystal = 1 if network == "lattice" else max(len(x.structure.composition) for x in chosen)
    assert 0 < held_out.size <= per_crystal * n_held_out
    assert 0 < train.size <= per_crystal * (len(chosen) - n_held_out)


def test_weights_come_back_in_half_precision(tmp_path):
    autoencoder = build_autoencoder(8, 4, 8, seed=3)
    save_weights(tmp_path / "sites.npz", autoencoder)
    loaded = load_weights(tmp_path / "sites.npz", SITES)
    for before, after in zip(autoencoder.model.get_weights(), loaded.model.get_weights(), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-6)
    voxels = np.random.default_rng(1).random((3, 8, 8, 8))
    np.testing.assert_allclose(loaded.encode(voxels), autoencoder.encode(voxels), atol=5e-3)


def test_weights_of_another_network_and_damaged_files_are_refused_in_one_sentence(tmp_path):
    save_weights(tmp_path / "sites.npz", build_autoencoder(8, 4, 8))
    with pytest.raises(InputError, match="does not hold the weights"):
        load_weights(tmp_path / "sites.npz", SITES | {"filters": 8})
    (tmp_path / "sites.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match="does not hold the weights"):
        load_weights(tmp_path / "sites.npz", SITES)


@pytest.mark.parametrize("network", ["sites", "lattice"])
def test_voxels_of_a_perfect_autoencoder_are_all_rebuilt_and_those_of_an_empty_one_are_not(prototypes, network):
    settings = SITES | {"grid": 16, "sigma": 0.8}

    class Perfect:
        def encode(self, voxels):
            return voxels

        def decode(self, latents):
            return latents

    class Empty(Perfect):
        def decode(self, latents):
            return 0 * latents

    table = reconstruct_voxels(network, Perfect(), prototypes, settings, 15.0)
    summary = summarise_voxels(network, table).set_index("group")
    assert summary.loc["all", "n"] == len(table) == summary.loc[["1 element", "2 elements"], "n"].sum()
    assert (summary["rebuilt_share"] == 1).all() and (summary["median_error"] < 0.01).all()
    empty = summarise_voxels(network, reconstruct_voxels(network, Empty(), prototypes, settings, 15.0))
    assert (empty["rebuilt"] == 0).all() and np.allclose(empty["relative_loss"], 1)
