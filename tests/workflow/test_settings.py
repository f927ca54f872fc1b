"""The settings that rules get: what affects their results, and nothing else."""

import copy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import update_config

from ccdcgan.schemes import SCHEMES, trained
from ccdcgan_workflow import settings
from tests.conftest import ROOT

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


def configuration(preset: str = "", **changes) -> dict:
    """Return the default configuration with a preset and changes of sections."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
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
    assert engine in own and not others & set(own)
    changed = section | dict.fromkeys(others, {}) | {"batches": section["batches"] + 1, "correction": None}
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
    assert settings.phonon_engine_settings(configuration(relaxation={"engine": "ase"}))["engine"] == "ase"


def test_the_unused_network_of_the_constraint_does_not_count():
    section = configuration()["constraint"]
    own = settings.constraint_settings(configuration(constraint={"network": "descriptors"}))
    assert own == {"network": "descriptors", "held_out": section["held_out"], **section["descriptors"]}
    image = settings.constraint_settings(configuration(constraint={"network": "image"}))
    assert "descriptors" not in image and image["steps"] == section["steps"]


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
