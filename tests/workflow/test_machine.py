"""What is asked of the operating system has an answer on systems without ``/proc``, ``fork`` and ``flock``, too."""

import os
import platform
import subprocess
import sys

import pytest

from ccdcgan.utils import machine, parallel
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import exclusive
from ccdcgan_workflow import provenance
from ccdcgan_workflow.locks import lock_run


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """A machine that is not Linux."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "none")
    monkeypatch.setattr(machine, "GPU_INFO", tmp_path / "none")


def test_the_machine_is_described_elsewhere(elsewhere):
    described = provenance.describe_machine()
    assert described["cores"] == os.cpu_count()
    assert described["processor"] and described["gpu"] == "" and described["system"].startswith("Darwin")
    assert machine.processor_features() == set()


def process(_: int) -> int:
    """Return the number of the process that works."""
    return os.getpid()


def test_work_is_done_in_one_process_where_a_fork_is_not_safe(elsewhere):
    assert set(parallel.parallel_map(process, range(parallel.FEW), "items", processes=2)) == {os.getpid()}


@pytest.mark.skipif(sys.platform != "linux", reason="worker processes are used on Linux only")
def test_work_is_shared_on_linux():
    assert os.getpid() not in parallel.parallel_map(process, range(parallel.FEW), "items", processes=2)


def test_without_locks_the_work_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path, caplog):
    monkeypatch.setattr(machine, "fcntl", None)
    with exclusive(tmp_path / "lock"):
        assert "continuing without a lock" in caplog.text


def test_a_locked_run_is_refused_to_another_process(tmp_path):
    code = "import sys; from ccdcgan_workflow.locks import lock_run; lock_run(sys.argv[1]); print('locked', flush=True)"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}; input()", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match=f"process {holder.pid}"):
            lock_run(tmp_path)
        holder.communicate("")
    lock_run(tmp_path)
