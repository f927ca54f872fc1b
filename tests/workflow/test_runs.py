"""Runs do not overwrite one another: names, the record of a run, ignored options, make, code that changes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest
import yaml
from pymatgen.core import Element

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.runs import code_state, command_line, names, record
from tests.conftest import ROOT, TOY, Workflow
from tests.workflow.test_faults import wait_for

TARGET = "results/toy/database/prototypes.csv"
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


def made(results: Path, run: str, *elements: str) -> Path:
    """Make the folder of a run without a record, as earlier versions left it after the relaxation of the elements."""
    folder = results / run
    (folder / "database").mkdir(parents=True)
    rows = "".join(f"{element},x-{element},x,-1.0,1\n" for element in elements)
    (folder / "database/references.csv").write_text(f"element,id,prototype,energy_per_atom,n_relaxed\n{rows}")
    return folder


def test_electronegativities_are_those_of_pymatgen():
    listed = names.ELECTRONEGATIVITY
    assert {symbol: Element(symbol).X for symbol in listed} == listed
    assert {element.symbol for element in Element if element.Z < 104} - {"D", "T", "He", "Ne", "Ar"} == set(listed)


@pytest.mark.parametrize(
    "system",
    ["Bi-Se", "V-O", "Mg-Mn-O", "Cu-Te-S", "Ti-N", "Cs-Cl", "Sn-S", "Cu-Au", "Bi-Te-Se", "Ga-As", "H-O", "Xe-F"],
)
def test_every_order_of_the_elements_is_one_run(system: str, tmp_path: Path):
    for order in permutations(system.split("-")):
        assert names.name_run("-".join(order), None, tmp_path) == (system, system)
        assert names.name_run("-".join(order), "{system}-large", tmp_path) == (system, f"{system}-large")
        assert names.name_run("-".join(order), "mine", tmp_path) == (system, "mine")


def test_a_run_begun_with_another_order_is_continued_with_it(tmp_path: Path):
    for run in ("Bi-Se-Te", "Bi-Se-Te-oqmd", "mine"):
        made(tmp_path, run, "Bi", "Se", "Te")
    for system in ("Bi-Se-Te", "Bi-Te-Se", "Te-Se-Bi"):
        assert names.name_run(system, None, tmp_path) == ("Bi-Se-Te", "Bi-Se-Te")
        assert names.name_run(system, "{system}-oqmd", tmp_path) == ("Bi-Se-Te", "Bi-Se-Te-oqmd")
        assert names.name_run(system, "mine", tmp_path) == ("Bi-Se-Te", "mine")
    made(tmp_path, "Bi-Te-Se", "Bi", "Te", "Se")
    assert names.name_run("Bi-Se-Te", None, tmp_path) == ("Bi-Te-Se", "Bi-Te-Se")
    (tmp_path / "O-V").mkdir()
    (tmp_path / "O-V/.lock").touch()  # nothing was made there yet
    assert names.name_run("O-V", None, tmp_path) == ("V-O", "V-O")


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_names_its_run_after_the_system(path: Path, tmp_path: Path):
    preset = yaml.safe_load(path.read_text())
    run = preset.get("run")
    if run is None or "{system}" in run:
        assert {names.name_run(system, run, tmp_path)[1] for system in ("Bi-Se", "V-O")} == {
            (run or "{system}").replace("{system}", system) for system in ("Bi-Se", "V-O")
        }
    else:  # a name of one system: another system needs another name
        names.check_name(run, [ROOT / "config.yaml", path], {"system": preset["system"]}, preset["system"])
        with pytest.raises(InputError, match=f"add run={run}-V-O"):
            names.check_name(run, [ROOT / "config.yaml", path], {"system": "V-O"}, "V-O")
        names.check_name("vanadium", [ROOT / "config.yaml", path], {"system": "V-O", "run": "vanadium"}, "V-O")


@pytest.mark.parametrize(
    ("run", "system"),
    [("Bi-Se", "V-O"), ("Bi-Se-2", "V-O"), ("Mg-Mn", "Mg-Mn-O"), ("Bi-Se-Te", "Bi-Se-I"), ("Ar-H", "V-O")],
)
def test_a_new_run_is_not_named_after_another_system(run: str, system: str):
    with pytest.raises(InputError, match=f"names a run of .*, but the system is {system}; .*run={system}"):
        names.check_name(run, [ROOT / "config.yaml"], {"run": run}, system)
    for allowed in ("V-O-2", "O-V", "V-O-N", "In-house", "V"):
        names.check_name(allowed, [ROOT / "config.yaml"], {"run": allowed}, "V-O")


@pytest.mark.parametrize("preset", ["oqmd", "paper", "authors-code"])
def test_folders_of_presets_of_earlier_versions_are_found(preset: str, tmp_path: Path):
    template = yaml.safe_load((ROOT / f"presets/{preset}.yaml").read_text())["run"]
    before = "Bi-Se-oqmd" if preset == "oqmd" else preset
    made(tmp_path, before, "Bi", "Se")
    assert names.name_run("Bi-Se", template, tmp_path) == ("Bi-Se", before)
    assert names.name_run("V-O", template, tmp_path) == ("V-O", f"V-O-{preset}")


def test_the_folder_of_another_system_is_refused(tmp_path: Path):
    finished = made(tmp_path, "Bi-Se", "Bi", "Se")
    record.check_system(finished, "Bi-Se")
    for system in ("V-O", "Bi-Se-Te", "Bi-Te"):
        with pytest.raises(InputError, match=f"is a run of Bi-Se, but config key system is '{system}'.* run={system}"):
            record.check_system(finished, system)
    stopped = tmp_path / "mine/database/references"
    stopped.mkdir(parents=True)
    (stopped / "Bi.extxyz").touch()
    record.check_system(tmp_path / "mine", "Bi-Se")
    with pytest.raises(InputError, match="is a run of Bi"):
        record.check_system(tmp_path / "mine", "V-O")


def test_a_damaged_record_is_named(tmp_path: Path):
    (tmp_path / "run.yaml").write_text("system: [")
    with pytest.raises(InputError, match=r"run\.yaml cannot be read .* rename it"):
        record.read_record(tmp_path)


def test_the_record_keeps_the_changes(tmp_path: Path):
    first = {"seed": 1, "gan": {"steps": 10}, "job_limits": {"runtime": 1}, "run": "x"}
    record.write_record(tmp_path, "Bi-Se", first, {"ase": "1"})
    again = {"seed": 2, "gan": {"steps": 10, "new": 1}, "job_limits": {"runtime": 2}, "run": "y"}
    changed = record.changed_settings(record.read_record(tmp_path), again)
    assert changed == {"seed": (1, 2)}
    assert record.describe_changes(changed) == "seed: 2 (was 1)"
    record.write_record(tmp_path, "Bi-Se", again, {"ase": "2"})
    kept = record.read_record(tmp_path)
    (entry,) = kept["changes"]
    assert entry["seed"] == "1 -> 2"
    assert entry["version of ase"] == "'1' -> '2'"
    assert kept["configuration"] == again


def test_a_run_records_what_it_is_made_for_and_says_what_is_made_again(workflow: Workflow):
    folder = workflow.folder / "results/toy"
    workflow.run("--dry-run", TARGET, *TOY)
    assert not (workflow.folder / "results").exists()
    assert "made again" not in workflow.run(TARGET, "--cores", "1", *TOY).stdout
    kept = yaml.safe_load((folder / "run.yaml").read_text())
    assert kept["system"] == "Cu-Au"
    assert kept["configuration"]["prototypes"]["max_prototypes"] == 30
    assert {"workflow", "python", "ase"} <= set(kept["versions"])

    workflow.run("estimate", "--cores", "1", *TOY, "--config", "seed=3")
    assert yaml.safe_load((folder / "run.yaml").read_text()) == kept  # a target that changes nothing

    refused = workflow.run("--dry-run", *TOY, "--config", "system=Cu-Ag", "run=toy", check=False)
    assert refused.returncode != 0
    assert "results/toy is a run of Cu-Au, but config key system is 'Cu-Ag'" in refused.stdout
    assert "made again" not in workflow.run("--dry-run", TARGET, *TOY, "--config", "system=Au-Cu").stdout
    change = workflow.folder / "change.yaml"
    change.write_text("prototypes: {max_prototypes: 3}")
    for arguments in (["--dry-run"], ["--cores", "1"]):
        said = workflow.run(TARGET, *arguments, *TOY, str(change)).stdout
        (line,) = [line for line in said.splitlines() if "made again" in line]
        assert "prototypes.max_prototypes: 3 (was 30). 1 finished job will be made again" in line
        assert "database. To keep the old results" in line
        assert line.endswith("run=toy-2")
    assert "made again" not in workflow.run(TARGET, "--cores", "1", *TOY, str(change)).stdout
    assert yaml.safe_load((folder / "run.yaml").read_text())["changes"][0]["prototypes.max_prototypes"] == "30 -> 3"


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("-n --config system=V-O --config seed=2", "snakemake -n --config system=V-O seed=2"),
        ("-C system=V-O -n -Cseed=2 database", "snakemake --config system=V-O seed=2 -n database"),
        ("--config=system=V-O --config seed=2", "snakemake --config system=V-O seed=2"),
        ("--configfile a.yaml --configfile b.yaml", "snakemake --configfile a.yaml b.yaml"),
        ("--configfiles a.yaml b.yaml -n --configfile=c.yaml", "snakemake --configfile a.yaml b.yaml c.yaml -n"),
        ("--config 'gan={steps: 1}' -n --config seed=1", "snakemake --config 'gan={steps: 1}' seed=1 -n"),
    ],
)
def test_repeated_options_are_refused_with_the_right_command(typed: str, right: str):
    with pytest.raises(InputError) as error:
        command_line.check_options(shlex.split(typed))
    assert str(error.value).endswith(f"with all values: {right}")


def test_options_that_snakemake_merges_are_accepted():
    for typed in (
        "--configfile a.yaml b.yaml -n",
        "--config system=V-O seed=2 -n",
        "-n",
        "--cores 2 --configfile a.yaml",
    ):
        command_line.check_options(typed.split())
    with pytest.raises(InputError, match="key seed twice"):
        command_line.check_options(["--config", "seed=1", "seed=2"])


def test_repeated_options_are_refused_before_the_first_job(workflow: Workflow):
    done = workflow.run("-n", "--config", "system=V-O", "--config", "seed=2", check=False)
    assert done.returncode != 0
    assert "the option --config is given 2 times" in done.stdout
    assert "-n --config system=V-O seed=2" in done.stdout
    jobs = workflow.run("-n", "--configfiles", *(str(ROOT / f"presets/{name}.yaml") for name in ("oqmd", "v-o"))).stdout
    assert "results/V-O-oqmd/summary.csv" in jobs


def test_other_seeds_advise_no_command_that_overwrites_results(workflow: Workflow):
    made(workflow.folder / "results", "Bi-Se", "Bi", "Se")
    made(workflow.folder / "results", "Bi-Se-2", "Bi", "Se")
    for run, said in (
        ("Bi-Se", "which is this run itself"),
        ("Bi-Se-2", "that run is not finished: start it again"),
        ("Bi-Se-3", "--config seed=2 run=Bi-Se-3 'other_seeds=[]'"),
    ):
        done = workflow.run("-n", "--config", f'other_seeds=["{run}"]', check=False)
        assert done.returncode != 0
        assert said in done.stdout


def test_no_message_advises_to_delete_results():
    advice = re.compile(r"\b(delete|remove|erase|rm)\b[^\n]*\b(run again|and run|start)\b", re.IGNORECASE)
    files = [
        *(ROOT / "workflow_scripts").rglob("*.py"),
        *(ROOT / "rules").glob("*.smk"),
        *(ROOT / "docs").rglob("*.md"),
    ]
    assert [
        f"{path.name}: {line}" for path in files for line in path.read_text().splitlines() if advice.search(line)
    ] == []


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Return what make would do in the checkout."""
    # of the make that runs the tests; it exports the variables of its command line
    inherited = (
        "SYSTEM",
        "MAKEFLAGS",
        "MFLAGS",
        "MAKEOVERRIDES",
        "MAKELEVEL",
        "ARGUMENTS",
        "CORES",
        "CONFIG",
        "PYTHON",
        "VENV",
    )
    clean = {name: value for name, value in os.environ.items() if name not in inherited}
    return subprocess.run(
        ["make", "--dry-run", "--file", str(ROOT / "Makefile"), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, env=clean | environment,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["run"], "snakemake --cores all"),
        (["run", "system=V-O"], "snakemake --cores all --config 'system=V-O'"),
        (["SYSTEM=V-O", "seed=2"], "snakemake --cores all --config 'system=V-O' 'seed=2'"),
        (["run", "gan={steps: 10}", "CORES=2"], "snakemake --cores 2 --config 'gan={steps: 10}'"),
        (["run", "system=V-O", "ARGUMENTS=-n database"], "snakemake --cores all -n database --config 'system=V-O'"),
        (["run", "OMP_NUM_THREADS=1"], "snakemake --cores all"),
        (["CONFIG=my.yaml"], "snakemake --cores all --configfile my.yaml"),
        (["run", "CONFIG=my.yaml", "seed=2"], "snakemake --cores all --configfile my.yaml --config 'seed=2'"),
        (["run", "holdout=[Bi2Se3]"], "snakemake --cores all --config 'holdout=[Bi2Se3]'"),  # an earlier name
    ],
)
def test_make_passes_keys_of_the_configuration_on(arguments: list[str], command: str):
    done = make(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(f"bin/{command}")


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["run", "sytem=V-O"], {}, "sytem is neither a key of the configuration"),
        (["run", "SYTEM=V-O"], {}, "make run system=V-O"),
        (["run", "V-O"], {}, "V-O is not a target of this Makefile"),
        (["run", "database"], {}, "bin/snakemake database"),
        (["run"], {"SYSTEM": "V-O"}, "make run system=V-O"),
    ],
)
def test_make_refuses_what_it_would_ignore(arguments: list[str], environment: dict[str, str], said: str):
    done = make(*arguments, **environment)
    assert done.returncode != 0
    assert said in re.sub(r"\s+", " ", done.stderr)
    assert done.stdout == ""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the workflow that a test may change."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for part in (
        "Snakefile",
        "config.yaml",
        "pyproject.toml",
        "rules",
        "schemas",
        "envs",
        "workflow_scripts",
        "profiles",
    ):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    return folder


def test_code_that_changes_during_a_run_is_not_used(checkout: Path, tmp_path: Path):
    command = [sys.executable, "-m", "snakemake", "results/toy/database/substituted.csv", "--cores", "1"]
    command += ["--directory", str(tmp_path / "work"), *TOY]
    with subprocess.Popen(
        command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        log = tmp_path / "work/results/toy/logs/build_prototypes.log"
        wait_for(lambda: log.exists() and log.stat().st_size)  # the job has compared its code and works
        with open(checkout / "workflow_scripts/ccdcgan/database/substitution.py", "a") as module:
            module.write("\nCHANGED = True\n")
        said = process.communicate(timeout=120)[0]
    assert process.returncode != 0
    assert "Traceback" not in said
    assert "[substitute_elements] the code in" in said
    assert "start the same command again" in said
    assert (tmp_path / "work" / TARGET).exists()
    again = subprocess.run(
        command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert again.returncode == 0, again.stdout[-3000:]
    assert "rule build_prototypes" not in again.stdout  # what the change does not concern is kept


def test_settings_that_change_during_a_run_are_not_used(monkeypatch: pytest.MonkeyPatch):
    for name in (code_state.CODE, code_state.SETTINGS):
        monkeypatch.delenv(name, raising=False)
    code_state.check_settings({"seed": 1})  # not started by a run
    code_state.check_code()
    code_state.remember({"seed": 1, "gan": {"steps": 1}})
    code_state.check_settings({"gan": {"steps": 1}, "seed": 1, "job_limits": {"runtime": 1}})
    with pytest.raises(InputError, match="a configuration file changed after the run had started"):
        code_state.check_settings({"seed": 2, "gan": {"steps": 1}})
