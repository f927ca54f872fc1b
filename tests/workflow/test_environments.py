"""Each conda environment and container contains exactly the packages that its rules import, in the pinned versions."""

import os
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT, TOY, Workflow
from tests.support.imports import OWN, imported_by_scripts

ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
NOT_IMPORTED = {"emmet-core": "atomate2 0.1.5 needs this version", "pyarrow": "pandas writes Parquet with it"}
OPTIONAL = {"gpaw", "torch_sim"}
"""What `make gpaw` and `make gpu` add."""


def pins() -> dict[str, str]:
    """Return the version of every package in requirements.txt."""
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in requirements("requirements.txt")}


def requirements(file: str) -> list[Requirement]:
    """Return the pins of a requirements file."""
    lines = (ROOT / file).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def packages(environment: str) -> dict[str, str]:
    """Return the packages of an environment file and their versions."""
    entries = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"]
    names = [entry for entry in entries if isinstance(entry, str)]
    names += [package for entry in entries if isinstance(entry, dict) for package in entry["pip"]]
    pairs = (re.sub(r"\[.*\]", "", name).replace("==", "=").partition("=") for name in names)
    return {name.lower(): version for name, _, version in pairs if name not in ("python", "pip")}


def scripts(environment: str) -> list[str]:
    """Return the scripts of the rules that name this environment."""
    found, current = set(), ""
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:
        for kind, name in re.findall(r'"(?:\.\./)?(envs|workflow_scripts)/(\w+)\.(?:yaml|py)"', path.read_text()):
            if kind == "envs":
                current = name
            elif current == environment:
                found.add(name)
    return sorted(found)


def needed(environment: str) -> tuple[set[str], set[str]]:
    """Return the packages that an environment's scripts import at once, and all that they may import."""
    answers = []
    for late in (False, True):
        names = {name.split(".")[0] for name in imported_by_scripts(scripts(environment), late)}
        answers.append({package_of(name) for name in names - sys.stdlib_module_names - set(OWN)})
    return answers[0], answers[1]


@cache
def package_of(module: str) -> str:
    """Return the package that a module is installed with."""
    if module == "pymatgen":  # a namespace that several packages share
        return module
    return packages_distributions().get(module, [module])[0].lower()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_complete_and_no_larger(environment: str):
    at_once, at_most = needed(environment)
    assert scripts(environment)
    assert at_once - set(packages(environment)) == set()
    assert set(packages(environment)) - at_most - set(NOT_IMPORTED) == set()


@pytest.mark.parametrize("environment", sorted({"learning", "relaxation", "report", "sources"} & set(ENVIRONMENTS)))
def test_what_is_imported_late_is_there_too(environment: str):
    _, at_most = needed(environment)
    assert at_most - set(packages(environment)) - OPTIONAL == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_agrees_with_the_pins(environment: str):
    for name, version in packages(environment).items():
        assert pins()[name] == version, name


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_has_exact_versions_and_no_address_or_path(file: str):
    for line in (ROOT / file).read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[\w.!]+( ; [^/@]+)?", line), line
    assert not re.search(r"://|(^|\s)-|/", re.sub(r"^#.*", "", (ROOT / file).read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        ("requirements.txt", PROJECT["project"]["dependencies"]),
        ("requirements-dev.txt", [name for group in PROJECT["dependency-groups"].values() for name in group]),
    ],
)
def test_a_lock_has_what_the_project_asks_for(file: str, asked: list[str]):
    """If this fails, `make lock` has not been run after a change of pyproject.toml."""
    pinned = {(pin.name, str(pin.specifier)) for name in ("requirements.txt", file) for pin in requirements(name)}
    for requirement in map(Requirement, asked):
        assert (canonicalize_name(requirement.name), str(requirement.specifier)) in pinned


def test_what_tests_and_documentation_need_is_not_installed_for_a_run():
    run, dev = ({pin.name for pin in requirements(f"requirements{kind}.txt")} for kind in ("", "-dev"))
    assert run & dev == set()
    assert {"pytest", "mkdocs-material", "ruff", "snakefmt", "pymdown-extensions"} <= dev


@pytest.mark.parametrize("version", ["3.11.0", "3.11.2", "3.11.7", "3.12.0", "3.13.0"])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_package_has_one_version_for_a_version_of_python(version: str, platform: str):
    environment = {"python_full_version": version, "python_version": version[:4], "sys_platform": platform}
    pinned = requirements("requirements.txt") + requirements("requirements-dev.txt")
    here = [pin.name for pin in pinned if pin.marker is None or pin.marker.evaluate(environment)]
    assert sorted(set(here)) == sorted(here)
    missing = {pin.name for pin in pinned} - set(here)
    assert missing <= ({"greenlet"} if platform == "darwin" else set())


def test_no_package_of_the_cuda_build_is_pinned():
    """torch brings them, if it is the CUDA build; a processor-only build must not."""
    assert [pin.name for pin in requirements("requirements.txt") if re.match("nvidia|cuda|triton", pin.name)] == []


def test_the_environment_of_conda_has_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert python == f"python{PROJECT['project']['requires-python']}" and pip == "pip"
    assert [Requirement(line) for line in packages["pip"]] == requirements("requirements.txt")


def test_every_file_names_the_same_versions_of_python():
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.14"
    assert PROJECT["tool"]["ruff"]["target-version"] == "py311"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (ROOT / "envs/install.sh").read_text()
    for page in ("README.md", "docs/tutorials/first-run.md", "docs/cluster.md"):
        assert "Python 3.11, 3.12 or 3.13" in (ROOT / page).read_text(), page


def test_both_containers_hold_the_workflow_and_its_python():
    docker, apptainer = (ROOT / "Dockerfile").read_text(), (ROOT / "apptainer.def").read_text()
    copied = set(re.findall(r"^COPY (.+) /opt", docker, re.MULTILINE))
    copied = {name for names in copied for name in names.split()}
    listed = set(re.findall(r"^    (\S+) /opt/ccdcgan/\1$", apptainer, re.MULTILINE))
    assert copied == listed
    assert copied == {"requirements.txt", "Snakefile", "config.yaml"} | set(
        ("rules", "schemas", "envs", "presets", "profiles", "report", "workflow_scripts")
    )
    for text in (docker, apptainer):
        assert re.search(r"^From:? python:3\.11-slim", text, re.MULTILINE | re.IGNORECASE)
        assert "pip install --no-cache-dir --disable-pip-version-check --requirement" in text
    assert re.search(r"^USER (?!root)", docker, re.MULTILINE)


def test_jobs_run_in_the_image_that_is_documented(workflow: Workflow, monkeypatch: pytest.MonkeyPatch):
    """A stand-in for apptainer that notes what it is asked, and runs it outside of any container."""
    programs = workflow.folder / "programs"
    programs.mkdir()
    program = programs / "apptainer"
    program.write_text(
        '#!/bin/bash\nif [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit; fi\n'
        f'echo "$@" >> {workflow.folder}/asked.txt\nexec "${{@: -3:1}}" "${{@: -2:1}}" "${{@: -1}}"\n'
    )
    program.chmod(0o755)
    (programs / "singularity").symlink_to(program)
    (workflow.folder / "ccdcgan.sif").touch()
    monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    target = "results/toy/database/prototypes.csv"
    workflow.run(target, "--cores", "1", "--sdm", "apptainer", "--apptainer-args=--nv", *TOY)
    assert (workflow.folder / target).exists()
    asked = (workflow.folder / "asked.txt").read_text()
    assert asked.startswith("exec ") and " --nv" in asked and " ccdcgan.sif " in asked
