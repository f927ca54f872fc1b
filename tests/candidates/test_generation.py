"""Generation: every sample is counted once, with a reason if it is rejected, and results are reproducible."""

from dataclasses import fields, replace

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from pymatgen.core import Lattice, Structure  # noqa: E402

from ccdcgan.candidates import generation  # noqa: E402
from ccdcgan.candidates.distance_rule import expand  # noqa: E402
from ccdcgan.crystals.distances import PairDistances  # noqa: E402
from ccdcgan.crystals.structures import read_set, standard_cell, write_set  # noqa: E402
from ccdcgan.models.convolutional_networks import build_generator  # noqa: E402
from ccdcgan.representation.crystal_graph import CandidateRules, CrystalCodec, join_latents  # noqa: E402
from ccdcgan.representation.voxel_decoding import Decoded  # noqa: E402
from ccdcgan.representation.voxels import Geometry, encode_crystal  # noqa: E402

ELEMENTS = ("Bi", "Se")
GEOMETRY = Geometry(box=15.0, sites_grid=24, sites_sigma=0.6, lattice_grid=16, lattice_sigma=1.0)
NO_SCALE = np.ones((28, 28, 1), np.float32)


class Dictionary:
    """Stands in for an autoencoder: a latent holds the number of a voxel in its book."""

    def __init__(self, book: np.ndarray, latent: int) -> None:
        self.book, self.latent = book, latent

    def decode(self, latents: np.ndarray) -> np.ndarray:
        number = np.rint((np.asarray(latents)[:, 0] + 1) / 2 * (len(self.book) - 1)).astype(int)
        return self.book[number]


def rock_salt(edge: float) -> Structure:
    lattice = Lattice.from_parameters(*[edge / 2**0.5] * 3, 60, 60, 60)
    return standard_cell(Structure(lattice, ELEMENTS, [[0, 0, 0], [0.5] * 3]))


def books() -> tuple[Dictionary, Dictionary]:
    """Lattices: none, good, too small; sites: none, one atom, one atom beside it, 24 atoms."""
    good = encode_crystal(rock_salt(6.0), ELEMENTS, GEOMETRY)
    tight = encode_crystal(rock_salt(4.0), ELEMENTS, GEOMETRY)
    corners = np.array(np.meshgrid([-3, -1, 1, 3], [-2, 0, 2], [-1.5, 1.5])).reshape(3, -1).T
    crowd = Structure(Lattice.cubic(15.0), ["Bi"] * len(corners), corners / 15)
    crowded = encode_crystal(crowd, ELEMENTS, GEOMETRY)[1][0]
    lattices = np.stack([np.zeros_like(good[0]), good[0], tight[0]])
    sites = np.stack([np.zeros_like(good[1][0]), good[1][0], good[1][1], crowded])
    return Dictionary(lattices, 2), Dictionary(sites, 8)


def generator_of(graphs: np.ndarray) -> "keras.Model":
    """A generator that picks one of the given crystal graphs by the noise's largest entry."""
    side = graphs.shape[1]
    layers = keras.layers
    noise = keras.Input((len(graphs),))
    choice = layers.Softmax()(layers.Rescaling(1e4)(noise))
    flat = layers.Dense(side * side, use_bias=False, name="graphs")(choice)
    model = keras.Model(noise, layers.Reshape((side, side, 1))(flat))
    model.set_weights([graphs.reshape(len(graphs), -1)])
    return model


@pytest.fixture(scope="module")
def parts():
    lattice, sites = books()
    wanted = [(0, 1, 2), (1, 1, 2), (1, 1, 0), (1, 3, 2), (2, 1, 2)]  # lattice, Bi, Se
    lattice_latents = np.array([[row[0] - 1.0, 0] for row in wanted])
    sites_latents = np.array([[[2 * number / 3 - 1] + [0] * 7 for number in row[1:]] for row in wanted])
    return generator_of(join_latents(lattice_latents, sites_latents)), lattice, sites


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Several batches in few samples."""
    monkeypatch.setattr(generation, "BATCH", 16)


def shard(parts, **changes) -> generation.Shard:
    generator, lattice, sites = parts
    names = [field.name for field in fields(CandidateRules)]
    rules = CandidateRules(20, 2.0)
    rules = replace(rules, **{name: changes.pop(name) for name in names if name in changes})
    plan = replace(generation.ShardPlan("dcgan", 3, 40, 1, rules), **changes)
    return generation.generate_shard(generator, CrystalCodec(lattice, sites, ELEMENTS, GEOMETRY, NO_SCALE), plan)


def test_every_sample_is_counted_with_its_reason(parts):
    made = shard(parts)
    samples = made.samples
    assert list(samples.columns) == list(generation.SAMPLE_COLUMNS)
    assert list(samples["sample"]) == list(range(40))
    assert set(samples["reason"]) == {"", "bad_lattice", "missing_element", "too_many_atoms", "too_close"}
    assert (samples["status"].eq("ok") == samples["reason"].eq("")).all()
    assert samples["status"].eq("ok").sum() == len(made.candidates) == len(made.graphs) > 0
    assert made.graphs.shape[1:] == (28, 28, 1)


def test_candidates_are_crystals_that_pass_the_distance_rule(parts, tmp_path):
    made = shard(parts)
    kept = made.samples[made.samples["status"] == "ok"]
    assert [c.id for c in made.candidates] == [f"dcgan-0003-{sample:06d}" for sample in kept["sample"]]
    assert set(kept["formula"]) == {"BiSe"} and set(kept["n_atoms"]) == {2}
    assert kept["min_distance"].min() >= 2.0
    np.testing.assert_allclose(kept["min_distance"], 3.0, atol=0.02)
    close = made.samples[made.samples["reason"] == "too_close"]
    assert (close["min_distance"] < 2.0).all()
    write_set(tmp_path / "candidates.extxyz", made.candidates)
    back = read_set(tmp_path / "candidates.extxyz")
    assert [c.id for c in back] == [c.id for c in made.candidates]
    assert back[0].info["scheme"] == "dcgan" and back[0].info["status"] == "ok"


def test_a_looser_rule_keeps_more(parts):
    loose, strict = shard(parts, min_distance=0.5), shard(parts)
    assert len(loose.candidates) > len(strict.candidates)
    assert not loose.samples["reason"].eq("too_close").any()


def test_the_same_seed_repeats_and_another_shard_does_not(parts):
    first, again, other = shard(parts), shard(parts), shard(parts, shard=4)
    assert first.graphs.tobytes() == again.graphs.tobytes()
    assert first.samples.equals(again.samples)
    assert not first.samples["reason"].equals(other.samples["reason"])
    assert not first.samples["reason"].equals(shard(parts, seed=2).samples["reason"])


def test_a_sample_does_not_depend_on_how_many_there_are(parts):
    few, many = shard(parts, n_samples=20), shard(parts)
    assert few.samples.equals(many.samples.iloc[:20])
    assert len(shard(parts, n_samples=0).samples) == 0


def test_an_untrained_generator_gives_rows_and_no_error(parts):
    made = shard((build_generator(28, 7, 0), *parts[1:]), n_samples=10)
    assert len(made.samples) == 10


def test_a_cell_that_is_slightly_too_small_is_expanded_and_labelled(parts):
    loose = rock_salt(5.5)  # 2.75 angstrom from Bi to Se
    for most, rule, done in ((1.15, 3.0, "expanded"), (1.15, 2.7, ""), (1.05, 3.0, ""), (1.0, 3.0, "")):
        structure, what = expand(loose, rule, most)
        assert what == done
        assert (structure is loose) == (done == "")
    np.testing.assert_allclose(
        expand(loose, 3.0, 1.15)[0].lattice.abc, np.array(loose.lattice.abc) * 3.0 / 2.75, rtol=1e-3
    )
    plain, repaired = shard(parts, min_distance=3.2), shard(parts, min_distance=3.2, expansion=1.1)
    assert not plain.candidates and set(plain.samples["repaired"].dropna()) == {""}
    assert {crystal.info["repaired"] for crystal in repaired.candidates} == {"expanded"}
    kept = repaired.samples[repaired.samples["status"] == "ok"]
    assert kept["min_distance"].min() >= 3.2 and set(kept["repaired"]) == {"expanded"}


def test_distances_by_pairs_of_elements_reject_and_expand(parts):
    def rule(bi_se: float) -> PairDistances:
        return PairDistances({"Bi-Bi": 2.0, "Bi-Se": bi_se, "Se-Se": 2.0})

    assert shard(parts).samples.equals(shard(parts, min_distance=rule(2.0)).samples)
    strict, repaired = shard(parts, min_distance=rule(3.2)), shard(parts, min_distance=rule(3.2), expansion=1.1)
    assert not strict.candidates and strict.samples["reason"].eq("too_close").any()
    assert {crystal.info["repaired"] for crystal in repaired.candidates} == {"expanded"}


def test_a_crystal_with_faint_atoms_that_is_expanded_has_both_labels():
    faint = Decoded(rock_salt(5.5), repaired="faint")
    for rule, done in ((3.0, "faint and expanded"), (2.0, "faint")):
        plan = generation.ShardPlan("dcgan", 0, 1, 1, CandidateRules(20, rule, 1.15, 0.6))
        candidates, rows = generation.select_candidates([faint], plan, 0)
        assert (rows[0]["repaired"], candidates[0].info["repaired"]) == (done, done)
