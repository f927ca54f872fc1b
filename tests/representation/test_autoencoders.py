"""Autoencoders: architecture of Long et al., training, and resumption of a killed training without loss."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from pymatgen.core import Structure

from ccdcgan.crystals.structures import compact_positions, lattice_from_parameters
from ccdcgan.representation import autoencoders
from ccdcgan.representation.autoencoders import (
    build_autoencoder,
    load_autoencoder,
    reconstruction_loss,
    save_autoencoder,
    train_autoencoder,
)
from ccdcgan.representation.training_voxels import (
    Augmentation,
    LatticeSource,
    SitesSource,
    cube_symmetries,
    one_element_sets,
)
from ccdcgan.representation.voxels import lattice_voxel, sites_voxel
from ccdcgan.training.checkpoints import load_checkpoint, save_checkpoint
from ccdcgan.training.devices import bfloat16_is_faster, precision_policy
from ccdcgan.training.loop import TrainingRun
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import exclusive

SETTINGS = {
    "grid": 16,
    "sigma": 0.8,
    "latent": 16,
    "filters": 4,
    "activation": "linear",
    "loss": "weighted",
    "steps": 12,
    "batch": 4,
    "learning_rate": 3e-3,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "l2": 1e-6,
    "schedule": "cosine",
    "augment": True,
}


@pytest.fixture(scope="module")
def crystals():
    cells = []
    for a in np.linspace(4.5, 6.5, 8):
        salt = Structure(
            lattice_from_parameters(a * 0.7, a * 0.7, a, 80, 85, 100), ["Bi", "Se", "Se"],
            [[0, 0, 0], [0.5, 0.5, 0.5], [0.1, 0.5, 0.0]],
        )  # fmt: skip
        cells.append(salt)
    return cells


@pytest.fixture(scope="module")
def source(crystals):
    return SitesSource(one_element_sets(crystals, 15.0), 16, 15.0, 0.8, Augmentation(subsets=0.3, crowded=0.5))


@pytest.mark.parametrize(("grid", "latent", "parameters"), [(64, 200, 3_219_456), (32, 25, 1_261_568)])
def test_the_networks_are_those_of_the_paper(grid, latent, parameters):
    autoencoder = build_autoencoder(grid, 64, latent, "sigmoid")
    assert autoencoder.model.count_params() == parameters
    assert autoencoder.model.output_shape == (None, grid, grid, grid, 1)
    assert autoencoder.latent == latent


@pytest.mark.parametrize("grid", [16, 24, 32])
def test_latents_lie_between_minus_one_and_one(grid):
    autoencoder = build_autoencoder(grid, 4, 10)
    voxels = np.random.default_rng(0).uniform(0, 50, (3, grid, grid, grid))
    latents = autoencoder.encode(voxels, batch=2)
    assert latents.shape == (3, 10)
    assert np.abs(latents).max() <= 1
    assert autoencoder.decode(latents, batch=2).shape == voxels.shape


def test_a_wrong_grid_is_refused():
    with pytest.raises(InputError, match="grid is 30"):
        build_autoencoder(30)
    with pytest.raises(InputError, match="loss is 'mse'"):
        reconstruction_loss("mse")


def test_training_voxels_are_the_crystal_s_voxels(crystals):
    sets = one_element_sets(crystals, 15.0)
    assert len(sets.points) == 16
    assert list(sets.owner[:2]) == [0, 0]
    plain = SitesSource(sets, 16, 15.0, 0.8)
    positions = compact_positions(crystals[0])
    np.testing.assert_allclose(
        plain.fixed(np.array([1]))[0, ..., 0], sites_voxel(positions[1:], 16, 15.0, 0.8), atol=1e-5
    )
    matrices = np.array([crystal.lattice.matrix for crystal in crystals])
    np.testing.assert_allclose(
        LatticeSource(matrices, 16, 1.0).fixed(np.array([3]))[0, ..., 0],
        lattice_voxel(matrices[3], 16, 1.0),
        atol=1e-5,
    )


def test_the_cube_has_48_symmetries():
    matrices = cube_symmetries()
    assert len(np.unique(matrices.reshape(48, 9), axis=0)) == 48
    np.testing.assert_allclose(matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (48, 3, 3)))


def test_a_draw_depends_on_seed_and_step_alone(source, crystals):
    lattices = LatticeSource(np.array([crystal.lattice.matrix for crystal in crystals]), 16, 1.0, Augmentation())
    for one in (source, lattices):
        first = one.draw(1, 5, 4).numpy()
        np.testing.assert_array_equal(first, one.draw(1, 5, 4).numpy())
        assert not np.array_equal(first, one.draw(1, 6, 4).numpy())
        assert not np.array_equal(first, one.draw(2, 5, 4).numpy())
        assert first.shape == (4, 16, 16, 16, 1)
        assert first.min() >= 0
        assert 0.3 < first.max() < 1.5


def train(folder, source, held_out=None, steps_per_block=5, blocks_per_checkpoint=1, run=None, **changes):
    """Train with short blocks. run: fields of the TrainingRun that differ; held_out: the source itself if None."""
    run = replace(TrainingRun.at(folder / "sites.npz", "sites autoencoder"), **run or {})
    lengths = {"STEPS_PER_BLOCK": steps_per_block, "STEPS_PER_CHECKPOINT": steps_per_block * blocks_per_checkpoint}
    with mock.patch.multiple(autoencoders, **lengths):
        return train_autoencoder(SETTINGS | changes, source, held_out or source, run, seed=7)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_killed_training_resumes_with_identical_results(tmp_path, source, precision):
    def run(folder, stop_after=None):
        return train(folder, source, run={"precision": precision, "stop_after": stop_after})

    whole = run(tmp_path / "whole")
    run(tmp_path / "killed", stop_after=5)
    with open(tmp_path / "killed" / "sites.csv", "a") as history:
        history.write("10,1,1,1,1\n")  # a row of steps that were lost with the killed run
    resumed = run(tmp_path / "killed")
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    texts = [(tmp_path / folder / "sites.csv").read_text() for folder in ("whole", "killed")]
    assert texts[0] == texts[1]
    assert [line.split(",")[0] for line in texts[0].splitlines()] == ["step", "5", "10", "12"]


class RebuiltAtFirst(SitesSource):
    """Held-out voxels that are rebuilt at the first checkpoint only."""

    def rebuilt(self, true, output):
        self.calls = getattr(self, "calls", 0) + 1
        return np.full(len(true), self.calls <= 8)  # a checkpoint looks at eight parts


def test_the_best_weights_are_kept_and_patience_ends_the_training(tmp_path, source, crystals):
    held_out = RebuiltAtFirst(one_element_sets(crystals, 15.0), 16, 15.0, 0.8)
    first = train(tmp_path / "first", source, steps=40, patience=2, run={"stop_after": 5})
    kept = train(tmp_path / "kept", source, held_out, steps=40, patience=2)
    rows = [line.split(",") for line in (tmp_path / "kept/sites.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["step", "5", "10", "15"]
    assert [float(row[5]) for row in rows[1:]] == [1, 0, 0]
    for one, other in zip(first.model.get_weights(), kept.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_sources_know_what_is_rebuilt(source, crystals):
    voxels = source.fixed(np.arange(4)).numpy()[..., 0]
    other = voxels.copy()
    other[0] = 0
    other[1] = np.roll(other[1], 1, axis=0)  # one voxel, 0.94 angstrom
    assert list(source.rebuilt(voxels, other)) == [False, False, True, True]
    lattices = LatticeSource(np.array([crystal.lattice.matrix for crystal in crystals]), 16, 0.8)
    cells = lattices.fixed(np.arange(3)).numpy()[..., 0]
    assert list(lattices.rebuilt(cells, cells * np.array([1, 0, 1])[:, None, None, None])) == [True, False, True]
    assert list(lattices.rebuilt(cells[:1], cells[2:])) == [False]


def test_subsets_and_crowded_sets_fill_the_voxels(crystals):
    sets = one_element_sets(crystals, 15.0)

    def atoms_drawn(**changes):
        source = SitesSource(sets, 16, 15.0, 0.8, Augmentation(**changes))
        voxels = np.concatenate([source.draw(3, step, 32).numpy() for step in range(8)])
        return voxels.sum(axis=(1, 2, 3, 4)) / (np.sqrt(2 * np.pi) * 0.8 * 16 / 15) ** 3

    plain = atoms_drawn()
    assert set(np.round(plain)) == {1, 2}  # Bi, Se2
    assert set(np.round(atoms_drawn(subsets=1.0))) == {0, 1, 2, 3}
    assert atoms_drawn(crowded=2.0).mean() > plain.mean() + 0.1


def test_a_checkpoint_of_other_settings_is_not_used(tmp_path, source, caplog):
    train(tmp_path, source, run={"stop_after": 5})
    train(tmp_path, source, run={"stop_after": 5}, learning_rate=1e-4)
    assert "restarting from step 0" in caplog.text


def test_a_damaged_checkpoint_is_not_used(tmp_path):
    path = tmp_path / "damaged.npz"
    save_checkpoint(path, 3, [np.ones(4)], "a")
    path.write_bytes(path.read_bytes()[:50])
    assert load_checkpoint(path, [], "a") == 0
    assert load_checkpoint(tmp_path / "none.npz", [], "a") == 0


def test_a_checkpoint_past_the_last_step_is_not_used(tmp_path, caplog):
    path, variable = tmp_path / "past.npz", tf.Variable([0.0])
    save_checkpoint(path, 3, [np.ones(1)], "a")
    assert load_checkpoint(path, [variable], "a", last=2) == 0
    assert "restarting from step 0" in caplog.text and variable.numpy() == 0
    assert load_checkpoint(path, [variable], "a", last=3) == 3


def test_a_diverging_training_is_reported(tmp_path, source):
    with pytest.raises(InputError, match="diverged before step .*learning_rate"):
        train(tmp_path, source, learning_rate=1e30)


@pytest.mark.parametrize("kind", ["sites", "lattice"])
def test_a_small_training_beats_all_zeros(tmp_path, source, crystals, kind):
    if kind == "lattice":
        matrices = np.array([crystal.lattice.matrix for crystal in crystals])
        source = LatticeSource(matrices, 16, 0.8, Augmentation())
    changes = {"loss": "squared", "latent_noise": 0.05} if kind == "lattice" else {}
    autoencoder = train(tmp_path, source, steps_per_block=50, steps=150, filters=8, latent=32, **changes)
    last = (tmp_path / "sites.csv").read_text().splitlines()[-1].split(",")
    assert float(last[3]) < 0.7 * float(last[4])
    save_autoencoder(tmp_path / "sites.keras", autoencoder)
    read = load_autoencoder(tmp_path / "sites.keras")
    voxels = source.fixed(np.arange(3)).numpy()[..., 0]
    np.testing.assert_allclose(read.encode(voxels), autoencoder.encode(voxels), atol=1e-6)
    np.testing.assert_allclose(
        read.decode(read.encode(voxels)), autoencoder.model(voxels[..., None]).numpy()[..., 0], atol=1e-5
    )


def test_precision_names():
    assert precision_policy("float32") == "float32"
    assert precision_policy("auto") in ("float32", "mixed_bfloat16")
    with pytest.raises(InputError, match="float64"):
        precision_policy("float64")


@pytest.mark.parametrize(
    "vendor, flags, faster",
    [
        ("AuthenticAMD", "avx512f avx512_bf16", True),
        ("GenuineIntel", "avx512f avx512_bf16", False),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16 amx_tile", True),
        ("AuthenticAMD", "avx2", False),
    ],
)
def test_bfloat16_is_the_choice_where_it_is_faster(vendor, flags, faster):
    assert bfloat16_is_faster(vendor, set(flags.split())) is faster


def test_the_lock_is_free_again_after_use(tmp_path):
    for _ in range(2):
        with exclusive(tmp_path / "lock"):
            pass
