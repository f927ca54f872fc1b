"""Each conda environment and container contains exactly the packages that its rules import, in the pinned versions."""

import ast
import os
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, TOY, Workflow

SCRIPTS = ROOT / "workflow_scripts"
OWN = ("ccdcgan", "ccdcgan_workflow")
ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
NOT_IMPORTED = {"emmet-core": "atomate2 0.1.5 needs this version", "pyarrow": "pandas writes Parquet with it"}
OPTIONAL = {"gpaw"}
"""What `make gpaw` adds."""


def pins() -> dict[str, str]:
    """Return the version of every package in requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return dict(line.strip().lower().split("==") for line in lines if "==" in line)


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


@cache
def imported(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the modules that a file imports when it is loaded, and those that it imports inside functions."""
    outside, inside = set(), set()

    def visit(node: ast.AST, into: set[str]) -> None:
        if isinstance(node, ast.ImportFrom) and node.module:
            into.update({node.module}, (f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            into.update(alias.name for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child, inside if isinstance(node, ast.FunctionDef) else into)

    visit(ast.parse(path.read_text(encoding="utf-8")), outside)
    return frozenset(outside), frozenset(inside)


def needed(environment: str) -> tuple[set[str], set[str]]:
    """Return the packages that an environment's scripts import at once, and all that they may import."""
    answers = []
    for deep in (False, True):
        waiting, seen, names = [SCRIPTS / f"{script}.py" for script in scripts(environment)], set(), set()
        while waiting:
            path = waiting.pop()
            seen.add(path)
            outside, inside = imported(path)
            for module in outside | inside if deep else outside:
                if module.split(".")[0] not in OWN:
                    names.add(module.split(".")[0])
                    continue
                base = SCRIPTS.joinpath(*module.split("."))
                files = (base.with_suffix(".py"), base / "__init__.py")
                waiting += [file for file in files if file.is_file() and file not in seen]
        answers.append({package_of(name) for name in names - sys.stdlib_module_names})
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
