"""Runs on a real Slurm cluster with one fault of each kind, and with the results of an undisturbed run.

All tests share two runs, because their jobs take minutes. The first run goes from the prototypes to a trained
autoencoder. One job fails, the controller is restarted, a relaxation batch reaches its time limit, another is
cancelled, and a training is warned of its time limit. The second run lacks a batch of relaxed candidates and a
generator. Its driver is killed during the relaxation and interrupted during the training. Processes are stopped so that
a fault happens at a defined moment. Each test examines the effect of one fault. The results equal those of the toy run
on one machine byte for byte.
"""

import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.conftest import CORES, ROOT, Workflow
from tests.support.slurm_cluster import SlurmCluster
from tests.support.slurm_workflow import ClusterWorkflow, hold, let_go
from tests.workflow.test_faults import copy_until, load_weights, wait_for

pytestmark = pytest.mark.slurm

SITE = """
partitions: {{cpu: cpu, gpu: gpu}}
training: {{gpus: 1, cores: {cores}}}
generation: {{gpus: 1}}
setup: ['! mv "{fail_once}" "{fail_once}.done" 2>/dev/null']
"""


TRAINED = "results/toy/representation/sites_history.csv"
GENERATOR = "results/toy/models/dcgan/history.csv"
GENERATED = "results/toy/candidates/dcgan/generated/000.extxyz"
RELAXED = "results/toy/candidates/dcgan/relaxed/000.extxyz"


@dataclass
class Story:
    """What was seen while the runs went on.

    first, second: the two runs, finished; jobs: all that Slurm knows of in the end; others: what stood in between.
    """

    first: ClusterWorkflow
    second: ClusterWorkflow
    jobs: list[dict[str, str]] = field(default_factory=list)
    after_restart: list[str] = field(default_factory=list)
    relaxed_before: int = 0
    interrupted: str = ""
    left_behind: str = ""
    cleaned: str = ""

    def states(self, rule: str) -> list[str]:
        """Return the states of all submissions of a rule's jobs, or of one with its wildcards, first one first."""
        wanted = re.compile(f"rule_{rule}(_wildcards_.*)?")
        return [job["state"] for job in self.jobs if wanted.fullmatch(job["comment"])]


def state_of(slurm: SlurmCluster, number: str) -> str:
    """Return the present state of one job."""
    (state,) = (job["state"] for job in slurm.jobs() if job["id"] == number)
    return state


def ended(slurm: SlurmCluster, number: str) -> str:
    """Wait until no job runs or waits any more; return the state of one."""
    wait_for(lambda: not {job["state"] for job in slurm.jobs()} & {"RUNNING", "PENDING", "COMPLETING"})
    return state_of(slurm, number)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, slurm: SlurmCluster, toy_run: Workflow) -> Iterator[Story]:
    """Both runs, every fault after the other."""
    folder = tmp_path_factory.mktemp("story")
    story = Story(*(ClusterWorkflow(folder / name) for name in ("first", "second")))
    site, fail_once = folder / "site.yaml", folder / "fail_once"
    site.write_text(SITE.format(cores=CORES, fail_once=fail_once))
    fail_once.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CCDCGAN_SITE", str(site))
        try:
            story.first.folder.mkdir()
            run_from_the_beginning(story, slurm)
            copy_until(story.second, toy_run, "database", "representation", "models", "candidates")
            run_the_end(story, slurm)
            story.jobs = slurm.jobs()
            yield story
        finally:
            story.first.end_drivers()
            story.second.end_drivers()


def run_from_the_beginning(story: Story, slurm: SlurmCluster) -> None:
    """Run from the prototypes to a trained autoencoder, and do to its jobs all that can be done."""
    workflow, results = story.first, story.first.folder / "results/toy"
    driver = workflow.start(TRAINED)
    journals = {
        f"relax_database_wildcards_{batch}": results / f"database/journal/{batch}.jsonl" for batch in ("000", "001")
    }
    held = hold(workflow, driver, slurm, journals, "relax_batch")
    story.relaxed_before = workflow.records().total()
    slurm.stop("slurmctld")
    slurm.start_controller()
    story.after_restart = [state_of(slurm, number) for number, _ in held.values()]
    (out_of_time, _), (cancelled, _) = held.values()
    slurm.ask("scontrol", "update", f"JobId={out_of_time}", "EndTime=now")
    slurm.ask("scancel", cancelled)
    let_go(held)

    checkpoint = {"train_autoencoder_wildcards_sites": results / "representation/checkpoints/sites.npz"}
    held = hold(workflow, driver, slurm, checkpoint, "train_autoencoder")
    ((number, training),) = held.values()
    # the warning comes two minutes before the end, which is now
    slurm.ask("scontrol", "update", f"JobId={number}", "EndTime=now+90seconds")
    workflow.wait_for(driver, lambda: not training.is_running())  # Slurm wakes it for the warning
    workflow.finish(driver)


def run_the_end(story: Story, slurm: SlurmCluster) -> None:
    """Relax a batch of candidates, train a generator and use it, and do to the driver all that can be done."""
    workflow, results = story.second, story.second.folder / "results/toy"
    for path in [*results.glob("candidates/dcgan/relaxed/000*"), *results.glob("candidates/journal/dcgan-000*")]:
        path.unlink()
    driver = workflow.start(RELAXED)
    state_file = {"relax_candidates_wildcards_dcgan_000": results / "logs/relax_candidates/dcgan/000.json"}
    held = hold(workflow, driver, slurm, state_file, "relax_batch")
    driver.kill()
    driver.wait()
    ((number, _),) = held.values()
    story.left_behind = state_of(slurm, number)
    (command,) = re.findall(r"^grep -ho 'SLURM run ID.*$", (ROOT / "docs/cluster.md").read_text(), re.MULTILINE)
    subprocess.run(command, shell=True, check=True, cwd=workflow.folder)
    story.cleaned = ended(slurm, number)
    workflow.finish(workflow.start(RELAXED))

    for pattern in ("models/checkpoints/dcgan*", "models/dcgan/*", "candidates/dcgan/generated/000*"):
        for path in results.glob(pattern):
            path.unlink()
    driver = workflow.start(GENERATED)
    checkpoint = {"train_generator_wildcards_dcgan": results / "models/checkpoints/dcgan.npz"}
    held = hold(workflow, driver, slurm, checkpoint, "train_generator")
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=120) != 0
    let_go(held)  # only now: on a busy machine the training would end before it is cancelled
    ((number, _),) = held.values()
    story.interrupted = ended(slurm, number)
    workflow.finish(workflow.start(GENERATED))


def test_the_runs_end_with_the_tables_of_an_undisturbed_one(story: Story, toy_run: Workflow):
    undisturbed, disturbed = ClusterWorkflow(toy_run.folder).tables(), story.first.tables()
    assert {"database/database.csv", "database/references.csv", "representation/sites_history.csv"} <= set(disturbed)
    assert {name for name in disturbed if disturbed[name] != undisturbed[name]} == set()
    later = story.second.tables()
    for path in (GENERATOR, GENERATED, RELAXED):
        name = path.removeprefix("results/toy/")
        assert later[name] == undisturbed[name]


def test_no_crystal_is_relaxed_twice(story: Story, toy_run: Workflow):
    records = story.first.records()
    assert 0 < story.relaxed_before < records.total()
    assert set(records.values()) == {1}
    assert set(records) == {key for key in ClusterWorkflow(toy_run.folder).records() if key[0] == "database"}


def test_networks_run_on_the_gpu_all_else_on_processors(story: Story):
    on_gpu = re.compile(r"rule_(train|generate)_.*")
    assert story.states("generate_candidates") == ["COMPLETED"]
    partitions = {(bool(on_gpu.fullmatch(job["comment"])), job["partition"], job["gpus"]) for job in story.jobs}
    assert partitions == {(True, "gpu", "1"), (False, "cpu", "0")}


def test_a_job_that_fails_is_submitted_once_more_and_asks_for_more_memory(story: Story):
    begun_at_once = ("build_prototypes", "find_known_phases")  # the one that starts first fails
    (failed,) = (name for name in begun_at_once if "FAILED" in story.states(name))
    assert story.states(failed) == ["FAILED", "COMPLETED"]
    first, second = (job["memory"] for job in story.jobs if job["comment"] == f"rule_{failed}")
    assert 2 * int(first.removesuffix("M")) == int(second.removesuffix("M"))


def test_a_restarted_controller_knows_the_running_jobs(story: Story):
    assert story.after_restart == ["RUNNING", "RUNNING"]


def test_a_batch_that_meets_its_time_limit_and_a_cancelled_one_are_submitted_once_more(story: Story):
    assert sorted(story.states("relax_database")) == ["CANCELLED", "COMPLETED", "COMPLETED", "TIMEOUT"]


def test_a_training_saves_its_state_at_the_time_limit_and_resumes(story: Story, toy_run: Workflow):
    assert story.states("train_autoencoder_wildcards_sites") == ["FAILED", "COMPLETED"]
    log = (story.first.folder / "results/toy/logs/train_autoencoder/sites.log").read_text()
    (step,) = re.findall(r"resuming the training at step (\d+)", log)
    assert int(step) % 500 != 0  # saved when it was asked to, between two checkpoints
    model = "results/toy/representation/sites_autoencoder.keras"
    assert load_weights(story.first.folder / model) == load_weights(toy_run.folder / model)


def test_an_interrupted_driver_cancels_its_jobs_and_the_training_resumes(story: Story):
    assert story.interrupted == "CANCELLED"
    assert story.states("train_generator_wildcards_dcgan") == ["CANCELLED", "COMPLETED"]
    log = (story.second.folder / "results/toy/logs/train_generator/dcgan.log").read_text()
    assert "resuming the training at step" in log


def test_the_jobs_of_a_killed_driver_are_found_and_cancelled_with_the_documented_command(story: Story):
    assert story.left_behind == "RUNNING"
    assert story.cleaned == "CANCELLED"
    assert story.states("relax_candidates_wildcards_dcgan_000") == ["CANCELLED", "COMPLETED"]


@pytest.mark.parametrize("rule", ["substitute_elements", "collect_database", "split_crystals"])
def test_a_job_that_no_fault_met_is_submitted_once(story: Story, rule: str):
    assert story.states(rule) == ["COMPLETED"]
