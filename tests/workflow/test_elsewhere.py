"""The checkout may be anywhere, be read-only, have spaces in its path, and be a module of another workflow."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, TOY, Workflow

TARGET = "results/toy/database/prototypes.csv"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that is under version control, read-only, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("elsewhere") / "a check out"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)
    return folder


def files(folder: Path) -> set[Path]:
    """Return all files below a folder but those that Python keeps for itself."""
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def snakemake(*arguments: object, folder: Path) -> str:
    """Run Snakemake in a folder and return what it says; fail the test if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *map(str, arguments)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def test_a_read_only_checkout_writes_elsewhere(checkout: Path, tmp_path: Path, toy_run: Workflow):
    before = files(checkout)
    results = tmp_path / "my results"
    preset = checkout / "presets/toy.yaml"
    arguments = (TARGET, "--cores", 1, "--configfile", preset, "--directory", results)
    assert "Job stats" in snakemake("--dry-run", *arguments, folder=checkout)
    snakemake(*arguments, folder=checkout)
    assert (results / TARGET).read_bytes() == (toy_run.folder / TARGET).read_bytes()
    assert files(checkout) == before


def test_it_is_a_module_of_another_workflow(checkout: Path, tmp_path: Path, toy_run: Workflow):
    before = files(checkout)
    (tmp_path / "Snakefile").write_text(f'''
configfile: "crystals.yaml"

module crystals:
    snakefile: "{checkout / "Snakefile"}"
    config: config

use rule * from crystals as crystals_*

rule count:
    default_target: True
    input: rules.crystals_build_prototypes.output.table
    output: "count.txt"
    shell: "wc -l < {{input}} > {{output}}"
''')
    (tmp_path / "crystals.yaml").write_text((checkout / TOY[1].removeprefix(f"{ROOT}/")).read_text())
    snakemake("--cores", 1, folder=tmp_path)
    table = (toy_run.folder / TARGET).read_bytes()
    assert (tmp_path / TARGET).read_bytes() == table
    assert int((tmp_path / "count.txt").read_text()) == table.count(b"\n")
    planned = snakemake("--dry-run", "--quiet", "rules", "--cores", 1, "crystals_all", folder=tmp_path)
    assert "crystals_write_report" in planned
    assert files(checkout) == before
