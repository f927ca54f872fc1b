"""The workflow on a Slurm with accounting: jobs are followed with sacct and run under the site's account.

A few jobs of each kind by default; the whole toy preset with -m slow, about three minutes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CORES, Workflow
from tests.support.slurm_cluster import ACCOUNT, SlurmCluster, missing
from tests.support.slurm_workflow import ClusterWorkflow
from tests.workflow.test_faults import copy_until

pytestmark = pytest.mark.slurm

SITE = f"""
account: {ACCOUNT}
accounting: true
partitions: {{cpu: cpu, gpu: gpu}}
training: {{gpus: 1, cores: {CORES}}}
generation: {{gpus: 1}}
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A Slurm with accounting, and the site's file found through the environment."""
    if missing(accounting=True):
        pytest.skip(missing(accounting=True))
    site = tmp_path_factory.mktemp("site") / "site.yaml"
    site.write_text(SITE)
    with (
        SlurmCluster(tmp_path_factory.mktemp("slurm"), accounting=True) as cluster,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("CCDCGAN_SITE", str(site))
        yield cluster


def accounted(slurm: SlurmCluster, first: int) -> list[dict[str, str]]:
    """Return what sacct knows of all jobs from number ``first``."""
    names = ("JobID", "State", "Partition", "Account", "AllocTRES", "Comment")
    lines = slurm.ask("sacct", "-X", "--noheader", "--parsable2", f"--format={','.join(names)}").splitlines()
    jobs = [dict(zip(names, line.split("|"), strict=True)) for line in lines]
    return [job for job in jobs if int(job["JobID"]) >= first]


def next_job(slurm: SlurmCluster) -> int:
    """Return a number that no job has had yet."""
    return 1 + max((int(job["id"]) for job in slurm.jobs()), default=0)


def test_jobs_are_followed_and_accounted_for(tmp_path: Path, slurm: SlurmCluster, toy_run: Workflow):
    workflow, first = ClusterWorkflow(tmp_path), next_job(slurm)
    copy_until(workflow, toy_run, "database")
    database = workflow.folder / "results/toy/database"
    for path in [*database.glob("relaxed/000*"), *database.glob("journal/000*"), *database.glob("database*")]:
        path.unlink()
    history = "results/toy/representation/lattice_history.csv"
    workflow.finish(workflow.start(history))
    for name in ("results/toy/database/database.csv", history):
        assert (workflow.folder / name).read_bytes() == (toy_run.folder / name).read_bytes()
    jobs = accounted(slurm, first)
    assert {job["Account"] for job in jobs} == {ACCOUNT}
    training = [job for job in jobs if "train_autoencoder" in job["Comment"]]
    assert [(job["Partition"], "gres/gpu=1" in job["AllocTRES"]) for job in training] == [("gpu", True)]
    assert {job["Partition"] for job in jobs if job not in training} == {"cpu"}
    assert [job["State"] for job in jobs] == ["COMPLETED"] * 4


@pytest.mark.slow
def test_the_whole_run_has_the_tables_of_one_machine(tmp_path: Path, slurm: SlurmCluster, toy_run: Workflow):
    workflow, first = ClusterWorkflow(tmp_path), next_job(slurm)
    workflow.finish(workflow.start())
    tables, expected = workflow.tables(), ClusterWorkflow(toy_run.folder).tables()
    assert set(tables) == set(expected)
    assert {name for name in expected if tables[name] != expected[name]} == set()
    assert {job["State"] for job in accounted(slurm, first)} == {"COMPLETED"}
