"""Controls: random crystals, mutations of the database, and the database itself."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras")
pyxtal = pytest.importorskip("pyxtal")

from pymatgen.core import Lattice, Structure  # noqa: E402
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer  # noqa: E402

from ccdcgan.candidates.generation import SAMPLE_COLUMNS, ShardPlan  # noqa: E402
from ccdcgan.crystals.structures import Crystal, standard_cell  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.representation.crystal_graph import CandidateRules, CrystalCodec  # noqa: E402
from ccdcgan.search.controls import Stock, control_shard  # noqa: E402
from ccdcgan.search.parents import Parents  # noqa: E402
from ccdcgan.search.random_crystals import ATTEMPTS, random_crystal  # noqa: E402
from tests.candidates.test_generation import ELEMENTS, GEOMETRY, NO_SCALE, rock_salt  # noqa: E402


class Sums:
    """Stands in for an autoencoder: a latent holds the sum over the voxel."""

    def __init__(self, latent: int) -> None:
        self.latent = latent

    def encode(self, voxels: np.ndarray) -> np.ndarray:
        sums = voxels.reshape(len(voxels), -1).sum(axis=1, keepdims=True)
        return np.tile(1e-3 * sums, (1, self.latent))


def caesium_chloride(edge: float) -> Structure:
    return standard_cell(Structure(Lattice.cubic(edge), ["Bi", "Bi", "Se"], [[0, 0, 0], [0.5, 0.5, 0], [0.5] * 3]))


CODEC = CrystalCodec(Sums(2), Sums(8), ELEMENTS, GEOMETRY, NO_SCALE)
RULES = CandidateRules(20, 2.0)
SUBSTITUTED = [rock_salt(6.0), caesium_chloride(5.0), rock_salt(3.0)]  # the last one breaks the distance rule


RELAXED = [
    Crystal(f"c{n}", structure, {"status": "ok", "formation_energy": -0.1, "e_above_hull": 0.02 * n})
    for n, structure in enumerate(SUBSTITUTED[:2])
]
STOCK = Stock(SUBSTITUTED, Parents.of(RELAXED, ELEMENTS, Uniqueness({"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0})))


def shard(scheme: str, **changes):
    return control_shard(STOCK, CODEC, replace(ShardPlan(scheme, 1, 12, 1, RULES), **changes))


def test_a_random_crystal_has_composition_volume_and_symmetry():
    like = caesium_chloride(5.0)
    made = [random_crystal(like, np.random.default_rng(seed)).structure for seed in range(5)]
    for structure in made:
        assert structure.composition.reduced_formula == "Bi2Se"
        assert structure.volume / len(structure) == pytest.approx(like.volume / 3)
    groups = [SpacegroupAnalyzer(structure).get_space_group_number() for structure in made]
    assert min(groups) > 1 and len(set(groups)) > 1


@pytest.mark.parametrize("failures", [2, 10**6])
def test_a_space_group_in_which_atoms_always_collide_is_given_up_for_another(monkeypatch, failures):
    real, asked = pyxtal.pyxtal.from_random, []

    def from_random(crystal, dim, group, *rest, **settings):
        asked.append(group)
        if len(asked) <= failures:
            raise RuntimeError("long time to generate structure, check inputs")
        return real(crystal, dim, group, *rest, **settings)

    monkeypatch.setattr(pyxtal.pyxtal, "from_random", from_random)
    made = random_crystal(caesium_chloride(5.0), np.random.default_rng(1))
    if failures == 2:
        assert made.structure.composition.reduced_formula == "Bi2Se" and len(set(asked)) > 2
    else:
        assert made.reason == "no_symmetric_crystal" and len(set(asked)) == len(asked) == ATTEMPTS


@pytest.mark.parametrize("scheme", ["random", "mutation", "database"])
def test_a_control_is_counted_like_any_scheme(scheme):
    made = shard(scheme)
    samples = made.samples
    assert list(samples.columns) == list(SAMPLE_COLUMNS)
    assert samples["status"].eq("ok").sum() == len(made.candidates) == len(made.graphs) > 0
    assert [crystal.id for crystal in made.candidates] == [
        f"{scheme}-0001-{sample:06d}" for sample in samples.loc[samples["status"] == "ok", "sample"]
    ]
    assert samples.loc[samples["status"] == "ok", "min_distance"].min() >= 2.0
    again = shard(scheme, n_samples=4).samples
    assert again.equals(samples.iloc[:4])
    assert not again["formula"].equals(shard(scheme, n_samples=4, shard=2).samples["formula"])


def test_every_crystal_of_the_database_is_drawn_before_any_is_repeated():
    made = shard("database")
    assert made.samples["reason"].value_counts().to_dict() == {"": 8, "too_close": 4}
    for start in range(0, 12, 3):
        turn = made.samples.iloc[start : start + 3]
        assert sorted(turn["formula"]) == ["Bi2Se", "BiSe", "BiSe"]


def test_a_crystal_outside_the_voxel_limits_is_rejected_with_the_reason():
    long = standard_cell(Structure(Lattice.orthorhombic(4, 4, 60), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.05]]))
    made = control_shard(Stock([long]), CODEC, ShardPlan("database", 0, 3, 1, RULES))
    assert not made.candidates and len(made.graphs) == 0
    assert set(made.samples["reason"]) == {"cell_out_of_range"}


def test_the_limit_of_atoms_holds_for_controls():
    made = shard("mutation", rules=replace(RULES, max_atoms=3), n_samples=40)
    assert {len(crystal.structure) for crystal in made.candidates} <= {2, 3}
    assert made.samples["reason"].eq("too_many_atoms").any()


def test_mutations_need_relaxed_crystals():
    with pytest.raises(ValueError, match="no relaxed crystals"):
        control_shard(Stock(SUBSTITUTED), CODEC, ShardPlan("mutation", 0, 3, 1, RULES))
