"""Fixtures shared by all tests: Snakemake on this workflow, and one complete toy run."""

import functools
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

import ccdcgan  # noqa: F401  # before any test imports TensorFlow, whose environment it sets

pytest_plugins = ["tests.support.own_process"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Workflow:
    """The workflow with its results in ``folder``, away from the checkout."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that a user would type, results elsewhere."""
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        return [*snakemake, "--directory", str(self.folder), *map(str, arguments)]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run Snakemake and return its outcome, stdout and stderr in one text; fail the test if it fails."""
        done = subprocess.run(
            self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if check and done.returncode != 0:
            pytest.fail(f"snakemake {' '.join(map(str, arguments))} failed:\n{done.stdout[-6000:]}")
        return done

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake in a process group of its own, to be killed as a whole.

        It answers an interrupt as it does at a keyboard, also where the tests run in the background of a shell,
        which has its children ignore interrupts.
        """
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run plans; empty if there is nothing to be done."""
        lines = self.run("--dry-run", "--quiet=rules", *arguments).stdout.splitlines()
        jobs = {}
        for line in lines:
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != "total":
                jobs[words[0]] = int(words[1])
        return jobs


TOY = ("--configfile", str(ROOT / "presets/toy.yaml"))
CORES = str(min(os.cpu_count() or 1, 4))
"""Cores of the toy run: trainings have the same bits on the same number only."""


@functools.cache
def looks_at_the_toy_run(file: str) -> bool:
    """Tell whether a file, relative to the checkout, has tests that do; asked once for every test."""
    return "toy_run" in (ROOT / file).read_text(encoding="utf-8")


class ByFile(LoadFileScheduling):
    """Tests of a file go to one of pytest's processes, and so do all files with tests that look at the toy run."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "toy run" if looks_at_the_toy_run(file) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> LoadFileScheduling:
    """Share the tests out so that the toy run is made once."""
    return ByFile(config, log)


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """The workflow with an empty results folder of its own."""
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """One complete run of the toy preset, shared by all tests that only look at it."""
    workflow = Workflow(tmp_path_factory.mktemp("toy"))
    done = workflow.run("--cores", CORES, *TOY)
    (workflow.folder / "terminal.txt").write_text(done.stdout)
    return workflow
