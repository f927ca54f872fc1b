"""The status of a run is available at any time and agrees with the files."""

import json
import logging
import os
import re
import signal
import time
from types import SimpleNamespace

import pytest

from ccdcgan.utils.progress import Progress, in_words
from ccdcgan_workflow import job_states
from ccdcgan_workflow.job_states import job_state, read_states
from ccdcgan_workflow.status import begun, describe, rule_statuses
from tests.conftest import TOY, Workflow
from tests.workflow.test_faults import stop, wait_for

DATABASE = "results/toy/database/database.csv"


def state_of(output: str, how: str, **more) -> dict:
    """Return a state as :func:`read_states` gives it."""
    return {
        **{"rule": "relax_database", "wildcards": {"batch": output[-1]}, "output": [output], "host": "node7"},
        **{"state": how, "message": "", "progress": None, "started": 1000.0, "ended": 1100.0, "quiet": 3.0},
        **more,
    }


def reached(done: int, total: int, left: float | None, lost: dict | None = None) -> dict:
    """Return a progress snapshot."""
    return {
        **{"label": "relaxing", "unit": "crystals", "done": done, "total": total, "seconds": 60.0, "left": left},
        **{"note": "", "lost": lost or {}},
    }


def test_progress_counts_and_estimates(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO, logger="ccdcgan.utils.progress"):
        progress = Progress(10, "relaxing 003", done=2, unit="crystals")
        now[0] = 20.0
        progress.advance(2, "1 failed", ["too_close"])
    snapshot = progress.snapshot()
    assert (snapshot["done"], snapshot["left"], snapshot["lost"]) == (4, 60.0, {"too_close": 1})
    assert caplog.messages == ["relaxing 003: " + in_words(snapshot)]
    assert in_words(snapshot) == "4/10 crystals (40 %), 0:20 gone, about 1:00 left; 1 failed"


def test_progress_of_work_done_before_knows_no_speed():
    progress = Progress(10, "relaxing", done=10)
    progress.advance(0, lost=["too_close"])
    assert progress.snapshot()["left"] is None
    assert progress.snapshot()["lost"] == {"too_close": 1}


def test_a_job_keeps_its_state_file(tmp_path, monkeypatch):
    monkeypatch.setattr(job_states, "LOOK", 0.01)
    script = SimpleNamespace(
        rule="relax_database",
        log=[str(tmp_path / "000.log")],
        wildcards={"batch": "000"},
        output=["a.extxyz"],
        threads=1,
        resources=SimpleNamespace(gpu=2),
    )
    with job_state(script) as end:
        assert read_states(tmp_path)["a.extxyz"]["state"] == "running"
        Progress(5, "relaxing", unit="crystals").advance(2, lost=["isolated_atom"])
        wait_for(lambda: (read_states(tmp_path)["a.extxyz"]["progress"] or {}).get("done") == 2, seconds=10)
        end("failed", "no disk.")
    state = read_states(tmp_path)["a.extxyz"]
    assert (state["state"], state["message"], state["progress"]["lost"]) == ("failed", "no disk.", {"isolated_atom": 1})
    assert state["ended"] >= state["started"]
    assert (state["threads"], state["gpus"]) == (1, 2)


def test_a_state_that_cannot_be_written_harms_nothing(tmp_path):
    script = SimpleNamespace(
        rule="r", log=[str(tmp_path / "gone/000.log")], wildcards={}, output=["a"], threads=1, resources=None
    )
    with job_state(script) as end:
        end("finished")
    assert read_states(tmp_path) == {}


def test_killed_and_torn_states(tmp_path):
    (tmp_path / "torn.json").write_text('{"rule": "rela')
    (tmp_path / "other.json").write_text("[1, 2]")
    (tmp_path / "killed.json").write_text(json.dumps(state_of("b0", "running")))
    assert read_states(tmp_path)["b0"]["state"] == "running"
    old = time.time() - 3600
    os.utime(tmp_path / "killed.json", (old, old))
    states = read_states(tmp_path)
    assert set(states) == {"b0"}
    assert states["b0"]["state"] == "silent"
    assert states["b0"]["quiet"] == pytest.approx(3600, abs=60)


@pytest.fixture
def halfway() -> list:
    """Eight batches of relaxations: three done, one running, one failed, one killed, two not started."""
    outputs = [(f"b{number}", "relax_database", number < 3) for number in range(8)]
    states = {
        **{f"b{n}": state_of(f"b{n}", "finished", progress=reached(25, 25, 0.0, {"too_close": 1})) for n in range(3)},
        "b3": state_of("b3", "running", progress=reached(10, 25, 90.0)),
        "b4": state_of("b4", "failed", message="the disk is full."),
        "b5": state_of("b5", "silent", progress=reached(5, 25, None), quiet=7200.0),
        "b6": state_of("b6", "finished", progress=reached(25, 25, 0.0)),  # of other settings: to be done again
    }
    return rule_statuses([*outputs, ("c", "collect", False)], {"relax_database": ("r", 1), "collect": ("d", 1)}, states)


def test_what_is_done_and_left(halfway):
    relaxation, collect = halfway
    assert (relaxation.n_jobs, relaxation.n_done, relaxation.n_waiting) == (8, 3, 4)
    assert relaxation.reached() == "90 of about 200 crystals"
    assert relaxation.lost() == {"too_close": 3}
    assert relaxation.seconds_left() == 90 + 4 * 100
    assert collect.seconds_left() is None


def test_status_in_words(halfway):
    text = describe("Bi-Se", "results/Bi-Se", halfway)
    assert "3 of 9 jobs done, 1 running, 5 waiting" in text
    assert "Stages done: none yet (0 of 2)" in text
    assert "90 of about 200 crystals; failed: 3 too_close" in text
    assert "relax_database 3 on node7: 10/25 crystals (40 %), 1:00 gone, about 1:30 left" in text
    assert "relax_database 4: the disk is full." in text
    assert "no update for 2:00:00" in text
    assert "Left: about 8:10 of job time (less wall time if jobs run in parallel)" in text
    assert " and 1 job of unknown duration (no job of the same rule has finished yet)." in text


def test_jobs_with_several_outputs_are_counted_once():
    outputs = [("a1", "train", True), ("a2", "train", True), ("b1", "train", True), ("b2", "train", False)]
    (status,) = rule_statuses(outputs, {"train": ("models", 2), "unused": ("models", 1)}, {})
    assert (status.n_jobs, status.n_done) == (2, 1)


def test_targets_beyond_the_default_one_count_once_they_were_begun():
    states = {"a": state_of("a", "finished"), "b": state_of("b", "running", rule="select_for_verification")}
    extra = {"vasp_inputs": "write_vasp_inputs", "verified": "select_for_verification"}
    assert begun(extra, states) == ["verified"]
    assert begun(extra, {}) == []


def relaxing(workflow: Workflow) -> bool:
    """Return whether a relaxation is in the middle of its crystals."""
    states = read_states(workflow.folder / "results/toy/logs").values()
    at_work = (state for state in states if state["state"] == "running" and state["rule"].startswith("relax_"))
    return any(state["progress"] and state["progress"]["done"] for state in at_work)


def test_status_of_a_run_at_work(workflow: Workflow):
    process = workflow.start("--cores", "1", DATABASE, *TOY)
    try:
        wait_for(lambda: relaxing(workflow))
        os.killpg(process.pid, signal.SIGSTOP)  # so that what is asked for does not change meanwhile
        status = workflow.run("status", "--quiet", "all", *TOY).stdout
        assert process.poll() is None
        assert "1 running" in status
        assert " crystals (" in status
        # which relaxations are first is free, so the stages done are those whose jobs the table shows as done
        jobs = re.findall(r"^(.{15}) (\S+) +(\d+)/(\d+)\b", status, re.MULTILINE)
        stages = list(dict.fromkeys(stage.strip() for stage, *_ in jobs))
        left = {stage.strip() for stage, _, done, total in jobs if done != total}
        done = [stage for stage in stages if stage not in left]
        assert len(done) < len(stages)
        assert f"Stages done: {', '.join(done) or 'none yet'} ({len(done)} of {len(stages)})" in status
    finally:
        stop(process, signal.SIGKILL)


def test_status_of_a_finished_run(toy_run: Workflow):
    before = sorted(path for path in (toy_run.folder / "results").rglob("*"))
    status = toy_run.run("status", "--quiet", "all", *TOY).stdout
    assert "Nothing is left to do." in status
    assert "320 of 320 samples" in status
    assert "400 of 400 steps" in status  # both schemes
    assert sorted(path for path in (toy_run.folder / "results").rglob("*")) == before
