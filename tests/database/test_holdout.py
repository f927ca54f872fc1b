"""A held-out composition is not used in any training, and is still in the database for comparison."""

import pytest

from ccdcgan.crystals.structures import Crystal, standard_cell
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.energies import relaxed_not_held_out, without_compositions
from ccdcgan.database.prototypes.collection import collect_prototypes
from ccdcgan.database.splits import kinds_of_prototypes, split_as_pretrained, split_training
from ccdcgan.database.substitution import substitute
from ccdcgan.representation.training_data import training_sources
from tests.support.crystals import bi2se3, rock_salt

MATCHER = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0}


@pytest.fixture(scope="module")
def database():
    """Prototypes including Bi2Se3 and Sb2Te3, and a database of Bi-Se made from them, regarded as relaxed."""
    config = {"sources": ["aflow"], "max_atoms": 5, "limit": 40}
    prototypes = collect_prototypes(config, 2)[0]
    twin = bi2se3()
    twin.replace_species({"Bi": "Sb", "Se": "Te"})
    prototypes += [Crystal(name, standard_cell(crystal)) for name, crystal in (("mine", bi2se3()), ("twin", twin))]
    made, table = substitute(prototypes, ["Bi", "Se"], range(2, 3), 12.0, Uniqueness(MATCHER))
    return made, prototypes, kinds_of_prototypes(table)


@pytest.mark.parametrize("mode", ["prototype", "random"])
def test_nothing_of_the_composition_is_trained_on(database, mode):
    made, prototypes, kinds = database
    table = split_training(made, prototypes, kinds, 0.2, mode, 1, ["Bi2Se3"])
    trained = {name: set(part.loc[part["split"] == "train", "id"]) for name, part in table.groupby("set")}
    formulas = {crystal.id: crystal.formula for crystal in made}
    held_out = [crystal for crystal in made if crystal.formula == "Bi2Se3"]
    assert held_out
    assert "Bi2Se3" not in {formulas[name] for name in trained["database"]}
    assert not {"mine", "twin"} & trained["prototypes"]
    # a model trained on bare prototypes must not see the same crystals with other elements
    uniqueness = Uniqueness(MATCHER)
    for prototype in prototypes:
        counts = sorted(prototype.structure.composition.get_reduced_composition_and_factor()[0].values())
        if prototype.id not in trained["prototypes"] or counts != [2, 3]:
            continue  # another ratio of elements is another composition
        made_of_it, _ = substitute([prototype], ["Bi", "Se"], range(2, 3), 12.0, uniqueness)
        for crystal in made_of_it:
            assert not any(uniqueness.equal(crystal.structure, other.structure) for other in held_out)
    # the others are held out as before, in the requested fraction
    others = [crystal.id for crystal in made if crystal.formula != "Bi2Se3"]
    assert len(set(others) - trained["database"]) == pytest.approx(0.2 * len(others), abs=4)


def test_prototypes_that_make_the_same_crystal_are_held_out_together(database):
    made, prototypes, kinds = database
    assert kinds["mine"] == kinds["twin"]  # Bi2Se3 and Sb2Te3 are one structure
    assert len(set(kinds.values())) > 0.5 * len(kinds)
    for seed in range(4):
        table = split_training(made, prototypes, kinds, 0.5, "prototype", seed)
        sides = table.groupby(table["prototype"].map(lambda name: kinds.get(name, name)))["split"].nunique()
        assert set(sides) == {1}


def test_with_pretrained_autoencoders_a_crystal_is_held_out_if_no_prototype_of_its_kind_was_seen(database):
    made, prototypes, kinds = database
    names = {crystal.id for crystal in prototypes}
    for unseen, held_out in ((names, {"held_out"}), (set(), {"train"})):
        table = split_as_pretrained(made, prototypes, kinds, unseen)
        assert set(table["split"]) == held_out and len(table) == len(made) + len(prototypes)
    # the twin of Bi2Se3 was seen, so Bi2Se3 was
    split = split_as_pretrained(made, prototypes, kinds, names - {"twin"}).set_index(["set", "id"])["split"]
    assert split["prototypes", "mine"] == split["prototypes", "twin"] == "train"
    trained = {crystal.id for crystal in made if split["database", crystal.id] == "train"}
    assert trained and {crystal.formula for crystal in made if crystal.id in trained} <= {"Bi2Se3", "Bi3Se2"}


def test_crystal_graphs_are_made_without_it(database):
    made, _, _ = database
    failed = Crystal("failed", rock_salt(), {"status": "failed"})
    kept = relaxed_not_held_out([*made, failed], ["Bi2Se3"])
    assert {crystal.formula for crystal in made} - {crystal.formula for crystal in kept} == {"Bi2Se3"}
    assert "failed" not in {crystal.id for crystal in kept}
    assert relaxed_not_held_out(made, []) == made


def test_hull_distances_are_those_without_it():
    def crystal(name: str, structure, energy: float, above: float) -> Crystal:
        return Crystal(name, structure, {"status": "ok", "formation_energy": energy, "e_above_hull": above})

    made = [crystal("a", bi2se3(), -0.5, 0.0), crystal("b", rock_salt(), -0.2, 0.22)]
    phase = crystal("c", bi2se3(), -0.4, 0.1)
    failed = Crystal("failed", rock_salt(), {"status": "failed"})
    assert without_compositions([*made, failed], [phase], ["Bi", "Se"], []) == made
    kept = without_compositions([*made, failed], [phase], ["Bi", "Se"], ["Bi2Se3"])
    assert [one.id for one in kept] == ["b"]
    assert kept[0].info["e_above_hull"] == pytest.approx(0.0)  # it is the only compound that is left
    above = without_compositions([made[1]], [phase], ["Bi", "Se"], ["BiSe3"])[0].info["e_above_hull"]
    assert above == pytest.approx(-0.2 + 0.4 * 0.5 / 0.6)  # the known phase stays, on the line from Bi to it


@pytest.mark.parametrize("network", ["sites", "lattice"])
def test_autoencoders_learn_from_the_same_data_as_if_it_did_not_exist(database, network):
    made, prototypes, kinds = database
    split = split_training(made, prototypes, kinds, 0.0, "random", 1, ["Bi2Se3"])
    settings = {"grid": 16, "sigma": 0.8, "augment": True, "subsets": 0.3, "crowded": 0.5}
    source, _ = training_sources(network, settings, 15.0, made, prototypes, split)
    trained = set(split.loc[split["split"] == "train", "id"])
    others, _ = training_sources(
        network,
        settings,
        15.0,
        [crystal for crystal in made if crystal.id in trained],
        [crystal for crystal in prototypes if crystal.id in trained],
        split,
    )
    assert source.identity == others.identity
    everything = split.assign(split="train")
    assert training_sources(network, settings, 15.0, made, prototypes, everything)[0].identity != source.identity
