"""What users write in configurations works as meant, or gets one sentence that says what to type."""

import os
from pathlib import Path

import pytest

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.schema import all_keys, read_schema, same_spelling
from ccdcgan_workflow.configuration import load_configuration
from tests.conftest import ROOT
from tests.support.configurations import loaded, value_at

SCHEMA = read_schema(ROOT / "schemas/config.schema.yaml")

ACCEPTED_IN_FILES = [
    ("system: bi-se", "system", "Bi-Se"),
    ("system: BI-SE", "system", "Bi-Se"),
    ("system: bI-Se", "system", "Bi-Se"),
    ("system: Bi–Se", "system", "Bi-Se"),
    ("system: Bi‑Se", "system", "Bi-Se"),
    ("system: Bi−Se", "system", "Bi-Se"),
    ("system: Bi Se", "system", "Bi-Se"),
    ("system: BiSe", "system", "Bi-Se"),
    ("system: Na-CL", "system", "Na-Cl"),
    ("system: nacl", "system", "Na-Cl"),
    ("system: VO", "system", "V-O"),
    ("system: Mg/Mn/O", "system", "Mg-Mn-O"),
    ("system: [Bi, Se]", "system", "Bi-Se"),
    ("system: [V, O]", "system", "V-O"),
    ("system: vanadium oxygen", "system", "V-O"),
    ("run: 2", "run", "2"),
    ("run: '{system}-2'", "run", "{system}-2"),
    ("run: 2026-11-28", "run", "2026-11-28"),
    ("run: 1e3", "run", "1e3"),
    ("run: 007", "run", "007"),
    ("run: 1.10", "run", "1.10"),
    ("run: None", "run", None),
    ("relaxation: {mlip: {batched: true}}", "relaxation.mlip.batched", True),
    ("relaxation: {mlip: {batched: Off}}", "relaxation.mlip.batched", False),
    ("relaxation: {mlip: {batched: Auto}}", "relaxation.mlip.batched", "auto"),
    ("schemes: flow", "schemes", ["flow"]),
    ("schemes: flow, vae", "schemes", ["flow", "vae"]),
    ("schemes:\n  -flow\n  -vae", "schemes", ["flow", "vae"]),
    ("schemes: flow | vae", "schemes", ["flow", "vae"]),
    ("schemes: [flow; vae]", "schemes", ["flow", "vae"]),
    ("evaluation: {relax_at_most: all}", "evaluation.relax_at_most", None),
    ("evaluation: {compositions: all}", "evaluation.compositions", None),
    ("schemes: {flow, vae}", "schemes", ["flow", "vae"]),
    ("schemes: [Flow, OPTIMIZED-FLOW]", "schemes", ["flow", "optimised-flow"]),
    ("held_out_compositions: Bi2Se3", "held_out_compositions", ["Bi2Se3"]),
    ("held_out_compositions: [Bi₂Se₃]", "held_out_compositions", ["Bi2Se3"]),
    ("held_out_compositions: [bi2se3, Bi_4Se_3]", "held_out_compositions", ["Bi2Se3", "Bi4Se3"]),
    ("held_out_compositions: {Bi: 2, Se: 3}", "held_out_compositions", ["Bi2Se3"]),
    ("held_out_compositions: none", "held_out_compositions", []),
    ("held_out_compositions:", "held_out_compositions", []),
    ("evaluation: {compositions: Bi2Se3}", "evaluation.compositions", ["Bi2Se3"]),
    ("prototypes: {sources: oqmd}", "prototypes.sources", ["oqmd"]),
    ("generation: {samples: 4e3}", "generation.samples", 4000),
    ("generation: {samples: 8000.0}", "generation.samples", 8000),
    ("generation: {samples: 10_000}", "generation.samples", 10000),
    ("gan: {learning_rate: 1e-4}", "gan.learning_rate", 1e-4),
    ("gan: {learning_rate: 1d-4}", "gan.learning_rate", 1e-4),
    ("gan: {Learning-Rate: 0.1}", "gan.learning_rate", 0.1),
    ("Relaxation: {Optimiser: fire}", "relaxation.optimizer", "FIRE"),
    ("flow: {optimization_steps: 3}", "flow.optimisation_steps", 3),
    ("relaxation: {guards: {max_neighbor: 4}}", "relaxation.guards.max_neighbour", 4),
    ("relaxation: {mlip: {models: 7net-0}}", "relaxation.mlip.models", ["7net-0"]),
    ("relaxation: {energy_correction: none}", "relaxation.energy_correction", None),
    ("relaxation: {energy_correction: off}", "relaxation.energy_correction", None),
    ("verify: {engine: none}", "verify.engine", None),
    ("verify: {engine: GPAW}", "verify.engine", "gpaw"),
    ("evaluation: {skip_repeats: 'No'}", "evaluation.skip_repeats", False),
    ("evaluation: {skip_repeats: on}", "evaluation.skip_repeats", True),
    ("properties: [{name: density, goal: maximize}]", "properties.0.goal", "maximise"),
    ("properties: [{name: density, goal: maximize}]", "properties.0.weight", 1.0),
    ("properties: {name: density, goal: '5e0'}", "properties.0.goal", 5.0),
    ("relaxation: {vasp: {incar: {encut: 520}}}", "relaxation.vasp.incar", {"ENCUT": 520}),
    ("relaxation: {vasp: {kpoints: 4x4x4}}", "relaxation.vasp.kpoints", [4, 4, 4]),
    ("job_limits: {runtime: [60]}", "job_limits.runtime", 60),
    ("seed: '7'", "seed", 7),
]


@pytest.mark.parametrize(("text", "key", "value"), ACCEPTED_IN_FILES)
def test_usual_writings_in_a_file_mean_what_their_author_meant(tmp_path: Path, text: str, key: str, value: object):
    file = tmp_path / "my.yaml"
    file.write_text(text, encoding="utf-8")
    found = value_at(loaded([file]), key)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        ("system=Bi–Se", "system", "Bi-Se"),
        ("system=[Bi,Se]", "system", "Bi-Se"),
        ("run=2", "run", "2"),
        ("run=007", "run", "007"),
        ("schemes=flow,vae", "schemes", ["flow", "vae"]),
        ("schemes=flow", "schemes", ["flow"]),
        ("gan={learning_rate: 1e-4}", "gan.learning_rate", 1e-4),
        ("gan={steps:1000}", "gan.steps", 1000),
        ("relaxation={displacement: 0.1}", "relaxation.displacement", 0.1),
        ("evaluation={relax_at_most: null}", "evaluation.relax_at_most", None),
        (
            "relaxation={gpaw: {options: {nbands: 40, parallel: {domain: 2}, spinpol: True, txt: out}}}",
            "relaxation.gpaw.options",
            {"nbands": 40, "parallel": {"domain": 2}, "spinpol": True, "txt": "out"},
        ),
    ],
)
def test_usual_writings_on_the_command_line(option: str, key: str, value: object):
    found = value_at(loaded((), [option]), key)
    assert (found, type(found)) == (value, type(value))


REFUSED_IN_FILES = [
    ("relaxation: {mlip: {batched: 64}}", "config key relaxation.mlip.batched is '64'; allowed are auto, true, false."),
    ("system: Bi2Se3", "system: Bi-Se, and evaluation: {compositions: [Bi2Se3]}"),
    ("system: {Bi: 2, Se: 3}", "system: Bi-Se, and evaluation: {compositions: [Bi2Se3]}"),
    ("system: CO-O", "this can mean Co-O or C-O"),
    ("system: BISE", "this can mean Bi-Se or B-I-Se"),
    ("system: NO", "is NO, which YAML reads as the truth value false; write system: N-O."),
    ("system: [No, O]", "is [No, O], which YAML reads as the truth value false; write system: No-O."),
    ("system: No-O", "no engine has No (nobelium): choose another system"),
    ("system: Po-O", "choose the engine vasp, e.g. relaxation: {engine: vasp}"),
    ("system: Tc-O\nrelaxation: {engine: gpaw}", "gpaw has no dataset for Tc; choose the engine mlip or vasp"),
    ("system: Po-O\nrelaxation: {engine: vasp}\nverify: {engine: gpaw}", "verify: {engine: vasp}"),
    ("system:", "config key system is empty; name a system, e.g. --config system=V-O."),
    ("system: [Bi, Sn, Bi]", "must name each element once"),
    ("run: no", 'write run: "no" for a run of this name, or run: null'),
    ("run: {system}", 'write run: "{system}".'),
    ("run: my run", "of letters, digits and . _ + -"),
    ("samples: 100", 'write generation: {samples: 100} in a file, or --config generation="{samples: 100}".'),
    ("engine: vasp", "keys of this name are relaxation.engine, verify.engine: write relaxation: {engine: vasp}"),
    ("generation: {seed: 3}", "write seed: 3 in a file, or --config seed=3"),
    ("gan.steps: 100", "write gan: {steps: 100} in a file"),
    ("relaxation: {models: [7net-0]}", "write relaxation: {mlip: {models: "),
    ("relaxation:\n  mlip:\n  models: [7net-0]", "relaxation.mlip is empty; indent its keys (models, device, batched"),
    ("relaxation:", "relaxation is empty; indent its keys (engine, jobs, "),
    ("relaxation: vasp", "write relaxation: {engine: vasp} in a file, or --config relaxation="),
    ("relaxation: [engine, vasp]", "it is a section, not a list"),
    ("gan: steps=1000", "write gan: {steps: 1000}"),
    ("x: &a [flow]\nschemes: *a", "an anchor, &, belongs to the first key that uses it"),
    ("evaluation:\n  relax_at_most: 10\nevaluation:\n  stable: 0.05", "line 3: the key evaluation is given twice"),
    ("gan: {steps: 1}\nGAN: {batch_size: 2}", "line 2: the key GAN is given twice (first in line 1, as gan)"),
    ("1: x", "line 1: the key 1 is no name"),
    ("relaxation: {on: 1}", "the key on is no name, since YAML reads it as the truth value"),
    ("generation: {samples: 4,000}", "write numbers without thousands separators"),
    ("generation: {samples: '4,000'}", "write 4000, without a thousands separator."),
    ("seed: 010", "is 010, which YAML reads as the octal number 8; write 10."),
    ("job_limits: {runtime: 24:00:00}", "write 1440, the number of minutes, without colons."),
    ("job_limits: {runtime: 1-12:00:00}", "write 2160, the number of minutes, without colons."),
    ("relaxation: {vasp: {wall_clock: 24:00:00}}", "write 86400, the number of seconds"),
    ("job_limits: {runtime: 24h}", "write 1440, the number in minutes without a unit."),
    ("job_limits: {mem_mb: 64GB}", "write 64000, the number in MB without a unit."),
    ("relaxation: {fmax: 0.05 eV/A}", "write 0.05, the number in eV/angstrom without a unit."),
    ("relaxation: {fmax: '0,05'}", "write 0.05, with a decimal point."),
    ("representation: {validation_fraction: 10%}", "write 0.1, without a percent sign."),
    ("gan: {learning_rate: 10^-4}", "write 1e-4."),
    ("gan: {learning_rate: 1/1000}", "write 0.001."),
    ("relaxation: {fmax: .inf}", "it must be a finite number, above 0 and at most 1."),
    ("relaxation: {fmax: .nan}", "it must be a finite number, above 0 and at most 1."),
    ("gan: {constraint_weight: infinity}", "it must be a finite number, at least 0."),
    ("relaxation: {vasp: {incar: {EDIFF: .nan}}}", "relaxation.vasp.incar.EDIFF is nan; it must be a finite number"),
    ("gan: {steps: 100000000000000000000}", "it is too large; it must be at least 1"),
    ("gan: {steps: true}", "config key gan.steps is True; it must be of type integer"),
    ("gan: {steps: 1.5}", "config key gan.steps is 1.5; it must be of type integer"),
    ("seed: -1", "it must be at least 0 and at most 2147483647."),
    ("evaluation: {stable: 100}", "at most 5 eV/atom; 100 meV/atom is 0.1."),
    ("generation: {screen: -300}", "at most 10 eV/atom; -300 meV/atom is -0.3."),
    ("relaxation: {fmax: 50}", "at most 1 eV/angstrom; 50 meV/angstrom is 0.05."),
    ("matcher: {ltol: 20}", "20 percent is 0.2."),
    ("job_limits: {runtime: 86400}", "86400 seconds is 1440."),
    ("gan: {learning_rate: 2}", "it must be above 0 and at most 1."),
    ("schemes: all", "name those that you want, e.g. schemes: [dcgan, ccdcgan, flow"),
    (
        "relaxation: {vasp: {encut: 400, incar: {encut: 520}}}",
        "relaxation.vasp.encut is 400, but relaxation.vasp.incar sets ENCUT to 520",
    ),
    ("relaxation: {fmax: 0.02, vasp: {incar: {EDIFFG: -0.05}}}", "relaxation.vasp.incar sets EDIFFG to -0.05"),
    ("schemes: [flow, flow]", "names 'flow' twice; name it once: schemes: [flow]."),
    ("schemes: [flo]", "did you mean flow?"),
    ("schemes: [ccgan]", "did you mean ccdcgan?"),
    ("precision: 32", "did you mean float32?"),
    ("verify: {engine: mlip}", "write verify: {engine: gpaw}"),
    ("verify: {engine: {name: gpaw}}", "it takes a single value; write one of gpaw, vasp, classical"),
    ("relaxation: {energy_correction: dft}", "or the path of your own points"),
    ("prototypes: {sources: [optimade], optimade: {urls: [mp]}}", "write https://optimade.materialsproject.org"),
    ("prototypes: {sources: [optimade], optimade: {urls: [optimade.odbx.science]}}", "write https://optimade.odbx"),
    (
        "prototypes: {files: {folder: /nonexistent}}",
        "has no effect, since prototypes.sources does not name files; write",
    ),
    ("relaxation: {vasp: {kpoints: [4, 4]}}", "Write e.g. relaxation: {vasp: {kpoints: [4, 4, 4]}}."),
    ("relaxation: {vasp: {kpoints: [4, 4, 4, 4]}}", "it must have at most 3 items."),
    ("relaxation: {vasp: {potcar: {bi: Bi_d}}}", "did you mean Bi?"),
    ("properties: []", "Write e.g. properties: [{name: formation_energy, goal: minimise}]."),
    ("properties: [density]", "write e.g. properties: [{name: density, goal: minimise}]"),
    ("properties: {density: maximise}", "write e.g. properties: [{name: density, goal: minimise}]"),
    ("properties: [{name: band_gap, goal: 1.5}]", "a CSV file with the columns id and band_gap"),
    ("relaxation: {mlip: {options: {MACE-MP-0: {model: x}}}}", "which has no effect, since relaxation.mlip.models is"),
    ("generation: {samples: 5k}", "write 5000."),
    ("evaluation: {stable: 100 meV}", "write a number in eV/atom without a unit"),
    ("seed: '1,5'", "write a whole number."),
    ("gan: {lr: 0.1}", "did you mean learning_rate?"),
    ("phonons: off", "write phonons: {top: 0}"),
    ("prototypes: oqmd", "write prototypes: {sources: [oqmd]}"),
    ("api_key: x", "type export MP_API_KEY=YOUR_KEY"),
    ("relaxation: {mlip: {device: gpu}}", "did you mean cuda?"),
    ("properties: [{name: density, goal: largest}]", "allowed are minimise, maximise or a number"),
    ("generation: {max_atoms: 100}", "write prototypes: {max_atoms: 100}"),
    ("hull: {known: [optimade]}", "name it there, too"),
    ("generation: {samples: 1000000, shard_size: 1}", "it must be at least 100: write generation: {shard_size: 100}"),
    ("representation: {sites: {sigma: 0.01}}", "it must be at least 0.32: write representation: {sites: {sigma: "),
    ("representation: {sites: {sigma: 9}}", "it must be at most 3.75"),
    ("hull: {jobs: 20000}", "it must be at most 1000: write hull: {jobs: 32}"),
    ("relaxation: {jobs: 20000}", "it must be at most 1000: write relaxation: {jobs: 32}"),
    ("relaxation: {guards: {min_distance: 3, max_neighbour: 2}}", "must not exceed relaxation.guards.max_neighbour"),
    ('held_out_compositions: ["Bi*Se*"]', "list the compositions, e.g. [BiSe, Bi2Se3]"),
    ("held_out_compositions: [Bi2Te3]", "it must be a composition of Bi-Se such as BiSe2."),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED_IN_FILES)
def test_each_mistake_in_a_file_gets_one_sentence_with_what_to_type(tmp_path: Path, text: str, expected: str):
    file = tmp_path / "my.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        loaded([file])
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message and len(message) < 700  # the longest list the elements that can be used
    assert f"{file}, line " in message


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("system=", "config key system is empty; name a system, e.g. --config system=V-O."),
        ("sytem=V-O", "config key sytem is unknown; did you mean system?"),
        ("engine=vasp", '--config relaxation="{engine: vasp}"'),
        ("relaxation=vasp", '--config relaxation="{engine: vasp}"'),
        ('schemes=["flow","flow"]', "name it once: schemes: [flow]."),
        ("seed=2.5", "config key seed is 2.5; it must be of type integer"),
        ("generation={samples: 4,000}", "write numbers without thousands separators, e.g. 4000."),
        ("generation={samples: 040}", "a number begins with no zero; write 40."),
        ("seed=inf", "it must be a finite number, at least 0"),
    ],
)
def test_each_mistake_on_the_command_line_gets_one_sentence(option: str, expected: str):
    with pytest.raises(InputError) as caught:
        loaded((), [option])
    assert expected in str(caught.value)


def test_an_option_overrides_what_a_file_wrote(tmp_path: Path):
    file = tmp_path / "my.yaml"
    file.write_text("run: 007\nseed: 010\n")
    config = loaded([file], ["run=3", "seed=4"])
    assert (config["run"], config["seed"]) == ("3", 4)


def test_paths_may_begin_at_home_and_name_variables(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CRYSTALS", "/data")
    file = tmp_path / "my.yaml"
    for text, path in (("~/crystals", os.path.expanduser("~/crystals")), ("$CRYSTALS/mine", "/data/mine")):
        file.write_text(f"prototypes: {{sources: [files], files: {{folder: {text}}}}}")
        assert loaded([file])["prototypes"]["files"]["folder"] == path


def test_an_anchor_that_contains_itself_is_refused(tmp_path: Path):
    endless: list = []
    endless.append(endless)
    with pytest.raises(InputError, match="nested deeper"):
        load_configuration(ROOT, given={"held_out_compositions": endless})
    file = tmp_path / "my.yaml"
    file.write_text("held_out_compositions: &a [*a]")
    with pytest.raises(InputError, match="nested too deeply"):
        loaded([file])


def test_no_two_keys_of_a_section_are_spelled_alike():
    keys = [(*path[:-1], same_spelling(path[-1])) for path, _ in all_keys(SCHEMA)]
    assert len(set(keys)) == len(keys)
