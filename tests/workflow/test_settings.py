"""The settings that rules get: what affects their results, and nothing else."""

import copy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import update_config

from ccdcgan.schemes import SCHEMES, trained
from ccdcgan_workflow import settings
from ccdcgan_workflow.keys.renamed import earlier_names
from tests.conftest import ROOT

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


def configuration(preset: str = "", **changes) -> dict:
    """Return the default configuration with a preset and changes of sections."""
    config = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text())
    if preset:
        update_config(config, yaml.safe_load((ROOT / f"presets/{preset}.yaml").read_text()))
    update_config(config, copy.deepcopy(changes))
    return config


@given(st.integers(1, 10_000), st.integers(1, 3_000))
def test_shards_hold_all_samples_and_are_full_but_the_last(samples: int, size: int):
    sizes = settings.shard_sizes({"generation": {"samples": samples, "shard_size": size}})
    assert sum(sizes) == samples and 0 < sizes[-1] <= size
    assert set(sizes[:-1]) <= {size}
    assert len(settings.numbered(len(sizes))) == len(sizes)


@pytest.mark.parametrize("engine", settings.ENGINES)
def test_unused_engines_batches_and_the_correction_do_not_affect_a_relaxation(engine: str):
    section = configuration(relaxation={"engine": engine})["relaxation"]
    others = set(settings.ENGINES) - {engine}
    own = settings.relaxation_settings(section)
    assert {"classical": "ase"}.get(engine, engine) in own and not {*others, "ase"} - {own["engine"]} & set(own)
    changed = section | dict.fromkeys(others, {}) | {"jobs": section["jobs"] + 1, "energy_correction": None}
    assert settings.relaxation_settings(changed) == own
    assert settings.relaxation_settings(section | {"fmax": 0.5}) != own


def test_a_verification_differs_from_the_relaxation_in_four_keys():
    config = configuration(verify={"engine": "mlip", "fmax": 0.01, "max_steps": 7, "wall_clock": 9})
    first, second = settings.relaxation_settings(config["relaxation"]), settings.verification_settings(config)
    changed = {key for key in first if first[key] != second[key]}
    assert changed == {"fmax", "max_steps", "wall_clock"}
    assert settings.verification_settings(configuration(verify={"engine": "gpaw"}))["engine"] == "gpaw"


def test_phonons_are_computed_with_one_model_for_the_symmetric_crystal():
    for engine in ("mlip", "vasp", "gpaw"):
        own = settings.phonon_engine_settings(configuration(relaxation={"engine": engine}))
        assert own["engine"] == "mlip" and own["displacement"] == 0
        assert own["mlip"]["models"] == ["7net-l3i5"]
        assert not {"vasp", "gpaw", "ase"} & set(own)
    assert settings.phonon_engine_settings(configuration(relaxation={"engine": "classical"}))["engine"] == "ase"


def test_the_unused_network_of_the_constraint_does_not_count():
    section = configuration()["constraint"]
    descriptors = earlier_names({"constraint": section})["constraint"]["descriptors"]
    own = settings.constraint_settings(configuration(constraint={"network": "descriptors"}))
    assert own == {"network": "descriptors", "held_out": section["validation_fraction"], **descriptors}
    image = settings.constraint_settings(configuration(constraint={"network": "image"}))
    assert "descriptors" not in image and image["steps"] == section["image"]["steps"]


def test_only_constrained_schemes_have_keys_of_the_constraint():
    config = configuration()
    for scheme in trained(SCHEMES):
        constrained = [key for key in settings.generator_settings(config, scheme) if key.startswith("constraint_")]
        assert bool(constrained) == SCHEMES[scheme].constrained
    assert settings.generator_settings(config, "flow")["width"] == config["flow"]["width"]


def test_sources_that_are_not_used_do_not_count():
    config = configuration(prototypes={"sources": ["aflow", "files"]})
    own = settings.prototype_settings(config)
    assert "files" in own and not {"oqmd", "materials_project", "optimade"} & set(own)
    assert settings.source_query(config, "oqmd") == [config["prototypes"]["oqmd"], 2, config["prototypes"]["max_atoms"]]


@pytest.mark.parametrize("preset", ["", *PRESETS])
def test_every_preset_can_be_described_and_counted(preset: str):
    config = configuration(preset)
    assert settings.describe_engine(config) and settings.describe_choice(config).endswith(".")
    work = settings.units_of_work(config)
    assert {rule for rule, _, _ in work} >= {"train_autoencoder", "relax_candidates"}
    assert all(units > 0 for _, _, units in work)
    assert settings.needs_potcars(config) == (config["relaxation"]["engine"] == "vasp")
    assert settings.energy_model(config)


def test_the_choice_is_described_as_configured():
    for limit, choose, words in (
        (None, "first", "All"),
        (9, "first", "first 9"),
        (9, "constraint", "by the constraint"),
    ):
        assert words in settings.describe_choice(configuration(evaluation={"relax_at_most": limit, "choose": choose}))
    assert settings.ranks_candidates(configuration(evaluation={"choose": "similar"}))
    assert not settings.ranks_candidates(configuration(evaluation={"choose": "first"}))


def test_thresholds_and_rules_are_those_of_the_configuration():
    config = configuration(evaluation={"stable": 0.05, "meta_stable": 0.2}, generation={"min_distance": 1.7})
    assert settings.hull_thresholds(config) == {"stable": 0.05, "meta_stable": 0.2}
    rules = settings.candidate_rules(config, "min_distance", "max_atoms")
    assert rules == {"min_distance": 1.7, "max_atoms": config["generation"]["max_atoms"]}


def test_an_optimisation_of_the_flow_does_not_depend_on_its_training():
    config = configuration(flow={"optimisation_steps": 3, "optimisation_length": 0.1, "trust_radius": 0.4})
    own = settings.optimisation_settings(config)
    assert own == {"optimisation_steps": 3, "optimisation_length": 0.1, "trust": 0.4}
    assert settings.optimisation_settings(config | {"flow": config["flow"] | {"steps": 1, "width": 8}}) == own


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ({"engine": "mlip", "mlip": {"models": ["7net-0", "7net-l3i5"]}}, "7net-l3i5"),
        ({"engine": "vasp"}, "vasp-PBE"),
        ({"engine": "gpaw", "gpaw": {"xc": "RPBE"}}, "gpaw-RPBE"),
        ({"engine": "classical", "classical": {"calculator": "lj"}}, "lj"),
    ],
)
def test_the_model_of_the_final_energies_is_named_as_in_tables_of_dft_points(section: dict, model: str):
    assert settings.energy_model(configuration(relaxation=section)) == model


def test_potcars_are_needed_if_vasp_relaxes_or_verifies_and_is_to_run():
    assert not settings.needs_potcars(configuration())
    assert settings.needs_potcars(configuration(relaxation={"engine": "vasp"}))
    assert settings.needs_potcars(configuration(verify={"engine": "vasp"}))
    only_inputs = {"engine": "vasp", "vasp": {"potcar_spec": True}}
    assert not settings.needs_potcars(configuration(relaxation=only_inputs))


def test_work_is_counted_for_each_scheme():
    config = configuration(
        schemes=["ccdcgan", "optimised-flow", "random"],
        gan={"steps": 11},
        generation={"samples": 70},
        evaluation={"relax_at_most": 9},
        constraint={"network": "image", "image": {"steps": 5}},
    )
    work = settings.units_of_work(config)
    assert [units for units in work if units[0].startswith("train_g")] == [("train_generator", "ccdcgan", 11)]
    assert ("train_constraint", "", 5) in work
    made = {name: rule for rule, name, samples in work if samples == 70}
    assert made == dict.fromkeys(["ccdcgan", "optimised-flow"], "generate_candidates") | {"random": "draw_controls"}
    assert [(name, units) for rule, name, units in work if rule == "relax_candidates"] == [
        (name, 9) for name in config["schemes"]
    ]
    without_limit = settings.units_of_work(
        configuration(generation={"samples": 70}, evaluation={"relax_at_most": None})
    )
    assert {units for rule, _, units in without_limit if rule == "relax_candidates"} == {70}
    assert "train_constraint" not in {rule for rule, _, _ in without_limit}  # the default is the descriptor network


def test_the_rounds_of_a_campaign_share_its_relaxations():
    rounds = {(7, 3): [3, 2, 2], (48, 6): [8] * 6, (2, 4): [1, 1], (5, 1): [5]}
    for (relaxations, number), sizes in rounds.items():
        config = configuration(campaign={"relaxations": relaxations, "rounds": number})
        assert settings.campaign_rounds(config) == sizes
    work = settings.units_of_work(configuration(schemes=["campaign"], campaign={"relaxations": 7, "rounds": 3}))
    assert [units for units in work if "round" in units[0]] == [
        ("relax_round", "round-1", 3),
        ("relax_round", "round-2", 2),
        ("relax_round", "round-3", 2),
    ]


def test_a_prolonged_campaign_keeps_its_first_rounds():
    before, after = (configuration(campaign={"rounds": n, "relaxations": 8 * n}) for n in (6, 8))
    assert settings.campaign_plan(before, 6, None) == settings.campaign_plan(after, 6, None)


def test_few_compositions_take_all_relaxations_of_a_campaign():
    config = configuration(campaign={"rounds": 2, "relaxations": 20, "per_composition": 3})
    assert settings.campaign_plan(config, 1, None)["per_composition"] == 3
    assert settings.campaign_plan(config, 1, ["Bi2Se3", "BiSe"])["per_composition"] == 10
    many = [f"Bi{n}Se" for n in range(1, 20)]
    assert settings.campaign_plan(config, 1, many)["per_composition"] == 3


def test_a_verification_is_shown_if_an_engine_is_configured():
    assert "verified" not in settings.optional_targets(configuration(verify={"engine": None}))
    assert settings.optional_targets(configuration(verify={"engine": "gpaw"}))["verified"] == "select_for_verification"
