"""The terminal of a running workflow: what each running job has reached, redrawn below all other lines.

Jobs are processes of their own, so the driver draws for all of them, from their state files. Where standard error is
no terminal (a log file, a pipe, a batch job) nothing is drawn and every job prints plain lines itself.
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
"""Environment variable: the file to which jobs of this machine send their lines while a display is drawn."""

INTERVAL = 1.0
"""Seconds between two looks at the state files."""


def render(states: Sequence[Mapping[str, Any]], done: int, total: int) -> Group:
    """Return what is drawn: a line for each running job, and how many jobs are done of how many."""
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
    """Draws while a run is at work; made by :func:`start_display`."""

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
        """Begin to draw; Snakemake's and the jobs' own lines go above."""
        os.environ[TERMINAL_FILE] = self._file
        self._live.start()
        self._console.show_cursor(True)  # a kill must not leave the terminal without one
        for handler in self._streams:
            handler.setStream(sys.stderr)  # now the display's own
        self._logger.addHandler(self._jobs)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Remove what is drawn and give the terminal back; once is enough, twice does no harm."""
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
        """Print what jobs have said since the last look."""
        for line in self._lines.read().splitlines():
            self._console.print(Text(line))


class _JobCounter(logging.Handler):
    """Keeps the last "x of y steps done" that Snakemake logs."""

    done, total = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take the numbers of a progress event."""
        if isinstance(getattr(record, "done", None), int) and isinstance(getattr(record, "total", None), int):
            self.done, self.total = record.done, record.total


def start_display(logs: str | Path, since: float, logger: logging.Logger) -> Display | None:
    """Draw the progress of the jobs whose state files lie in ``logs``, if standard error is a terminal.

    since: time (s since the epoch) at which the run began; states that are older are not its own; logger:
    Snakemake's. Returns None where nothing is drawn.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    display = Display(logs, since, logger)
    display.start()
    return display
