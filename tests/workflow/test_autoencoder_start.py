"""Which autoencoders a run uses: the pre-trained ones where they fit, its own where they do not or it asks for them."""

import pytest
import yaml

from ccdcgan.representation.pretraining import shipped
from ccdcgan.representation.pretraining.weights import load_pretrained
from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.configuration import load_configuration
from ccdcgan_workflow.runs.autoencoder_start import autoencoder_start
from tests.conftest import ROOT
from tests.workflow.test_settings import configuration

DEFAULTS = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text())


def start(preset: str = "", **changes):
    return autoencoder_start(configuration(preset, **changes), DEFAULTS)


@pytest.mark.parametrize("preset", ["", "oqmd", "quick", "v-o", "mg-mn-o", "bi-se-te"])
def test_the_pretrained_autoencoders_are_used_in_every_system(preset: str):
    assert start(preset).pretrained and "fit" in start(preset).reason


@pytest.mark.parametrize("preset", ["paper", "authors-code", "fig3c", "fig3d", "toy"])
def test_presets_of_other_voxels_or_of_a_comparison_train_from_scratch(preset: str):
    assert not start(preset).pretrained


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"held_out_compositions": ["Bi2Se3"]}, "held_out_compositions names Bi2Se3"),
        ({"prototypes": {"max_atoms": 30}}, "prototypes.max_atoms is 30"),
        ({"representation": {"box": 16.0}}, "representation.box is 16"),
        ({"representation": {"sites": {"grid": 24}}}, "representation.sites.grid is 24"),
        ({"representation": {"lattice": {"latent": 24}}}, "representation.lattice.latent is 24"),
        ({"representation": {"sites": {"activation": "sigmoid"}}}, "representation.sites.activation is sigmoid"),
    ],
)
def test_weights_that_do_not_fit_are_not_used_and_cannot_be_asked_for(changes: dict, key: str):
    chosen = start(**changes)
    assert not chosen.pretrained and key in chosen.reason and key in chosen.in_words()
    asked = {**changes, "representation": {**changes.get("representation", {}), "start": "pretrained"}}
    with pytest.raises(InputError, match=f"start is pretrained, but config key {key}.*start: scratch"):
        loaded(asked)


@pytest.mark.parametrize(
    ("representation", "key"),
    [
        ({"sites": {"steps": 100}}, "representation.sites.steps"),
        ({"lattice": {"latent_noise": 0.1}}, "representation.lattice.latent_noise"),
        ({"validation_fraction": 0.2}, "representation.validation_fraction"),
        ({"split": "random"}, "representation.split"),
    ],
)
def test_a_setting_of_the_training_asks_for_a_training(representation: dict, key: str):
    chosen = start(representation=representation)
    assert not chosen.pretrained and f"config key {key} is" in chosen.reason
    with pytest.raises(InputError, match=f"config key {key} has no effect.*start: scratch"):
        loaded({"representation": {**representation, "start": "pretrained"}})


def test_scratch_is_scratch_and_other_words_are_refused():
    assert not start(representation={"start": "scratch"}).pretrained
    assert loaded({"representation": {"start": "pretrained"}})["representation"]["start"] == "pretrained"
    with pytest.raises(InputError, match=r"representation\.start.*pretrained"):
        loaded({"representation": {"start": "finetuned"}})


def test_the_refinement_and_the_other_stages_do_not_matter():
    assert start(representation={"refinement_steps": 0}, gan={"steps": 10}, generation={"samples": 10}).pretrained


def test_the_report_says_where_the_autoencoders_are_from():
    text = start().for_report()
    assert "pre-trained" in text and "not on crystals of this run" in text
    assert "trained in this run" in start(representation={"start": "scratch"}).for_report()


def test_what_is_shipped_is_complete_small_and_says_how_it_was_made():
    record = shipped.shipped_record()
    files = list(shipped.FOLDER.iterdir())
    assert sum(path.stat().st_size for path in files) < 10e6 and not any("pkl" in path.suffix for path in files)
    assert set(record["data"]["licences"]) == {"aflow", "oqmd"} and "CC BY 4.0" in record["data"]["licences"]["oqmd"]
    assert record["versions"]["keras"] and record["workflow"] and record["seed"] is not None
    kinds = shipped.kinds_trained_on()
    assert len(kinds) == record["data"]["kinds"] - record["data"]["kinds_held_out"] and "AB-225-2" in kinds
    for network in shipped.NETWORKS:
        rebuilt = record["networks"][network]["held_out"]
        before = record["networks"][network]["held_out_before_rounding"]
        assert rebuilt["n"] > 100 and abs(rebuilt["rebuilt"] - before["rebuilt"]) <= 0.01 * rebuilt["n"]
        assert load_pretrained(network).model.count_params() == record["networks"][network]["weights"]


def loaded(changes: dict) -> dict:
    """Return the checked configuration with these changes."""
    return load_configuration(ROOT, given=changes)
