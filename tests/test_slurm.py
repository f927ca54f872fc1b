"""The workflow on a real Slurm: jobs that fail, run out of time, are cancelled, lose their driver or the controller.

Every fault strikes while relaxations or a training are under way (their processes are stopped to hold that moment),
and the end is compared with the undisturbed run's, bit by bit.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, TOY, Workflow
from tests.slurm_cluster import SlurmCluster, missing
from tests.test_faults import DATABASE, copy_until, wait_for

pytestmark = pytest.mark.slurm

CORES = str(min(os.cpu_count() or 1, 4))
# The plugin looks at its jobs more and more seldom; here it looks every second.
DRIVER = (
    "from snakemake_executor_plugin_slurm import Executor;"
    "Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, value: None);"
    "from snakemake.cli import main; main()"
)
SITE = f"""
partitions: {{cpu: cpu, gpu: gpu}}
training: {{gpus: 1, cores: {CORES}}}
"""


@dataclass(frozen=True)
class ClusterWorkflow(Workflow):
    """The workflow driven with the Slurm profile; jobs may take five minutes and are tried three times."""

    def command(self, *arguments: str) -> list[str]:
        limits = self.folder / "limits.yaml"
        limits.write_text("limits: {runtime: 5}")
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
        assert driver.wait(timeout=300) == 0, (self.folder / "driver.txt").read_text()[-5000:]

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

    def records(self) -> Counter:
        """Return how often each relaxation of the database stands in its journals."""
        lines = [
            line
            for path in (self.folder / "results/toy/database/journal").glob("0*.jsonl")
            for line in path.read_text().splitlines()
        ]
        return Counter(json.loads(line)["key"] for line in lines)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site's file, found through the environment as a user's may be."""
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    path.write_text(SITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CCDCGAN_SITE", str(path))
        yield path


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Iterator[SlurmCluster]:
    """A Slurm without accounting, shared by the tests of this module."""
    if missing():
        pytest.skip(missing())
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def relaxing(tmp_path: Path, slurm: SlurmCluster, toy_run: Workflow) -> ClusterWorkflow:
    """A run whose next jobs are the two batches of the database, and then the database."""
    workflow = ClusterWorkflow(tmp_path)
    copy_until(workflow, toy_run, "database")
    database = workflow.folder / "results/toy/database"
    for path in [*database.glob("relaxed/0*"), *database.glob("journal/0*"), *database.glob("database*")]:
        path.unlink()
    return workflow


def hold_in_the_middle(workflow: ClusterWorkflow, driver: subprocess.Popen) -> list[psutil.Process]:
    """Stop the relaxations once each batch has some crystals behind it; return their processes."""

    def under_way() -> bool:
        assert driver.poll() is None, (workflow.folder / "driver.txt").read_text()[-5000:]
        return len(list((workflow.folder / "results/toy/database/journal").glob("0*.jsonl"))) == 2 and all(
            path.stat().st_size for path in (workflow.folder / "results/toy/database/journal").glob("0*.jsonl")
        )

    wait_for(under_way)
    held = workflow.processes("relax_batch")
    for process in held:
        process.suspend()
    return held


def let_go(processes: list[psutil.Process]) -> None:
    """Let stopped processes go on, those that still live."""
    for process in processes:
        if process.is_running():
            process.resume()


def states(slurm: SlurmCluster, rule: str) -> list[str]:
    """Return the states of all submissions of a rule's jobs in this test, first one first."""
    return [job["state"] for job in slurm.jobs() if rule in job["comment"]]


def assert_undisturbed(workflow: ClusterWorkflow, toy_run: Workflow) -> None:
    """The database is that of the undisturbed run, and nothing was relaxed twice."""
    assert (workflow.folder / DATABASE).read_bytes() == (toy_run.folder / DATABASE).read_bytes()
    records = workflow.records()
    assert set(records.values()) == {1}
    assert set(records) == set(ClusterWorkflow(toy_run.folder).records())


@pytest.fixture(autouse=True)
def own_jobs(slurm: SlurmCluster) -> Iterator[None]:
    """Let a test see its own submissions only."""
    yield
    slurm.ask("scancel", "--user=root")
    slurm.seen = max((int(job["id"]) for job in slurm.jobs()), default=slurm.seen)


def test_a_job_that_fails_is_submitted_once_more_for_each_retry(
    relaxing: ClusterWorkflow, slurm: SlurmCluster, toy_run: Workflow
):
    references = relaxing.folder / "results/toy/database/references.csv"
    content = references.read_bytes()
    references.write_text("nothing,useful\n")
    driver = relaxing.start(DATABASE)
    wait_for(lambda: "FAILED" in states(slurm, "collect_database"))
    references.write_bytes(content)
    relaxing.finish(driver)
    assert states(slurm, "collect_database") == ["FAILED", "COMPLETED"]
    assert states(slurm, "relax_database") == ["COMPLETED", "COMPLETED"]
    assert {job["partition"] for job in slurm.jobs()} == {"cpu"}
    memory = [job["memory"] for job in slurm.jobs() if "collect_database" in job["comment"]]
    assert memory == ["1000M", "2000M"]  # the second attempt asks for more
    assert_undisturbed(relaxing, toy_run)


def test_a_batch_that_meets_its_time_limit_goes_on_in_the_next_attempt(
    relaxing: ClusterWorkflow, slurm: SlurmCluster, toy_run: Workflow
):
    driver = relaxing.start(DATABASE)
    hold_in_the_middle(relaxing, driver)
    before = relaxing.records().total()
    for job in slurm.jobs():
        slurm.ask("scontrol", "update", f"JobId={job['id']}", "EndTime=now")
    relaxing.finish(driver)
    assert states(slurm, "relax_database") == ["TIMEOUT", "TIMEOUT", "COMPLETED", "COMPLETED"]
    assert 0 < before < relaxing.records().total()
    assert_undisturbed(relaxing, toy_run)


def test_a_restarted_controller_and_a_cancelled_job_lose_nothing(
    relaxing: ClusterWorkflow, slurm: SlurmCluster, toy_run: Workflow
):
    driver = relaxing.start(DATABASE)
    held = hold_in_the_middle(relaxing, driver)
    slurm.stop("slurmctld")
    slurm.start_controller()
    assert states(slurm, "relax_database") == ["RUNNING", "RUNNING"]
    (cancelled,) = (job["id"] for job in slurm.jobs() if job["comment"].endswith("000"))
    slurm.ask("scancel", cancelled)
    let_go(held)
    relaxing.finish(driver)
    assert sorted(states(slurm, "relax_database")) == ["CANCELLED", "COMPLETED", "COMPLETED"]
    assert_undisturbed(relaxing, toy_run)


def test_an_interrupted_driver_cancels_its_jobs(relaxing: ClusterWorkflow, slurm: SlurmCluster, toy_run: Workflow):
    driver = relaxing.start(DATABASE)
    hold_in_the_middle(relaxing, driver)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=60) != 0
    wait_for(lambda: states(slurm, "relax_database") == ["CANCELLED", "CANCELLED"])
    relaxing.finish(relaxing.start(DATABASE))
    assert_undisturbed(relaxing, toy_run)


def test_the_jobs_of_a_killed_driver_are_found_and_cancelled_with_the_documented_command(
    relaxing: ClusterWorkflow, slurm: SlurmCluster, toy_run: Workflow
):
    driver = relaxing.start(DATABASE)
    held = hold_in_the_middle(relaxing, driver)
    driver.kill()
    driver.wait()
    assert states(slurm, "relax_database") == ["RUNNING", "RUNNING"]
    page = (ROOT / "docs/cluster.md").read_text()
    (command,) = re.findall(r"^grep -ho 'SLURM run ID.*$", page, re.MULTILINE)
    subprocess.run(command, shell=True, check=True, cwd=relaxing.folder)
    wait_for(lambda: states(slurm, "relax_database") == ["CANCELLED", "CANCELLED"])
    wait_for(lambda: not any(process.is_running() for process in held))
    relaxing.finish(relaxing.start(DATABASE))
    assert_undisturbed(relaxing, toy_run)
