"""Where settings come from: default values, config.yaml, files, --config; earlier names; keys without effect."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow import settings
from ccdcgan_workflow.check.errors import dotted, in_file
from ccdcgan_workflow.check.schema import all_keys, load_yaml, read_schema
from ccdcgan_workflow.configuration import checked_configuration, load_configuration
from ccdcgan_workflow.keys.layers import default_configuration, read_layers
from ccdcgan_workflow.keys.renamed import earlier_names, renamed_keys, renamed_values
from ccdcgan_workflow.keys.sections import MISSING, flat, value_at
from ccdcgan_workflow.keys.shown import shown_configuration
from ccdcgan_workflow.keys.unused import unused_sections
from ccdcgan_workflow.runs import record
from tests.conftest import ROOT, TOY, Workflow
from tests.support.configurations import loaded

DEFAULTS = default_configuration(ROOT)
COMMON = load_yaml((ROOT / "config.yaml").read_text())


def file_with(folder: Path, text: str, name: str = "my.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def another_value(path: tuple) -> object:
    """Return a valid value of a key that differs from its default."""
    value = value_at(DEFAULTS, path)
    if isinstance(value, dict):
        return {key: another_value((*path, key)) for key in value}
    special = {
        ("held_out_compositions",): ["Bi2Se3"],
        ("prototypes", "max_prototypes"): 7,
        ("relaxation", "energy_correction"): None,
        ("relaxation", "classical", "calculator"): "lj",
        ("constraint", "image", "output"): "leaky_relu",
        ("constraint", "image", "schedule"): "cosine",
    }
    return special[path] if path in special else value + 1 if isinstance(value, int) else value / 2


def test_the_file_of_users_is_short_and_repeats_default_values():
    lines = (ROOT / "config.yaml").read_text().splitlines()
    assert len(lines) <= 35
    assert {key: flat(DEFAULTS)[key] for key in flat(COMMON)} == flat(COMMON)
    assert len(flat(COMMON)) < len(flat(DEFAULTS)) / 10
    assert all("#" in line for line in lines if re.match(r"\s*[a-z_]+: \S", line))  # each key has a comment


def test_the_default_values_are_complete():
    known = {dotted(path) for path, part in all_keys(read_schema(ROOT / "schemas/config.schema.yaml"))}
    sections = {key.rpartition(".")[0] for key in known}
    assert set(flat(DEFAULTS)) == known - sections
    assert loaded() == load_configuration(ROOT)


def test_layers_override_one_another_in_their_order(tmp_path: Path):
    one = file_with(tmp_path, "seed: 2\ngan: {steps: 11, noise: 5}", "one.yaml")
    two = file_with(tmp_path, "gan: {steps: 12}", "two.yaml")
    found = loaded([one, two], ["gan={noise: 6}"])
    assert (found["seed"], found["gan"]["steps"], found["gan"]["noise"]) == (2, 12, 6)
    assert found["gan"]["ema"] == DEFAULTS["gan"]["ema"]


def test_an_edited_config_yaml_is_named_by_its_line(tmp_path: Path):
    edited = file_with(tmp_path, "system: Bi-Se\nseed: -1\n", "config.yaml")
    for files in ([edited], [edited, file_with(tmp_path, "gan: {steps: 3}")]):
        with pytest.raises(InputError, match=r"seed is -1.*config.yaml, line 2\)"):
            load_configuration(ROOT, files)
    with pytest.raises(InputError, match=r"my.yaml, line 1\)"):
        load_configuration(ROOT, [ROOT / "config.yaml", file_with(tmp_path, "gan: {steps: -3}")])


@pytest.mark.parametrize("earlier", renamed_keys(), ids=dotted)
def test_every_earlier_key_works_with_one_warning(tmp_path: Path, earlier: tuple):
    present = renamed_keys()[earlier]
    assert value_at(DEFAULTS, earlier) is MISSING and value_at(DEFAULTS, present) is not MISSING
    value = another_value(present)
    text = f"seed: 1\n{in_file(earlier, value)}"
    file = file_with(tmp_path, text)
    layers = read_layers(ROOT, [ROOT / "config.yaml", file])
    assert value_at(checked_configuration(layers, ROOT), present) == value
    (sentence,) = [renaming.sentence() for layer in layers for renaming in layer.renamed]
    assert sentence.startswith(f"{file}, line 2: the key {dotted(earlier)} ")
    assert f" {dotted(present)} now" in sentence
    for others in (["seed=2", re.sub(": ", "=", in_file(earlier, value), count=1)], ()):
        given = None if others else yaml.safe_load(text)
        (layer,) = read_layers(ROOT, (), others, given)
        assert value_at(checked_configuration([layer], ROOT), present) == value
        assert len(layer.renamed) == 1
    both = yaml.safe_load(text)
    section = both
    for part in present[:-1]:
        section = section.setdefault(part, {})
    section[present[-1]] = value
    with pytest.raises(InputError, match=f"{re.escape(dotted(earlier))} is the earlier name of .* delete"):
        loaded([file_with(tmp_path, yaml.safe_dump(both))])


def test_a_key_of_the_top_level_is_refused_under_both_names(tmp_path: Path):
    text = "holdout: [Bi2Se3]\nheld_out_compositions: [BiSe]"
    with pytest.raises(InputError, match="line 1: config key holdout is the earlier name of held_out_compositions"):
        loaded([file_with(tmp_path, text)])


def test_an_earlier_name_overrides_lower_layers_and_is_overridden_by_higher_ones(tmp_path: Path):
    preset = ROOT / "presets/toy.yaml"  # with the present names
    assert loaded([preset], ["relaxation={batches: 5}"])["relaxation"]["jobs"] == 5
    own = file_with(tmp_path, "relaxation: {batches: 5}")
    assert loaded([own, preset])["relaxation"]["jobs"] == 2
    assert loaded([own], ["relaxation={jobs: 6}"])["relaxation"]["jobs"] == 6


@pytest.mark.parametrize(
    "text", ["HoldOut: [Bi2Se3]", "hold-out: [Bi2Se3]", 'flow: "{Trust: 0.2}"', "Flow: {trust: 0.2}"]
)
def test_earlier_names_may_be_spelled_in_any_way(tmp_path: Path, text: str):
    layers = read_layers(ROOT, [file_with(tmp_path, text)])
    config = checked_configuration(layers, ROOT)
    assert config["held_out_compositions"] == ["Bi2Se3"] or config["flow"]["trust_radius"] == 0.2
    assert len(layers[0].renamed) == 1


@pytest.mark.parametrize("section", [path[0] for path in renamed_values()])
def test_the_earlier_value_of_an_engine_works_with_one_warning(tmp_path: Path, section: str):
    file = file_with(tmp_path, f"system: Cu-Au\n{section}: {{engine: ase}}")
    layers = read_layers(ROOT, [file])
    assert checked_configuration(layers, ROOT)[section]["engine"] == "classical"
    (renaming,) = layers[0].renamed
    assert f"line 2: the value {section}.engine: ase is called classical now" in renaming.sentence()


def test_an_error_names_the_line_of_an_earlier_name(tmp_path: Path):
    with pytest.raises(InputError, match=r"relaxation.jobs is -1.*my.yaml, line 3\)"):
        loaded([file_with(tmp_path, "seed: 1\nrelaxation:\n  batches: -1\n")])


def test_results_of_earlier_runs_are_not_made_again_because_of_a_name():
    """Parameters of rules and identities of relaxations as the previous version had them, as text."""
    config = load_configuration(ROOT, [ROOT / "config.yaml", ROOT / "presets/toy.yaml"])
    relaxation = settings.relaxation_settings(config["relaxation"])
    assert list(relaxation) == [
        "ase", "displacement", "engine", "fmax", "guards", "max_steps", "optimizer", "stiffness", "wall_clock",
    ]  # fmt: skip
    assert (relaxation["engine"], relaxation["ase"], relaxation["stiffness"]) == ("ase", {"calculator": "emt"}, 10.0)
    assert str(settings.candidate_rules(config, "min_distance", "max_atoms", "expansion", "fallback_threshold")) == (
        "{'min_distance': 1.0, 'max_atoms': 20, 'expansion': 1.15, 'faint': 0.6}"
    )
    assert str(settings.optimisation_settings(config)) == (
        "{'optimisation_steps': 10, 'optimisation_length': 0.05, 'trust': 0.3}"
    )
    assert str(settings.constraint_settings(config)) == (
        "{'network': 'descriptors', 'held_out': 0.1, 'batch': 32, 'beta_1': 0.9, 'beta_2': 0.999, 'blocks': 1, "
        "'crystals': 200, 'learning_rate': 0.001, 'schedule': 'cosine', 'steps': 60, 'width': 64}"
    )
    image = settings.constraint_settings(config | {"constraint": config["constraint"] | {"network": "image"}})
    assert str(image) == (
        "{'batch': 64, 'beta_1': 0.5, 'beta_2': 0.999, 'held_out': 0.1, 'learning_rate': 0.0002, 'network': 'image', "
        "'output': 'linear', 'schedule': 'constant', 'steps': 60}"
    )
    assert "batch" in settings.generator_settings(config, "flow") and "trust" in settings.generator_settings(
        config, "flow"
    )
    assert settings.prototype_settings(config)["limit"] == 30
    assert list(settings.voxel_settings(config)) == ["box", "corrections", "sites", "lattice"]
    assert settings.representation_settings(config)["sites"]["crowded"] == 0.5
    restored = read_layers(ROOT, given=earlier_names(config))
    assert checked_configuration(restored, ROOT) == config and len(restored[0].renamed) > 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schemes: [flow]\ngeneration: {screen: 0.1}", "since schemes does not name dcgan"),
        ("schemes: [dcgan]\ngan: {constraint_weight: 1}", "since schemes does not name ccdcgan"),
        ("schemes: [flow]\nflow: {trust_radius: 0.2}", "since schemes does not name optimised-flow"),
        ("schemes: [flow]\nflow: {trust: 0.2}", "since schemes does not name optimised-flow"),
        (
            "substitution: {threshold: 0.01}",
            "since substitution.assignments is all; write substitution: {assignments: p",
        ),
        (
            "prototypes: {oqmd: {max_formation_energy: 1}}",
            "since prototypes.sources does not name oqmd; write prototypes",
        ),
        ("relaxation: {optimizer: FIRE, initial_hessian: 5}", "since the optimizer FIRE has no Hessian"),
        ("relaxation: {engine: gpaw, displacement: 0.1}", "for which atoms are not displaced"),
        ("relaxation: {vasp: {kpoints: [2, 2, 2], k_length: 30}}", "since relaxation.vasp.kpoints sets the mesh"),
        ("hull: {known: [], max_atoms: 30}", "since hull.known is empty"),
        ("generators: {probe_every: 0, probe_samples: 9}", "since generators.probe_every is 0"),
        ("evaluation: {variant_distance: 0, variant_energy: 0.1}", "since evaluation.variant_distance is 0"),
        ("phonons: {follow: 0, follow_atoms: 9}", "since phonons.follow is 0"),
    ],
)
def test_a_key_without_effect_is_refused(tmp_path: Path, text: str, said: str):
    with pytest.raises(InputError) as caught:
        loaded([file_with(tmp_path, text)])
    assert " has no effect, " in str(caught.value) and said in str(caught.value)
    assert re.search(r"; write .*, or delete .*\. \(.*my.yaml, line \d\)$", str(caught.value))


def test_a_default_value_or_a_preset_without_effect_is_not_refused(tmp_path: Path):
    loaded([file_with(tmp_path, "schemes: [flow]\ngeneration: {screen: 0.3}")])
    found = loaded([ROOT / "presets/toy.yaml"], ["schemes=[flow]"])  # the preset sets generation.screen
    assert found["generation"]["screen"] == 0.5


def test_unused_sections_are_named_in_one_remark(tmp_path: Path):
    def remark(*files: Path) -> str:
        layers = read_layers(ROOT, [ROOT / "config.yaml", *files])
        return unused_sections(layers, checked_configuration(layers, ROOT), DEFAULTS)

    shared = "vae: {steps: 5}\nverify: {top: 2}\nrelaxation: {vasp: {encut: 520}, gpaw: {encut: 400}}"
    assert remark(file_with(tmp_path, shared)) == (
        "Without effect in this run: vae (schemes does not name vae), verify (verify.engine is null), "
        "relaxation.gpaw (relaxation.engine is mlip)."
    )
    assert [remark(preset) for preset in sorted((ROOT / "presets").glob("*.yaml"))] == [""] * 10
    assert remark() == ""


def test_the_shown_configuration_has_every_value_and_its_origin(tmp_path: Path):
    file = file_with(tmp_path, "gan:\n  steps: 7\nhull: {batches: 3}\nrelaxation: {vasp: {incar: {ENCUT: 520}}}\n")
    layers = read_layers(ROOT, [ROOT / "config.yaml", file], ["seed=4", "run=other"])
    config = checked_configuration(layers, ROOT)
    text = shown_configuration(config, layers, DEFAULTS)
    assert yaml.safe_load(text) == config
    origins = dict(re.findall(r"^ *(\w+): .*  # (.*)$", text, re.MULTILINE))
    assert len(text.splitlines()) == len(flat(config)) + len(re.findall(r":$", text, re.MULTILINE))
    assert origins["seed"] == "--config" and origins["ENCUT"] == f"{file}:4" and origins["schemes"] == "config.yaml:13"
    assert re.search(rf"^  steps: 7 +# {re.escape(str(file))}:2$", text, re.MULTILINE)
    assert re.search(rf"^  jobs: 3 +# {re.escape(str(file))}:3$", text, re.MULTILINE)
    assert "\nprecision: auto" in text and origins["precision"] == "default"


def test_snakemake_shows_the_configuration_and_warns_of_earlier_names(workflow: Workflow):
    done = subprocess.run(
        workflow.command("show_config", *TOY, "--config", "relaxation={batches: 3}", "seed=5"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert yaml.safe_load(done.stdout) == loaded([ROOT / "presets/toy.yaml"], ["relaxation={jobs: 3}", "seed=5"])
    assert re.search(r"^  jobs: 3 +# --config$", done.stdout, re.MULTILINE)
    assert done.stderr.count("relaxation.batches is called relaxation.jobs now") == 1
    assert not list(workflow.folder.glob("results/*"))


def test_the_record_of_a_run_is_complete_and_repeats_it(tmp_path: Path):
    config = loaded([ROOT / "presets/toy.yaml"], ["seed=3", "gan={steps: 9}"])
    record.write_record(tmp_path, config["system"], config | {"run": "toy"}, {"ase": "1"})
    assert set(flat(record.read_record(tmp_path)["configuration"])) == set(flat(DEFAULTS))
    assert loaded([tmp_path / "run.yaml"]) == config
    assert loaded([tmp_path / "run.yaml"], ["seed=4"]) == config | {"seed": 4}
    wrong = (tmp_path / "run.yaml").read_text().replace("steps: 9", "steps: -9")
    with pytest.raises(InputError, match=r"gan.steps is -9.*old.yaml, line \d+\)"):
        loaded([file_with(tmp_path, wrong, "old.yaml")])


def test_the_record_of_an_earlier_version_is_read_under_the_present_names(tmp_path: Path):
    config = loaded([ROOT / "presets/toy.yaml"])
    old = {"system": "Cu-Au", "versions": {}, "configuration": earlier_names(config) | {"run": "toy"}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(old))
    assert record.changed_settings(record.read_record(tmp_path), config | {"run": "toy"}) == {}
    layers = read_layers(ROOT, [tmp_path / "run.yaml"])
    assert checked_configuration(layers, ROOT) == config
    assert {renaming.earlier for renaming in layers[0].renamed} >= set(renamed_keys())


def test_a_module_may_use_earlier_names(tmp_path: Path):
    preset = yaml.safe_load((ROOT / "presets/toy.yaml").read_text()) | {"limits": {"runtime": 30}}
    (tmp_path / "Snakefile").write_text(
        f"config = {preset!r}\nmodule crystals:\n    snakefile: {str(ROOT / 'Snakefile')!r}\n    config: config\n"
        "use rule * from crystals\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "--quiet=rules", "results/toy/database/prototypes.csv"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count("the key limits is called job_limits now") == 1
