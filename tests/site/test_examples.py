"""The notebook and the examples of pages work on a finished run, and the listed output files are there."""

import json
import os
import re
from pathlib import Path

import matplotlib
import pytest

from hooks import notebook_page
from tests.conftest import ROOT, Workflow
from tests.site.test_statements import first_column

NOTEBOOK = ROOT / "docs/tutorials/analyse-results.ipynb"
ON_REQUEST = {"scatter.csv", "costs.csv", "models/constraint_metrics.csv"}
"""Files that only other targets or configurations make; so are those of a verification."""


@pytest.fixture
def beside_results(toy_run: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds the results of the toy run."""
    os.symlink(toy_run.folder / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_notebook_runs_on_a_finished_run(beside_results: Path):
    matplotlib.use("Agg")
    names: dict = {}
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace("results/Bi-Se", "results/toy"), names)
    assert set(names["frames"]) == set(names["candidates"]["id"])
    assert set(names["rates"].index) == set(names["summary"]["scheme"])
    assert names["axes"].get_ylabel() == "formation energy (eV/atom)" and len(names["corners"]) >= 2


def test_a_notebook_becomes_a_page():
    page = notebook_page(NOTEBOOK)
    assert page.startswith("# Analyse results in Python\n") and page.count("```python\n") == page.count("\n```\n") >= 8
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells), "clear the outputs before a commit"


def test_the_example_of_the_library_runs_on_a_finished_run(beside_results: Path, capsys: pytest.CaptureFixture[str]):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/reference/python.md").read_text(), re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 25
    names: dict = {}
    exec(code, names)
    assert names["graphs"].graphs.shape[1:] == (28, 28, 1) and names["relaxed"].status in ("ok", "failed")
    assert "candidates of 64 samples" in capsys.readouterr().out


def test_the_listed_output_files_are_those_of_a_run(toy_run: Workflow):
    listed = first_column((ROOT / "docs/reference/output.md").read_text())
    paths = {name.format(scheme="ccdcgan", round="round-1") for name in listed - ON_REQUEST}
    paths = {name for name in paths if not name.startswith("verification/")}
    results = toy_run.folder / "results/toy"
    assert {name for name in paths if not (results / name).exists()} == set() and len(paths) > 30
    parts = {name.split("/")[0] for name in listed}
    assert {path.name for path in results.iterdir() if not path.name.startswith(".")} <= parts
