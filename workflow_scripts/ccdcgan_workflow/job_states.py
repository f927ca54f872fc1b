"""What each job of a run is doing: one small JSON file beside its log, rewritten as the job goes on.

The file says which outputs the job makes, since when and on which machine it runs, its last progress snapshot,
and how it ended. Nobody has to ask the job or hold a lock to read it, on a cluster neither: the run's folder is
shared. The file's own time is the job's sign of life.
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
"""Seconds between two looks at the job's progress."""

SIGN_OF_LIFE = 15.0
"""Seconds between two touches of a running job's state file."""

SILENT = 90.0
"""Seconds without a touch after which a job that did not end is taken for killed."""


class JobState:
    """The state file of one running job. A state that cannot be written (a full disk) never harms the job."""

    def __init__(self, path: str | Path, **what: Any) -> None:
        self.path = Path(path)
        self._what = {**what, "host": platform.node(), "pid": os.getpid(), "started": time.time()}
        self._written: dict[str, Any] | None = None
        self._ended = threading.Event()

    def write(self, state: str, message: str = "") -> None:
        """Write ``state`` (running, finished or failed) with the progress so far."""
        self._written = current_snapshot()
        content = {**self._what, "state": state, "message": message, "progress": self._written}
        if state != "running":
            content["ended"] = time.time()
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with suppress(OSError):
            temporary.write_text(json.dumps(content), encoding="utf-8")
            os.replace(temporary, self.path)

    def follow(self) -> None:
        """Write progress as it is made, and touch the file now and then, until the job ends."""
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
    """Keep the state file of a script's job while its body runs; yield what writes how the job ended.

    The yielded function takes the end (finished or failed) and a sentence.
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
    """Return the states of all jobs that ever ran, by each of their outputs.

    A job that is "running" but gave no sign of life for a while is "silent"; ``quiet`` has the seconds since
    its last sign. Files that are torn or of another kind, or not touched after ``since`` (s since the epoch), are
    passed over.
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
