"""A run that is killed or interrupted in any stage resumes, with the results of an uninterrupted one."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import CORES, TOY, Workflow
from tests.support.crystals import bi2se3, rock_salt

DATABASE = "results/toy/database/database.csv"


def wait_for(condition, seconds: float = 120) -> None:
    """Wait until ``condition()`` holds; fail the test if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the state to be interrupted never came"
        time.sleep(0.05)


def stop(process: subprocess.Popen, sign: signal.Signals) -> None:
    """Send a signal to the whole process group, as a terminal or an administrator does, and wait for its end."""
    os.killpg(process.pid, sign)
    process.wait(timeout=60)


def journal_lines(workflow: Workflow) -> int:
    """Return the number of relaxations that are finished."""
    journals = (workflow.folder / "results/toy/database/journal").glob("*.jsonl")
    return sum(path.read_bytes().count(b"\n") for path in journals)


def copy_until(workflow: Workflow, finished: Workflow, *parts: str) -> None:
    """Take over what a finished run made of some stages, with the times of its files."""
    for part in (".snakemake", *(f"results/toy/{part}" for part in parts)):
        target = workflow.folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(finished.folder / part), str(target)], check=True)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_relaxation_resumes(workflow: Workflow, toy_run: Workflow, sign):
    process = workflow.start("--cores", "1", DATABASE, *TOY)
    wait_for(lambda: journal_lines(workflow) >= 5)
    stop(process, sign)
    before = journal_lines(workflow)
    assert not (workflow.folder / DATABASE).exists()
    workflow.run("--cores", "2", DATABASE, *TOY)
    assert (workflow.folder / DATABASE).read_bytes() == (toy_run.folder / DATABASE).read_bytes()
    assert before > 0
    assert journal_lines(workflow) == journal_lines(toy_run)  # nothing finished was relaxed again


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_training_resumes(workflow: Workflow, toy_run: Workflow, sign):
    copy_until(workflow, toy_run, "database")
    history = "results/toy/representation/sites_history.csv"
    model = "results/toy/representation/sites_autoencoder.keras"
    arguments = (history, "--cores", CORES, *TOY)
    process = workflow.start(*arguments)
    wait_for((workflow.folder / "results/toy/representation/checkpoints/sites.npz").exists)
    stop(process, sign)
    assert not (workflow.folder / history).exists()
    done = workflow.run(*arguments)
    assert "resuming the training at step" in done.stdout
    assert (workflow.folder / history).read_bytes() == (toy_run.folder / history).read_bytes()
    assert load_weights(workflow.folder / model) == load_weights(toy_run.folder / model)


def load_weights(model: Path) -> list[bytes]:
    """Return the bytes of all weights of a saved autoencoder."""
    from ccdcgan.representation.autoencoders import load_autoencoder

    return [weight.tobytes() for weight in load_autoencoder(model).model.get_weights()]


def test_two_runs_at_once_are_refused(workflow: Workflow):
    process = workflow.start("--cores", "1", DATABASE, *TOY)
    try:
        wait_for((workflow.folder / "results/toy/.lock").exists)
        wait_for(lambda: (workflow.folder / "results/toy/.lock").read_text().isdigit())
        second = workflow.run("--cores", "1", DATABASE, *TOY, check=False)
        assert second.returncode != 0
        assert f"is being worked on by process {process.pid}" in second.stdout
        assert process.poll() is None
    finally:
        stop(process, signal.SIGKILL)
    workflow.run("results/toy/database/prototypes.csv", "--cores", "1", *TOY)  # the lock went with the process


def test_unreadable_file_is_skipped_and_counted(workflow: Workflow):
    folder = workflow.folder / "mine"
    folder.mkdir()
    bi2se3().to(filename=str(folder / "a.cif"))
    rock_salt().to(filename=str(folder / "b.cif"))
    (folder / "broken.cif").write_text("data_\n_cell_length_a what\n")
    override = workflow.folder / "files.yaml"
    override.write_text("{prototypes: {sources: [files], files: {folder: mine}}}")
    done = workflow.run("results/toy/database/substituted.csv", "--cores", "1", *TOY, str(override))
    assert "file-broken.cif is skipped" in done.stdout
    assert "3 found, 2 kept; dropped: 1 unreadable" in done.stdout
    table = pd.read_csv(workflow.folder / "results/toy/database/prototypes.csv").set_index("id")
    assert table.loc["file-broken.cif", "reason"] == "unreadable"


def test_no_prototypes_end_with_a_sentence(workflow: Workflow):
    (workflow.folder / "empty").mkdir()
    override = workflow.folder / "files.yaml"
    override.write_text("{prototypes: {sources: [files], files: {folder: empty}}}")
    done = workflow.run(DATABASE, "--cores", "1", *TOY, str(override), check=False)
    assert done.returncode != 0
    assert "prototypes.files.folder: empty holds no CIF" in done.stdout
    assert "Finished results are kept" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_engine_that_cannot_start_leaves_finished_results(workflow: Workflow):
    override = workflow.folder / "engine.yaml"
    override.write_text("{relaxation: {engine: vasp, vasp: {potcar_spec: true}}, prototypes: {max_prototypes: 3}}")
    done = workflow.run(DATABASE, "--cores", "1", *TOY, str(override), check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert "VASP_CMD" in done.stdout
    assert (workflow.folder / "results/toy/database/prototypes.csv").exists()


def test_a_scheme_without_candidates_is_reported(workflow: Workflow, toy_run: Workflow):
    copy_until(workflow, toy_run, "database", "representation", "models")
    override = workflow.folder / "strict.yaml"
    override.write_text("generation: {samples: 20, shard_size: 20, min_distance: 9.0}")  # nothing passes
    done = workflow.run("--cores", "2", *TOY, str(override))
    assert "has no candidate in 20 samples" in done.stdout
    page = (workflow.folder / "results/toy/report/index.html").read_text()
    assert "has no candidates" in page
    summary = pd.read_csv(workflow.folder / "results/toy/summary.csv")
    assert (summary.loc[summary["quantity"].str.startswith("candidates per crystal graph"), "numerator"] == 0).all()
