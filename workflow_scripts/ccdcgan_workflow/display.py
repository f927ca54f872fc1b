"""Progress display in the terminal: one line per running job, redrawn below all other output.

Jobs are separate processes, so the main process draws the lines of all jobs from their state files. If standard error
is not a terminal (a log file, a pipe, a batch job), nothing is drawn and every job prints plain lines itself.
"""

import atexit
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ccdcgan.utils.progress import clock
from ccdcgan_workflow.job_states import read_states

TERMINAL_FILE = "CCDCGAN_TERMINAL"
"""Environment variable with the file to which jobs on this machine write their lines while a display is drawn."""

INTERVAL = 1.0
"""Interval (s) at which the state files are read."""


def render(states: Sequence[Mapping[str, Any]], done: int, total: int) -> Group:
    """Return the display: a line for each running job, followed by the number of finished jobs.

    Args:
        states: States of the running jobs, from :func:`ccdcgan_workflow.job_states.read_states`.
        done: Number of finished jobs.
        total: Number of all jobs; 0 if unknown.
    """
    table = Table.grid(padding=(0, 1))
    for state in states:
        name = " ".join([state["rule"], *state["wildcards"].values()])
        progress = state["progress"]
        if not progress:
            table.add_row(Text(name, overflow="ellipsis", no_wrap=True))
            continue
        left = f"about {clock(progress['left'])} left" if progress["left"] else ""
        table.add_row(
            Text(name, overflow="ellipsis", no_wrap=True),
            ProgressBar(total=max(progress["total"], 1), completed=progress["done"], width=20),
            Text(f"{progress['done']:,}/{progress['total']:,} {progress['unit']}".rstrip(), no_wrap=True),
            Text(left, no_wrap=True),
            Text(progress["note"], style="dim", overflow="ellipsis", no_wrap=True),
        )
    jobs = f"{done} of {total} jobs done, " if total else ""
    return Group(table, Text(f"{jobs}{len(states)} running; more: snakemake status", style="dim"))


class Display:
    """Display of a running workflow, created by :func:`start_display`."""

    def __init__(self, logs: str | Path, since: float, logger: logging.Logger) -> None:
        self._logs, self._since, self._logger = Path(logs), since, logger
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._jobs = _JobCounter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        descriptor, self._file = tempfile.mkstemp(prefix="ccdcgan-terminal-")
        self._lines = os.fdopen(descriptor, encoding="utf-8", errors="replace")
        self._streams = [
            handler
            for handler in logger.handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
        ]

    def start(self) -> None:
        """Start drawing below the lines of Snakemake and of the jobs."""
        os.environ[TERMINAL_FILE] = self._file
        self._live.start()
        self._console.show_cursor(True)  # the terminal must keep its cursor if the process is killed
        for handler in self._streams:
            handler.setStream(sys.stderr)  # now the stream of the display
        self._logger.addHandler(self._jobs)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Remove the display and restore the terminal; further calls have no effect."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        self._logger.removeHandler(self._jobs)
        self._pass_lines()
        self._live.stop()
        for handler in self._streams:
            handler.setStream(sys.stderr)
        os.environ.pop(TERMINAL_FILE, None)
        self._lines.close()
        os.unlink(self._file)

    def _follow(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._pass_lines()
            states = {state["pid"]: state for state in read_states(self._logs, self._since).values()}
            running = [state for state in states.values() if state["state"] == "running"]
            running.sort(key=lambda state: state["started"])
            self._live.update(render(running, self._jobs.done, self._jobs.total), refresh=True)

    def _pass_lines(self) -> None:
        """Print the lines that jobs have written since the last call."""
        for line in self._lines.read().splitlines():
            self._console.print(Text(line))


class _JobCounter(logging.Handler):
    """Stores the latest numbers of finished and of all jobs from Snakemake's log."""

    done, total = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Store the numbers of a progress event."""
        if isinstance(getattr(record, "done", None), int) and isinstance(getattr(record, "total", None), int):
            self.done, self.total = record.done, record.total


def start_display(logs: str | Path, since: float, logger: logging.Logger) -> Display | None:
    """Start the display of a run, if standard error is a terminal.

    Args:
        logs: Folder of the jobs' state files.
        since: Start of the run, s since the epoch; older state files are ignored.
        logger: Logger of Snakemake.

    Returns:
        The display; None if nothing is drawn.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    display = Display(logs, since, logger)
    display.start()
    return display
