"""Runs that are killed at random moments: what the benchmark notices, and a few kills with -m slow."""

import json
from pathlib import Path

import pytest

from benchmarks.kills import compare, main


def run(folder: Path, energy: str, keys: list[str]) -> Path:
    """Make the files of a run that are compared: one table, one structure set and one journal."""
    database = folder / "results/toy/database"
    (database / "journal").mkdir(parents=True)
    (database / "database.csv").write_text(f"id,energy_per_atom\na,{energy}\n")
    (database / "database.extxyz").write_text(f"1\nenergy={energy} relax_seconds={len(folder.name)}.5\nCu 0 0 0\n")
    (database / "journal/000.jsonl").write_text("".join(f"{json.dumps({'key': key})}\n" for key in keys))
    return folder


def test_times_of_relaxations_are_no_difference(tmp_path: Path):
    undisturbed = run(tmp_path / "undisturbed", "-1.0", ["x", "y"])
    assert compare(run(tmp_path / "same", "-1.0", ["y", "x"]), undisturbed, complete=True) == []


def test_every_difference_is_noticed(tmp_path: Path):
    undisturbed = run(tmp_path / "undisturbed", "-1.0", ["x", "y"])
    assert compare(run(tmp_path / "other", "-1.1", ["x", "y"]), undisturbed, complete=True) == [
        "database/database.csv differs",
        "database/database.extxyz differs",
    ]
    twice = compare(run(tmp_path / "twice", "-1.0", ["x", "x", "y"]), undisturbed, complete=True)
    assert twice == ["database x was relaxed 2 times"]
    fewer = run(tmp_path / "fewer", "-1.0", ["x"])
    (fewer / "results/toy/database/database.csv").unlink()
    assert compare(fewer, undisturbed, complete=True) == [
        "database/database.csv is missing",
        "1 relaxations are in one of the runs only",
    ]


@pytest.mark.slow
def test_killed_runs_end_with_the_tables_of_an_undisturbed_one(tmp_path: Path):
    assert main(kills=10, cores=2, seed=1, folder=tmp_path) == 0
