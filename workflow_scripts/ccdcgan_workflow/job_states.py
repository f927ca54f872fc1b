"""State files: one small JSON file per job beside its log, updated while the job runs.

The file contains the outputs of the job, its start time and machine, its latest progress snapshot, and its final state.
It can be read without a lock and without contact to the job, also on a cluster, where the folder of the run is shared.
The modification time of the file shows that the job is still running.
"""

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ccdcgan.utils.progress import current_snapshot
from ccdcgan_workflow.provenance import describe_machine

LOOK = 1.0
"""Interval (s) at which the progress of the job is checked."""

SIGN_OF_LIFE = 15.0
"""Interval (s) at which the modification time of a running job's state file is updated."""

SILENT = 90.0
"""Time (s) without an update after which a job that did not end is considered killed."""


class JobState:
    """State file of one running job. Errors while writing it (a full disk) are ignored and do not stop the job."""

    def __init__(self, path: str | Path, **what: Any) -> None:
        self.path = Path(path)
        self._what = {**what, "host": platform.node(), "pid": os.getpid(), "started": time.time()}
        self._written: dict[str, Any] | None = None
        self._ended = threading.Event()

    def write(self, state: str, message: str = "") -> None:
        """Write the state (running, finished or failed) with the current progress."""
        self._written = current_snapshot()
        content = {**self._what, "state": state, "message": message, "progress": self._written}
        if state != "running":
            content["ended"] = time.time()
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with suppress(OSError):
            temporary.write_text(json.dumps(content), encoding="utf-8")
            os.replace(temporary, self.path)

    def follow(self) -> None:
        """Write progress when it changes, and update the modification time regularly, until the job ends."""
        touched = time.monotonic()
        while not self._ended.wait(LOOK):
            if current_snapshot() != self._written:
                self.write("running")
            elif time.monotonic() - touched < SIGN_OF_LIFE:
                continue
            else:
                with suppress(OSError):
                    os.utime(self.path)
            touched = time.monotonic()


@contextmanager
def job_state(snakemake: Any) -> Iterator[Callable[[str, str], None]]:
    """Maintain the state file of a job while the body of its script runs.

    Args:
        snakemake: Snakemake's object of that name in the script.

    Yields:
        Function that writes the final state (finished or failed) and a message.
    """
    state = JobState(
        Path(snakemake.log[0]).with_suffix(".json"),
        rule=snakemake.rule,
        wildcards=dict(snakemake.wildcards),
        output=list(map(str, snakemake.output)),
        threads=snakemake.threads,
        gpus=int(getattr(snakemake.resources, "gpu", 0)),
        machine=describe_machine(),
    )
    state.write("running")
    thread = threading.Thread(target=state.follow, daemon=True)
    thread.start()

    def end(how: str, message: str = "") -> None:
        state._ended.set()
        thread.join()
        state.write(how, message)

    yield end


def read_states(logs: str | Path, since: float = 0.0) -> dict[str, dict[str, Any]]:
    """Return the states of all jobs that were started, by output.

    A running job whose file was not updated for longer than SILENT has the state "silent". ``quiet`` is the time since
    the last update, s. Incomplete files and files of another kind are ignored.

    Args:
        logs: Folder of the state files.
        since: s since the epoch; files that were last modified earlier are ignored.
    """
    states: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(logs).rglob("*.json")):
        try:
            if path.stat().st_mtime < since:
                continue
            state = json.loads(path.read_text(encoding="utf-8"))
            outputs = state["output"]
            state["quiet"] = max(time.time() - path.stat().st_mtime, 0.0)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if state["state"] == "running" and state["quiet"] > SILENT:
            state["state"] = "silent"
        states.update(dict.fromkeys(outputs, state))
    return states
