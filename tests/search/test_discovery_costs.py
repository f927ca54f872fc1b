"""Processor time of the schemes in the discovery benchmark."""

import importlib
import json
import math
from pathlib import Path

import pytest

from tests.conftest import ROOT

SECONDS = {
    "encode_crystals": 60,
    "train_constraint": 120,
    "train_generator/flow": 600,
    "train_generator/dcgan": 300,
    "optimise_generator/optimised-flow": 30,
    "generate_candidates/flow/000": 90,
    "generate_candidates/optimised-flow/000": 150,
    "generate_candidates/optimised-flow/001": 150,
    "relax_database/000": 999,
}
"""Job -> its processor time, s."""


@pytest.fixture
def run(tmp_path) -> Path:
    """The folder of a run with the records of its jobs."""
    for job, seconds in SECONDS.items():
        rule, *wildcards = job.split("/")
        state = {"state": "finished", "rule": rule, "wildcards": dict(enumerate(wildcards)), "progress": None}
        state |= {"started": 0, "ended": seconds, "threads": 1, "gpus": 0}
        for kind, suffix, text in (
            ("logs", ".json", json.dumps(state)),
            ("benchmarks", ".tsv", f"max_rss\tcpu_time\n100\t{seconds}\n"),
        ):
            path = tmp_path / "run" / kind / f"{job}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return tmp_path / "run"


@pytest.fixture
def minutes(run, monkeypatch):
    """The minutes of a method in that run."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    system = importlib.import_module("discovery_methods").System
    generated = {"flow": [], "optimised-flow": [], "dcgan": []}
    return system(run, {}, [], [], [], [], generated, None).generation_minutes


@pytest.mark.parametrize(
    ("method", "expected"),
    [("flow", 1 + 10 + 1.5), ("optimised-flow", 1 + 2 + 10 + 0.5 + 5), ("mutation", 0.0), ("campaign", 0.0)],
)
def test_a_scheme_costs_what_its_training_and_generation_cost(minutes, method, expected):
    assert minutes(method) == pytest.approx(expected)


def test_the_cost_is_unknown_where_a_job_has_no_record(minutes, run):
    (run / "benchmarks/train_generator/flow.tsv").unlink()
    assert math.isnan(minutes("flow"))
    assert math.isnan(minutes("dcgan"))  # no record of its generation
