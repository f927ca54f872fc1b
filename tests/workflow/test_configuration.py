"""An invalid configuration is reported in one sentence that names the key, the given value and the allowed values."""

import copy

import pytest
import yaml
from snakemake.utils import update_config

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.schema import read_schema
from ccdcgan_workflow.check.writings import as_typed
from ccdcgan_workflow.configuration import check_configuration
from ccdcgan_workflow.keys.sections import in_one_order
from tests.conftest import ROOT, Workflow

SCHEMA = ROOT / "schemas/config.schema.yaml"
DEFAULT = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text())


def changed(path: str, value: object) -> dict:
    """Return the default configuration with one key set."""
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split(".")
    section = config
    for parent in parents:
        section = section[parent]
    section[last] = value
    return config


def test_default_configuration_passes():
    check_configuration(DEFAULT, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("sytem", "Bi-Se", "config key sytem is unknown; did you mean system?"),
        ("gan.step", 3, "config key gan.step is unknown; did you mean steps?"),
        ("seed", "1", "config key seed is '1'; it must be of type integer."),
        ("system", "Bi", "config key system is 'Bi'; it must name two or more elements, e.g. \"Bi-Se\"."),
        ("system", "Bi-Xx", "Xx is not a chemical element; did you mean Xe?"),
        ("system", "Bi-Bi", "must name each element once"),
        ("relaxation.fmax", -1, "config key relaxation.fmax is -1; it must be above 0 and at most 1 eV/angstrom."),
        ("relaxation.mlip.models", ["chgnet"], "allowed are 7net-0, 7net-l3i5, 7net-mf-0, MACE-MP-0,"),
        ("evaluation.stable", 0.2, "must not exceed evaluation.meta_stable, which is 0.15."),
        ("schemes", [], "config key schemes is empty; it must name at least one of dcgan, ccdcgan, flow, "),
        ("evaluation.compositions", ["Bi4Te"], "config key evaluation.compositions names 'Bi4Te'; it must be a comp"),
        (
            "held_out_compositions",
            ["Bi2Te3"],
            "config key held_out_compositions names 'Bi2Te3'; it must be a composition of Bi-Se such as BiSe2.",
        ),
        ("generation", 5, "config key generation is 5; it must be of type object."),
        (
            "hull.known",
            ["optimade"],
            "config key hull.known names optimade, but prototypes.sources does not; name it th",
        ),
        ("hull.known", ["aflow"], "config key hull.known.0 is 'aflow'; allowed are oqmd, materials_project, optimade,"),
        ("campaign.proposals", ["mutations"], "config key campaign.proposals.0 is 'mutations'; allowed are mutation, "),
        ("campaign.floor", 2, "config key campaign.floor is 2; it must be at least 0 and at most 1."),
        ("campaign.jobs", 5000, "config key campaign.jobs is 5000; a crystal takes the engine mlip seconds, and a job"),
        ("hull.max_atoms", 0, "config key hull.max_atoms is 0; it must be at least 1 and at most 200."),
        ("properties", [], "config key properties is empty; it must name at least one item."),
        (
            "relaxation.vasp.kpoints",
            [4, 4],
            "config key relaxation.vasp.kpoints is [4, 4]; it must have at least 3 items.",
        ),
        (
            "run",
            "../Bi",
            "config key run is '../Bi'; expected: name of the run's folder under results/, of letters, dig",
        ),
        (
            "held_out_compositions",
            ["Bi Se"],
            "config key held_out_compositions.0 is 'Bi Se'; expected: a composition, e.g. Bi2Se3.",
        ),
        ("prototypes.optimade.urls", ["ftp://x"], "urls.0 is 'ftp://x'; expected: an address, https://..."),
    ],
)
def test_each_fault_gets_its_sentence(path, value, expected):
    with pytest.raises(InputError) as caught:
        check_configuration(changed(path, value), SCHEMA)
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "xla",
            False,
            "config key xla was removed: trainings are not compiled with XLA any more; delete the key.",
        ),
        (
            "flow.guidance",
            0.1,
            "config key flow.guidance was removed together with the scheme guided-flow; use the scheme optimised-flow "
            "and the keys flow.optimisation_steps, flow.optimisation_length and flow.trust_radius.",
        ),
        (
            "schemes",
            ["flow", "guided-flow"],
            "config key schemes names guided-flow, which was removed; use optimised-flow in its place.",
        ),
    ],
)
def test_removed_keys_and_values_name_their_replacement(path, value, expected):
    config = changed(path, value)
    config["gan"]["steps"] = 0  # removed keys are reported before other faults
    with pytest.raises(InputError) as caught:
        check_configuration(config, SCHEMA)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("flow", 3, "config key flow is 3; it must be of type object."),
        ("schemes", "flow", "config key schemes is 'flow'; it must be of type array."),
    ],
)
def test_a_section_of_another_type_gets_the_sentence_of_the_schema(path, value, expected):
    with pytest.raises(InputError) as caught:
        check_configuration(changed(path, value), SCHEMA)
    assert str(caught.value) == expected


def test_removed_keys_and_values_are_not_in_the_schema():
    properties = read_schema(SCHEMA)["properties"]
    assert "xla" not in properties
    assert "guidance" not in properties["flow"]["properties"]
    assert "guided-flow" not in properties["schemes"]["items"]["enum"]


@pytest.mark.parametrize("preset", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_passes(preset):
    config = copy.deepcopy(DEFAULT)
    update_config(config, yaml.safe_load(preset.read_text()))
    check_configuration(config, SCHEMA)


def test_a_campaign_without_proposals_is_refused():
    config = changed("campaign.proposals", ["generated"])
    check_configuration(config, SCHEMA)  # the default run has schemes with a generator
    config["schemes"] = ["campaign", "random", "database"]
    with pytest.raises(
        InputError, match="nothing is proposed; name one of dcgan, .* in schemes, or write campaign: {pro"
    ):
        check_configuration(config, SCHEMA)
    config["schemes"] = ["random", "database"]
    check_configuration(config, SCHEMA)
    with pytest.raises(InputError, match="which proposes crystals only at compositions that the database lacks; add"):
        check_configuration(changed("campaign.proposals", ["prototype"]), SCHEMA)


def test_missing_key_is_named():
    config = copy.deepcopy(DEFAULT)
    del config["gan"]["noise"]
    with pytest.raises(InputError, match="config key gan.noise is missing; its default is in schemas/defaults.yaml."):
        check_configuration(config, SCHEMA)


def test_every_key_is_described():
    def undescribed(schema: dict, path: str) -> list[str]:
        found = [] if schema.get("description") else [path]
        for name, part in schema.get("properties", {}).items():
            found += undescribed(part, f"{path}.{name}")
        return found

    assert undescribed(yaml.safe_load(SCHEMA.read_text()), "config") == []


def test_snakemake_shows_the_sentence_before_it_plans(workflow: Workflow):
    done = workflow.run("--dry-run", "--config", "sytem=V-O", check=False)
    assert done.returncode != 0
    assert "config key sytem is unknown; did you mean system?" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_order_of_keys_does_not_matter():
    shuffled = {key: DEFAULT[key] for key in reversed(DEFAULT)}
    assert str(in_one_order(shuffled)) == str(in_one_order(DEFAULT))
    assert in_one_order(shuffled) == DEFAULT


def test_numbers_inside_nested_options_are_numbers():
    """Snakemake reads them as text: --config gan="{steps: 1000}"."""
    typed = as_typed({"gan": {"steps": "1000", "ema": "0.5"}, "run": "7", "seed": "1"}, read_schema(SCHEMA))
    assert typed == {"gan": {"steps": 1000, "ema": 0.5}, "run": "7", "seed": 1}
    typed = as_typed({"prototypes": {"max_prototypes": "null", "sources": ["aflow"]}}, read_schema(SCHEMA))
    assert typed == {"prototypes": {"max_prototypes": None, "sources": ["aflow"]}}
    assert as_typed(DEFAULT, read_schema(SCHEMA)) == DEFAULT


def test_text_that_is_no_number_still_gets_its_sentence():
    typed = as_typed(changed("gan.steps", "many"), read_schema(SCHEMA))
    with pytest.raises(InputError, match="config key gan.steps is 'many'; it must be of type integer."):
        check_configuration(typed, SCHEMA)
