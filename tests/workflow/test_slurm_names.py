"""Names of a cluster reach sbatch as they are written in site.yaml, and Snakemake may itself be a job."""

import itertools
import shlex
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.cli import parse_set_resources
from snakemake.iocontainers import Wildcards
from snakemake.profiles import ProfileConfigFileParser
from snakemake.resources import Resources

from tests.conftest import ROOT, TOY
from tests.support.slurm_cluster import SlurmCluster
from tests.support.slurm_workflow import ClusterWorkflow

TARGET = "results/toy/database/prototypes.csv"
EXPRESSIONS = [
    "2024-31",
    "all",
    "open",
    "input",
    "threads",
    "1e3",
    "0x1F",
    "a*b",
    "[]",
    "1_000",
    "max(1, 2)",
    "a-b",
    "lookup",
]
TEXTS = [
    "None",
    "lambda",
    "not-a",
    "gpu-all",
    "all-gpu",
    "umlaut-ä",
    "007",
    "True",
    "no",
    "2024-01-31",
    "12:30:45",
    "1.50",
    "o'brien",
    'quo"ted',
    "$HOME",
    "~user",
    "back\\slash",
]


def profile(site: Path, patch: pytest.MonkeyPatch) -> dict:
    """Return the options that the Slurm profile gives Snakemake."""
    patch.setenv("CCDCGAN_SITE", str(site))
    with open(ROOT / "profiles/slurm/config.yaml", encoding="utf-8") as stream:
        return ProfileConfigFileParser().parse(stream)


def evaluated(resources: Resources, name: str) -> object:
    """Return a resource of a job as Snakemake computes it."""
    return resources[name].evaluate(Wildcards(), input=[], attempt=1, threads=1, rulename="r", async_run=None).value


def names_of(site: Path, patch: pytest.MonkeyPatch) -> list[object]:
    """Return account, partitions for processors and GPUs, QOS and model of GPUs that jobs request."""
    options = profile(site, patch)
    default = Resources.parse(options["default-resources"], allow_expressions=True)
    training = parse_set_resources(options["set-resources"])["train_generator"]
    return [
        *(evaluated(default, name) for name in ("slurm_account", "slurm_partition")),
        evaluated(training, "slurm_partition"),
        evaluated(default, "qos"),
        evaluated(training, "gpu_model"),
    ]


@pytest.mark.parametrize("name", [*EXPRESSIONS, *TEXTS])
def test_a_name_in_quotation_marks_is_requested_as_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    site = tmp_path / "site.yaml"
    text = {"account": name, "partitions": {"cpu": name, "gpu": name}, "qos": name, "gpu_model": name}
    site.write_text(yaml.safe_dump(text | {"training": {"gpus": 1}}))
    assert names_of(site, monkeypatch) == [name] * 5


@pytest.mark.parametrize(
    "name", ["2024-31", "all", "007", "True", "no", "2024-01-31", "1_000", "0x1F", "1.50", "12:30:45"]
)
def test_a_name_without_quotation_marks_is_requested_as_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    site = tmp_path / "site.yaml"
    text = f"account: {name}\nqos: {name}\ngpu_model: {name}\npartitions: {{cpu: {name}, gpu: {name}}}\n"
    site.write_text(f"{text}training: {{gpus: 1}}\n")
    assert names_of(site, monkeypatch) == [name] * 5


@settings(max_examples=100, deadline=None)
@given(name=st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=12))
def test_any_name_is_requested_as_it_is(name: str, tmp_path_factory: pytest.TempPathFactory):
    site = tmp_path_factory.mktemp("site") / "site.yaml"
    site.write_text(yaml.safe_dump({"account": name}))
    with pytest.MonkeyPatch.context() as patch:
        options = profile(site, patch)
    assert evaluated(Resources.parse(options["default-resources"], allow_expressions=True), "slurm_account") == name


def test_names_that_are_null_are_not_requested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    site = tmp_path / "site.yaml"
    site.write_text("account: null\nqos:\npartitions: {cpu: ~, gpu: gpu}\n")
    assert profile(site, monkeypatch)["default-resources"] == ["slurm_extra='--signal=TERM@120'"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("account: [a, b]", r"account is \['a', 'b'\]; it must be one name or null"),
        ("partitions: gpu", "partitions is 'gpu'; write partitions: {cpu: NAME, gpu: NAME}"),
        ("partitions: {gpu: {a100: 1}}", "it must be one name or null"),
        ("partition: gpu", "partition is unknown"),
    ],
)
def test_what_is_not_a_name_is_refused(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    site = tmp_path / "site.yaml"
    site.write_text(text)
    with pytest.raises(Exception, match=said):
        profile(site, monkeypatch)


@pytest.mark.slurm
def test_names_reach_a_real_slurm(tmp_path: Path, slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch):
    site = tmp_path / "site.yaml"
    site.write_text("account: 2024-31\npartitions: {cpu: all, gpu: null}\ntraining: {gpus: 0, cores: 1}\n")
    monkeypatch.setenv("CCDCGAN_SITE", str(site))
    workflow = ClusterWorkflow(tmp_path)
    workflow.finish(workflow.start(TARGET))
    job = slurm.jobs()[-1]
    assert (job["account"], job["partition"], job["state"]) == ("2024-31", "all", "COMPLETED")


@pytest.mark.slurm
def test_snakemake_is_itself_a_job(tmp_path: Path, slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch):
    """Its jobs have the names of the site, two more that look like an expression and a number."""
    site = tmp_path / "site.yaml"
    site.write_text('account: open\npartitions: {cpu: "007", gpu: gpu}\ntraining: {gpus: 0, cores: 1}\n')
    monkeypatch.setenv("CCDCGAN_SITE", str(site))
    workflow = ClusterWorkflow(tmp_path)
    before = len(slurm.jobs())
    script = tmp_path / "job.sh"
    command = [*workflow.command(TARGET), "--cores", "1"]  # the driver has a core of its own
    script.write_text(f"#!/bin/bash\n{shlex.join(command)}\n")
    said = slurm.ask(
        "sbatch",
        "--wait",
        "--cpus-per-task=1",
        "--mem=1000",
        "--time=10",
        f"--output={tmp_path}/said.txt",
        script,
    )
    assert (tmp_path / TARGET).exists(), f"{said}\n{(tmp_path / 'said.txt').read_text()[-3000:]}"
    jobs = slurm.jobs()[before:]
    assert [job["state"] for job in jobs] == ["COMPLETED", "COMPLETED"]
    assert (jobs[1]["account"], jobs[1]["partition"]) == ("open", "007")


@pytest.mark.slurm
def test_a_run_on_one_machine_inside_a_job_uses_what_the_job_was_given(tmp_path: Path, slurm: SlurmCluster):
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    said, script = tmp_path / "said.txt", tmp_path / "job.sh"
    script.write_text(f"#!/bin/bash\n{shlex.join([*command, TARGET, *TOY])}\n")
    slurm.ask("sbatch", "--wait", "--cpus-per-task=1", "--mem=3000", "--time=10", f"--output={said}", str(script))
    assert (tmp_path / TARGET).exists(), said.read_text()[-3000:]
    assert "Provided cores: 1 " in said.read_text()
    assert 'Resource("mem_mb", 2700)' in said.read_text()


@pytest.mark.slurm
def test_a_job_does_not_use_a_configuration_that_changed_after_the_start(
    tmp_path: Path, slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch
):
    site = tmp_path / "site.yaml"
    site.write_text("partitions: {cpu: cpu, gpu: gpu}\ntraining: {gpus: 0, cores: 1}\n")
    monkeypatch.setenv("CCDCGAN_SITE", str(site))
    workflow = ClusterWorkflow(tmp_path)
    driver = workflow.start("results/toy/database/substituted.csv")
    workflow.wait_for(driver, (tmp_path / "results/toy/logs/build_prototypes.json").exists)
    (tmp_path / "limits.yaml").write_text("job_limits: {runtime: 30}\nseed: 2\n")
    assert driver.wait(timeout=300) != 0
    assert (tmp_path / TARGET).exists()
    assert not (tmp_path / "results/toy/database/substituted.csv").exists()
    logs = [path.read_text() for path in (tmp_path / ".snakemake/slurm_logs/rule_substitute_elements").glob("*.log")]
    assert logs
    assert all("a configuration file changed after the run had started" in log for log in logs)


@pytest.mark.parametrize(
    ("given", "cores", "memory"),
    [
        ({"SLURM_CPUS_ON_NODE": "3", "SLURM_MEM_PER_NODE": "10000"}, 3, 9000),
        ({"SLURM_CPUS_ON_NODE": "2", "SLURM_MEM_PER_CPU": "2000"}, 2, 3600),
    ],
)
def test_the_share_of_a_job_is_read_from_its_environment(given, cores, memory, monkeypatch: pytest.MonkeyPatch):
    for name, value in itertools.chain(given.items(), [("SLURM_JOB_ID", "1")]):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    monkeypatch.setattr(sys, "argv", ["snakemake"])
    with open(ROOT / "profiles/default/config.yaml", encoding="utf-8") as stream:
        options = ProfileConfigFileParser().parse(stream)
    assert options["cores"] == str(cores)
    assert options["resources"] == [f"mem_mb={memory}"]
