"""Candidates of an earlier run are added to the database of a later one, without relaxing them a second time."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ccdcgan.crystals.structures import Crystal, read_set
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.earlier_runs import join, new_candidates
from tests.conftest import TOY, Workflow
from tests.support.crystals import cesium_chloride, rock_salt, zinc_blende

MATCHER = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0}


def test_distinct_candidates_are_added_once_each():
    evaluated = pd.DataFrame({"id": ["a", "b", "a", "c"], "distinct": [True, False, True, True]})
    generated = [Crystal("a", zinc_blende()), Crystal("b", rock_salt()), Crystal("c", rock_salt())]
    candidates = new_candidates("one", evaluated, generated)
    assert [crystal.id for crystal in candidates] == ["one-a", "one-c"]
    substituted = [Crystal("rock salt", rock_salt()), Crystal("caesium chloride", cesium_chloride())]
    joined, table = join(substituted, candidates, Uniqueness(MATCHER))
    assert [crystal.id for crystal in joined] == ["rock salt", "caesium chloride", "one-a"]
    assert table.set_index("id").loc["one-c", "detail"] == "same as rock salt"
    assert joined[-1].info["parent"] == "a" and joined[-1].info["prototype"] == "one-a"


@pytest.fixture
def second(toy_run: Workflow) -> Iterator[Path]:
    """The folder of the later run, removed afterwards because other tests use the first run, too."""
    folder = toy_run.folder / "results/toy-2"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_later_run_reuses_candidates_and_relaxations(toy_run: Workflow, second: Path):
    changes = ["--config", "run=toy-2", "earlier_runs=[toy]"]
    toy_run.run("--cores", "2", "database", *TOY, *changes)
    first = toy_run.folder / "results/toy"
    candidates = pd.read_csv(first / "candidates/candidates.csv")
    distinct = candidates[candidates["distinct"]].drop_duplicates("id").set_index("id")
    database = pd.read_csv(second / "database/database.csv").set_index("id")
    before = pd.read_csv(first / "database/database.csv")
    joined = database.loc[~database.index.isin(before["id"])]
    assert 0 < len(joined) <= len(distinct) and len(database) == len(before) + len(joined)
    relaxed = [crystal for path in first.glob("candidates/*/relaxed/*.extxyz") for crystal in read_set(path)]
    energies = {crystal.id: crystal.info["energy_per_atom"] for crystal in relaxed}  # before they are symmetrised
    assert joined["energy_per_atom"].tolist() == [energies[name.removeprefix("toy-")] for name in joined.index]
    assert all(path.stat().st_size == 0 for path in (second / "database/journal").glob("*.jsonl"))
    parents = {crystal.info["parent"] for crystal in read_set(second / "database/substituted.extxyz")}
    assert set(joined.index.str.removeprefix("toy-")) <= parents


def test_a_missing_earlier_run_is_reported(workflow: Workflow):
    done = workflow.run("--dry-run", *TOY, "--config", "run=toy-2", "earlier_runs=[toy]", check=False)
    assert done.returncode != 0
    assert "config key earlier_runs names 'toy', but there are no evaluated candidates in results/toy" in done.stdout
