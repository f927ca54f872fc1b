"""Running jobs are shown as bars in a terminal, and as plain lines elsewhere."""

import io
import os
import pty
import subprocess
import threading

from rich.console import Console

from ccdcgan_workflow.display import render
from tests.conftest import TOY, Workflow

DATABASE = "results/toy/database/database.csv"


def drawn(states: list, done: int, total: int) -> str:
    """Return what the display draws, as text."""
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(render(states, done, total))
    return console.file.getvalue()


def test_every_running_job_has_a_line():
    progress = {"done": 1200, "total": 5000, "unit": "steps", "left": 75.0, "note": "loss 0.02"}
    text = drawn(
        [
            {"rule": "train_autoencoder", "wildcards": {"network": "sites"}, "progress": progress},
            {"rule": "collect_database", "wildcards": {}, "progress": None},
        ],
        12,
        58,
    )
    first, second, last = text.splitlines()
    assert "train_autoencoder sites" in first
    assert "1,200/5,000 steps" in first and "about 1:15 left" in first and "loss 0.02" in first
    assert "collect_database" in second
    assert "12 of 58 jobs done, 2 running" in last


def in_a_terminal(command: list[str]) -> tuple[int, str]:
    """Run a command whose standard error is a terminal; return its status and what it wrote there."""
    driver, terminal = pty.openpty()
    process = subprocess.Popen(
        command, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    )
    os.close(terminal)
    written: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(driver, 4096):
                written.append(part)
        except OSError:  # Linux says so when the last writer is gone
            pass

    reader = threading.Thread(target=read)
    reader.start()
    status = process.wait(timeout=300)
    reader.join(timeout=30)
    os.close(driver)
    return status, b"".join(written).decode(errors="replace")


def test_a_run_in_a_terminal_is_drawn_and_leaves_it_clean(workflow: Workflow):
    status, text = in_a_terminal(workflow.command("--cores", "2", DATABASE, *TOY))
    assert status == 0
    assert (workflow.folder / DATABASE).exists()
    assert "running; more: snakemake status" in text
    assert " crystals" in text and " jobs done" in text
    assert "[build_prototypes] " in text  # the jobs' own lines, above
    assert text.rfind("running; more") < text.rfind("\x1b[2K")  # what was drawn is wiped at the end
    assert text.count("\x1b[?25l") <= text.count("\x1b[?25h")  # the cursor is there


def test_a_failure_in_a_terminal_is_said(workflow: Workflow):
    (workflow.folder / "empty").mkdir()
    override = workflow.folder / "files.yaml"
    override.write_text("{prototypes: {sources: [files], files: {folder: empty}}}")
    status, text = in_a_terminal(workflow.command("--cores", "1", DATABASE, *TOY, str(override)))
    assert status != 0
    assert "empty holds no CIF" in " ".join(text.split())
    assert "Finished results are kept" in text
    assert "Traceback" not in text
