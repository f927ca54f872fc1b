"""A job that receives SIGTERM saves its work, ends with one sentence, and resumes there."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from ccdcgan.models.constraint import image_network as constraint
from ccdcgan.training import loop as training_loop
from ccdcgan.utils import interruption
from tests.conftest import ROOT
from tests.models import test_constraint
from tests.representation import test_autoencoders

crystals, source, data = test_autoencoders.crystals, test_autoencoders.source, test_constraint.data


@pytest.fixture
def fresh(monkeypatch):
    """A process that was not asked anything yet, with the signal's former answer restored afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    interruption.watch()
    monkeypatch.setattr(interruption, "_state", interruption._State())
    yield
    signal.signal(signal.SIGTERM, before)


def ask_to_end_after(monkeypatch, module, calls: int) -> None:
    """Let this process get SIGTERM when a module's training reports progress for the ``calls``-th time."""
    advance, seen = module.Progress.advance, []

    def counted(self, *arguments):
        seen.append(None)
        if len(seen) == calls:
            os.kill(os.getpid(), signal.SIGTERM)
        advance(self, *arguments)

    monkeypatch.setattr(module.Progress, "advance", counted)


def test_an_autoencoder_saves_itself_between_two_checkpoints(tmp_path, source, monkeypatch, fresh):
    def run(folder):
        return test_autoencoders.train(folder, source, steps_per_block=2, blocks_per_checkpoint=4)

    whole = run(tmp_path / "whole")
    with monkeypatch.context() as patch:
        ask_to_end_after(patch, training_loop, 2)
        with pytest.raises(interruption.Interrupted, match="the next attempt resumes there"):
            run(tmp_path / "asked")
    assert int(np.load(tmp_path / "asked/sites.npz")["step"]) == 4  # the next regular one is that of step 8
    monkeypatch.setattr(interruption, "_state", interruption._State())
    resumed = run(tmp_path / "asked")
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (tmp_path / "whole/sites.csv").read_bytes() == (tmp_path / "asked/sites.csv").read_bytes()


def test_a_constraint_saves_itself_between_two_checkpoints(tmp_path, data, monkeypatch, fresh):
    monkeypatch.setattr(constraint, "STEPS_PER_ROW", 2)
    whole = test_constraint.train(tmp_path / "whole", data, steps=6)
    monkeypatch.setattr(interruption, "_state", interruption._State(asked=True))
    with pytest.raises(interruption.Interrupted):
        test_constraint.train(tmp_path / "asked", data, steps=6)
    assert int(np.load(tmp_path / "asked/checkpoint.npz")["step"]) == 2
    monkeypatch.setattr(interruption, "_state", interruption._State())
    resumed = test_constraint.train(tmp_path / "asked", data, steps=6)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_job_without_a_checkpoint_leaves_at_once_with_a_sentence(tmp_path):
    script = tmp_path / "job.py"
    frame = f"log=[{str(tmp_path / 'job.log')!r}], output=['a'], wildcards={{}}, resources=None"
    script.write_text(
        "import os, signal, time\n"
        "from types import SimpleNamespace\n"
        "from ccdcgan_workflow.jobs import job\n"
        f"with job(SimpleNamespace(rule='slow', threads=1, {frame})):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=50,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "[slow] was asked to end (SIGTERM)" in done.stderr
    assert "Traceback" not in done.stderr
