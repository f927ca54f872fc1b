"""The workflow, run by Snakemake on Slurm, whose job processes the tests stop to time a fault."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.conftest import CORES, ROOT, TOY, Workflow
from tests.support.slurm_cluster import SlurmCluster
from tests.workflow.test_faults import wait_for

# The plugin looks at its jobs more and more seldom; here it looks every second.
DRIVER = (
    "from snakemake_executor_plugin_slurm import Executor;"
    "Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, value: None);"
    "from snakemake.cli import main; main()"
)


@dataclass(frozen=True)
class ClusterWorkflow(Workflow):
    """The workflow driven with the Slurm profile; jobs may take half an hour and are tried three times."""

    def command(self, *arguments: str) -> list[str]:
        limits = self.folder / "limits.yaml"
        limits.write_text("job_limits: {runtime: 30}")
        profile = ("--profile", str(ROOT / "profiles/slurm"), "--cores", CORES, "--latency-wait", "20")
        once = ("--slurm-init-seconds-before-status-checks", "1", "--retries", "2")
        plain = [sys.executable, "-c", DRIVER, "--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        return [*plain, *arguments, *TOY, str(limits), *profile, *once]

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start the driver with the usual answer to an interrupt from the keyboard."""
        with open(self.folder / "driver.txt", "a") as log:
            return subprocess.Popen(
                self.command(*arguments),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def finish(self, driver: subprocess.Popen) -> None:
        """Wait for the driver's good end."""
        assert driver.wait(timeout=600) == 0, self.said()

    def said(self) -> str:
        """Return what the drivers said last."""
        return (self.folder / "driver.txt").read_text()[-5000:]

    def wait_for(self, driver: subprocess.Popen, condition: Callable[[], bool]) -> None:
        """Wait until ``condition()`` holds, as long as the driver lives."""

        def reached() -> bool:
            assert driver.poll() is None, self.said()
            return condition()

        wait_for(reached, seconds=900)

    def processes(self, script: str) -> list[psutil.Process]:
        """Return the processes of this folder that run a script of the workflow."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            try:
                if any(word.endswith(f".{script}.py") for word in words) and process.cwd() == str(self.folder):
                    found.append(process)
            except psutil.Error:  # ended in between
                continue
        return found

    def end_drivers(self) -> None:
        """Kill every Snakemake that still works in this folder, as after a test that failed."""
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "snakemake_executor_plugin_slurm" in " ".join(words[:3]) and str(self.folder) in words:
                process.kill()

    def records(self) -> Counter:
        """Return how often each relaxation of the database and of the candidates stands in the journals."""
        lines = [
            (path.parent.parent.name, line)
            for path in (self.folder / "results/toy").glob("*/journal/*.jsonl")
            for line in path.read_text().splitlines()
        ]
        return Counter((stage, json.loads(line)["key"]) for stage, line in lines)

    def tables(self) -> dict[str, bytes]:
        """Return every table and structure set of the run, by path, without the times that relaxations took."""
        results = self.folder / "results/toy"
        paths = [path for kind in ("csv", "extxyz") for path in results.rglob(f"*.{kind}")]
        named = {str(path.relative_to(results)): path for path in paths if "checkpoints" not in path.parts}
        return {name: re.sub(rb"relax_seconds=\S+", b"", path.read_bytes()) for name, path in named.items()}


def hold(
    workflow: ClusterWorkflow, driver: subprocess.Popen, slurm: SlurmCluster, wanted: dict[str, Path], script: str
) -> dict[str, tuple[str, psutil.Process]]:
    """Stop jobs in the middle of their work: each once its file is there and not empty.

    wanted: file by the end of the job's comment in Slurm (rule and wildcards); script: of the workflow, that they run.
    Returns the job's number and its process for each.
    """
    held: dict[str, tuple[str, psutil.Process]] = {}

    def all_held() -> bool:
        for process in workflow.processes(script):
            try:
                number = process.environ().get("SLURM_JOB_ID", "")
            except psutil.Error:
                continue
            comment = next((job["comment"] for job in slurm.jobs() if job["id"] == number), "")
            for name, path in wanted.items():
                if name not in held and comment.endswith(name) and path.exists() and path.stat().st_size:
                    process.suspend()
                    held[name] = number, process
        return set(held) == set(wanted)

    workflow.wait_for(driver, all_held)
    return held


def let_go(held: dict[str, tuple[str, psutil.Process]]) -> None:
    """Let stopped processes go on, those that still live."""
    for _, process in held.values():
        if process.is_running():
            process.resume()
