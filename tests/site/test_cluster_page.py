"""The worked example of docs/cluster.md is valid for the profile and the configuration, and requests what it states."""

import re
from pathlib import Path

import pytest
import yaml
from snakemake.profiles import ProfileConfigFileParser

from tests.conftest import ROOT, Workflow

SITE, CONFIGURATION = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/cluster.md").read_text(), re.DOTALL)[:2]
PROFILE = ROOT / "profiles/slurm/config.yaml"


def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: str) -> dict:
    """Return what Snakemake reads from the profile with this site's file."""
    path = tmp_path / "site.yaml"
    path.write_text(site)
    monkeypatch.setenv("CCDCGAN_SITE", str(path))
    with PROFILE.open() as stream:
        return ProfileConfigFileParser().parse(stream)


def asked(read: dict) -> dict[str, dict[str, str]]:
    """Return the resources of each rule that a profile sets."""
    resources: dict[str, dict[str, str]] = {}
    for entry in read["set-resources"]:
        rule, _, pair = entry.partition(":")
        name, _, value = pair.partition("=")
        resources.setdefault(rule, {})[name] = value.strip("'")  # quoted, so that Snakemake takes it as text
    return resources


def test_the_worked_example_requests_what_it_describes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read = profile(tmp_path, monkeypatch, SITE)
    on_gpu = {"gpu": "1", "gpu_model": "a100", "slurm_partition": "accelerated"}
    on_ranks = {"mpi": "srun", "tasks": "48", "mem_mb": "90000", "runtime": "1440"}
    learning, relaxing = names("train", "pretrain"), names("relax", "symmetrise")
    assert asked(read) == dict.fromkeys(learning, on_gpu) | dict.fromkeys(relaxing, on_ranks)
    defaults = {entry.replace("'", "") for entry in read["default-resources"]}
    assert {"slurm_account=materials-design", "slurm_partition=compute"} <= defaults
    assert read["precommand"] == "module load vasp/6.4.3 && export VASP_CMD='srun vasp_std'"
    assert "array-jobs" not in str(read)


def names(*verbs: str) -> set[str]:
    """Return the names of all rules that begin with one of these verbs."""
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = re.findall(r"^(?:use rule \w+ as|rule) (\w+)", text, re.MULTILINE)
    return {rule for rule in rules if rule.startswith(tuple(f"{verb}_" for verb in verbs))}


def test_the_worked_example_s_configuration_plans(workflow: Workflow):
    configuration = workflow.folder / "big.yaml"
    configuration.write_text(CONFIGURATION)
    planned = workflow.planned("--configfile", configuration)
    assert planned["relax_database"] == 500


def test_the_example_of_a_site_names_what_the_profile_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    example = (ROOT / "profiles/slurm/site.example.yaml").read_text()
    assert profile(tmp_path, monkeypatch, example)["executor"] == "slurm"
    assert set(yaml.safe_load(SITE)) <= set(yaml.safe_load(example))
    with pytest.raises(Exception, match="acount is unknown"):
        profile(tmp_path, monkeypatch, "acount: mine\n")
