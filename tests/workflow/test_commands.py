"""Commands that Snakemake answers with a traceback, or not at all, get one sentence before anything starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from ccdcgan.relaxation.batched import mode
from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check import surroundings
from ccdcgan_workflow.check.commands import check_arguments, check_cores, check_targets
from ccdcgan_workflow.check.schema import read_schema
from ccdcgan_workflow.check.yaml_files import read_written
from tests.conftest import ROOT, TOY, Workflow
from tests.support.configurations import loaded

SCHEMA = read_schema(ROOT / "schemas/config.schema.yaml")
TARGETS = ["all", "database", "status", "report"]


def said_by(words: list[str]) -> str:
    """Return the sentence about the words of a command."""
    with pytest.raises(InputError) as caught:
        check_arguments(words, SCHEMA, ROOT / "presets", TARGETS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-n", "--config", "system:", "V-O"], "write --config system=V-O"),
        (["-n", "--config", "system: V-O"], "write --config system=V-O"),
        (["-n", "--config", "system", "=", "V-O"], "write it without blanks: --config system=V-O"),
        (["--config", "gan.steps=1000"], 'write --config gan="{steps: 1000}"'),
        (["--config", "relaxation.mlip.device=cpu"], 'write --config relaxation="{mlip: {device: cpu}}"'),
        (["--config", "gan.step=1000"], "config key gan.step is unknown; did you mean"),
        (["--config", "system=V-O", "database"], "snakemake database --config system=V-O"),
        (["--configfile", "presets/v-o.yaml", "database"], "snakemake database --configfile"),
        (["--configfile=presets/papers.yaml"], "did you mean"),
        (["--configfile", "oqmd.yaml"], "presets/oqmd.yaml?"),
        (["--configfile", "presets/oqmd"], "presets/oqmd.yaml?"),
        (["--configfiles", "system=V-O"], "put --config before it"),
        (["--config", "presets/toy.yaml"], "snakemake --configfile presets/toy.yaml"),
    ],
)
def test_options_that_snakemake_cannot_read(words: list[str], expected: str, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert expected in said_by(words)


def test_options_that_snakemake_reads(monkeypatch):
    monkeypatch.chdir(ROOT)
    for words in (
        ["-n", "--config", "system=V-O", "gan={steps: 1000}", "-c", "4"],
        ["--configfile", "presets/v-o.yaml", "presets/toy.yaml", "--config", "seed=2", "--", "database"],
        ["database", "--cores", "all", "--config=run=a-b.c"],
    ):
        check_arguments(words, SCHEMA, ROOT / "presets", TARGETS)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (b"relaxation:\n\tfmax: 0.1\n", 2, "a tab; indent with spaces only"),
        (b"system: V-O\nrun: a: b\n", 2, "put text with a colon in quotes"),
        (b"system: V-O\nschemes: [flow, vae\nseed: 2\n", 3, "a bracket that is not closed"),
        (b"relaxation:\n  fmax: 0.1\n   max_steps: 3\n", 3, "indented too far"),
        (b"relaxation:\n    fmax: 0.1\n  max_steps: 3\n", 3, "use the same number of spaces"),
        (b"run: 'mine\nseed: 2\n", 1, "a quotation mark that is not closed"),
        (b"run: 5 %\nfilter: %x\n", 2, "put the text in quotation marks"),
        (b"run: a\n---\nrun: b\n", 2, "keep one document in a file"),
        (b"run: *mine\n", 1, "an alias (*) without an anchor"),
        (b"run: Bi\xe9\n", 1, "not text in UTF-8; save it in this encoding"),
        (b"seed: 1\nrun: 2026-02-30\n", 2, "'2026-02-30' looks like a date to YAML, but is none; put it in quotation"),
        (b"seed: !!int x\n", 1, "looks like a number to YAML, but is none"),
        (b"run: {system}-2\n", 1, "put text that begins with a bracket in quotation marks"),
        (b"run: !mine x\n", 1, "the tag !mine is not possible here"),
        (b"run: a\x00b\n", 1, "which YAML does not allow"),
        (b"system: V-O\nseed 2\n", 2, "write KEY: VALUE, with a space after the colon"),
    ],
)
def test_a_syntax_error_is_named_with_its_line(tmp_path: Path, text: bytes, line: int, expected: str):
    file = tmp_path / "my.yaml"
    file.write_bytes(text)
    with pytest.raises(InputError) as caught:
        read_written(file)
    message = str(caught.value)
    assert expected in message
    assert message.startswith(f"{file}, line {line}")
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "# nothing\n", "system:V-O", "- system: V-O", "V-O"])
def test_a_file_without_keys_is_said(tmp_path: Path, text: str):
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match="write keys and values such as system: V-O, with a space after the colon"):
        read_written(file)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path):
    file = tmp_path / "my.yaml"
    file.write_bytes(b"\xef\xbb\xbfsystem: V-O\n")
    assert loaded([file])["system"] == "V-O"


def check_command(*files: str | Path) -> subprocess.CompletedProcess:
    """Run python -m ccdcgan_workflow.check."""
    return subprocess.run(
        [sys.executable, "-m", "ccdcgan_workflow.check", *map(str, files)],
        cwd=ROOT / "workflow_scripts",
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_check_of_files(tmp_path: Path):
    done = check_command(ROOT / "presets/v-o.yaml")
    assert done.returncode == 0
    assert "nothing is wrong; system V-O, run V-O (results/V-O)" in done.stdout
    file = tmp_path / "my.yaml"
    file.write_text("system: V-O\nrelaxation:\n\tfmax: 0.1\n")
    done = check_command(file)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{file}, line 3, column 1: ")
    file.write_text("prototypes: {sources: [files], files: {folder: nowhere}}\n")
    assert "On this machine, the run would not start: prototypes.files.folder: nowhere" in check_command(file).stdout


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("databse", "did you mean snakemake database?"),
        ("Status", "did you mean snakemake status?"),
        ("results/V-O/summary.csv", "add --config run=V-O"),
        ("results/V-O", "add --config run=V-O"),
        ("summary.csv", "did you mean results/Bi-Se/summary.csv?"),
        ("/data/results/Bi-Se/summary.csv", "results/Bi-Se/summary.csv"),
        ("seed=2", "snakemake --config seed=2"),
        ("mine.yaml", "snakemake --configfile mine.yaml"),
        ("xyz", "the targets are all, database"),
    ],
)
def test_an_unknown_target_names_the_one_that_is_meant(target: str, expected: str):
    with pytest.raises(InputError) as caught:
        check_targets([target], TARGETS, lambda path: path == "results/Bi-Se/summary.csv", "Bi-Se")
    assert expected in str(caught.value)


def test_known_targets_pass(monkeypatch):
    monkeypatch.chdir(ROOT)
    check_targets(["status", "README.md", "a/b"], TARGETS, lambda path: path == "a/b", "Bi-Se")


def test_a_run_on_no_core_is_refused():
    check_cores(1, None)
    check_cores(None, 100)
    with pytest.raises(InputError, match="--cores is 0; give at least 1, e.g. --cores 4"):
        check_cores(0, None)
    with pytest.raises(InputError, match="--jobs is 0"):
        check_cores(None, 0)


def missing(text: str, tmp_path: Path, local: bool = True) -> list[str]:
    """Return what is missing for a configuration, as sentences."""
    file = tmp_path / "my.yaml"
    file.write_text(text)
    config = loaded([file])
    parts = (
        surroundings.missing_inputs(config),
        surroundings.missing_potential(config, local),
        surroundings.missing_installation(config),
    )
    return [str(error) for part in parts for error in part]


def test_what_is_missing_is_known_before_the_first_job(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(surroundings, "has_gpu", lambda: False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (*surroundings.MP_KEYS, "PMG_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert missing("seed: 2", tmp_path) == []

    files = "prototypes: {sources: [files], files: {folder: mine}}"
    assert "mine does not exist" in missing(files, tmp_path)[0]
    (tmp_path / "mine/sub").mkdir(parents=True)
    (tmp_path / "mine/notes.txt").write_text("")
    assert "mine holds no CIF (*.cif)" in missing(files, tmp_path)[0]
    (tmp_path / "mine/sub/a.CIF.gz").write_text("")
    assert missing(files, tmp_path) == []

    (error,) = missing("relaxation: {mlip: {device: cuda}}", tmp_path)
    assert "write relaxation: {mlip: {device: auto}}" in error
    assert missing("relaxation: {mlip: {device: cuda}}", tmp_path, local=False) == []  # the nodes may have one

    monkeypatch.setattr(mode, "find_spec", lambda name: None)
    (error,) = missing("relaxation: {mlip: {batched: true}}", tmp_path)
    assert "config key relaxation.mlip.batched is true, but" in error and "make gpu, or write relaxation:" in error
    assert missing("relaxation: {mlip: {batched: auto}}", tmp_path) == []
    assert missing("system: Cu-Au\nrelaxation: {engine: classical, mlip: {batched: true}}", tmp_path) == []

    monkeypatch.setattr(surroundings, "find_spec", lambda name: None)
    assert "pip install mace-torch" in missing("relaxation: {mlip: {models: [MACE-MP-0]}}", tmp_path)[0]
    assert "run make gpaw" in missing("relaxation: {engine: gpaw}", tmp_path)[0]
    assert "run make gpaw" in missing("verify: {engine: gpaw}\nrelaxation: {engine: vasp}", tmp_path)[0]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)

    assert "there is no such file" in missing("relaxation: {energy_correction: a.csv}", tmp_path)[0]
    lennard_jones = loaded((), ["relaxation={engine: classical, classical: {calculator: lj}}"])
    assert "the energies of this run mean nothing" in surroundings.test_potential(lennard_jones)
    assert surroundings.test_potential(loaded()) == ""

    gap = "properties: [{name: gap, goal: 1.3, file: gaps.csv}]"
    assert "write the path of the file with the values of gap" in missing(gap, tmp_path)[0]


def test_an_api_key_is_found_in_the_environment_and_in_the_settings_of_pymatgen(tmp_path: Path, monkeypatch):
    for name in (*surroundings.MP_KEYS, "PMG_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    text = "prototypes: {sources: [materials_project]}"
    assert "export MP_API_KEY=YOUR_KEY" in missing(text, tmp_path)[0]
    (tmp_path / ".pmgrc.yaml").write_text("PMG_MAPI_KEY: abc\n")
    assert missing(text, tmp_path) == []
    (tmp_path / ".pmgrc.yaml").unlink()
    monkeypatch.setenv("MP_API_KEY", "abc")
    assert missing(text, tmp_path) == []


def test_every_model_of_the_schema_has_a_package_and_every_checkpoint_a_name():
    """The weights of SevenNet are looked up by the names in the table."""
    from ccdcgan.relaxation import force_fields, mlip

    models = read_schema(ROOT / "schemas/config.schema.yaml")
    for key in ("relaxation", "mlip", "models", "items"):
        models = models["properties"][key] if key in models.get("properties", {}) else models[key]
    assert set(models["enum"]) == set(force_fields.PACKAGES)
    assert set(mlip.WEIGHTS) == set(force_fields.SEVENNET)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--config", "gan.steps=1000"), 'write --config gan="{steps: 1000}"'),
        ((*TOY, "status"), "snakemake status --configfile"),
        (("databse",), "there is no target 'databse'; did you mean snakemake database?"),
        (("results/V-O/summary.csv",), "it is a file of the run V-O, but this is the run Bi-Se"),
        (("--cores", "0"), "--cores is 0; give at least 1"),
        (("--config", "prototypes={sources: [files]}"), "prototypes.files.folder: structures does not exist"),
        (("--config", "gan={learning_rate: 1e999}"), "it is too large"),
    ],
)
def test_snakemake_shows_one_sentence(workflow: Workflow, arguments: tuple[str, ...], expected: str):
    done = workflow.run("--dry-run", *arguments, check=False)
    assert done.returncode != 0
    assert expected in done.stdout
    assert "Traceback" not in done.stdout
