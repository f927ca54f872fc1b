"""Common errors of new users are reported in one sentence, before anything is computed and without a traceback.

test_configuration.py tests a misspelt key, and test_faults.py two simultaneous runs.
"""

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.configuration import KNOWN_ELEMENTS, check_configuration
from ccdcgan_workflow.jobs import failure_in_words
from tests.conftest import ROOT, TOY, Workflow
from tests.workflow.test_configuration import SCHEMA, changed

PROTOTYPES = "results/toy/database/prototypes.csv"


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run make in the checkout, stdout and stderr in one text."""
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_wrong_python(tmp_path: Path):
    python = tmp_path / "python3.9"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\nexit 1\n')
    python.chmod(0o755)
    done = make("run", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "is Python 3.9.2, but the workflow needs Python 3.11, 3.12 or 3.13" in done.stdout
    assert "make environment PYTHON=/path/to/python3.12" in done.stdout
    assert not (tmp_path / "venv").exists()


def test_no_python(tmp_path: Path):
    done = make("run", f"PYTHON={tmp_path / 'python3.11'}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "is not there; give the path of Python 3.11, 3.12 or 3.13" in done.stdout


def found(folder: Path, **pythons: str) -> dict[str, str]:
    """Return an environment in which only these Pythons are found: name -> version, or "stub" for one that fails.

    They answer the questions of envs/install.sh and note the environment that they are asked to make.
    """
    for tool in ("sh", "sed", "grep", "env", "uname", "rm", "touch", "mkdir"):
        (folder / tool).symlink_to(shutil.which(tool))
    for name, version in pythons.items():
        pretend = f"import sys; sys.version_info = ({version.replace('.', ', ')}); exec(sys.argv[1])"
        answers = [
            f'[ "$1" = -m ] && echo "{name} $*" > {folder}/asked && exit 1',
            f'[ "$1" = --version ] && echo "Python {version}" && exit 0',
            f'exec {sys.executable} -c "{pretend}" "$2"',
        ]
        body = "exit 127" if version == "stub" else "\n".join(answers)
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder), "HOME": str(folder)}


def install(folder: Path, environment: dict[str, str]) -> str:
    """Return what the installation says, without the variables of this process."""
    command = ["/bin/sh", str(ROOT / "envs/install.sh"), str(folder / "venv"), "requirements.txt"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        ({"python3": "3.11.2"}, "python3"),
        ({"python3": "3.9.2", "python3.12": "3.12.1"}, "python3.12"),
        ({"python3": "3.14.0", "python3.11": "3.11.0", "python3.13": "3.13.0"}, "python3.13"),
        ({"python3": "3.11.7", "python3.12": "stub", "python3.13": "stub"}, "python3"),
    ],
)
def test_the_newest_suitable_python_is_taken(pythons: dict[str, str], chosen: str, tmp_path: Path):
    assert "could not be made" in install(tmp_path, found(tmp_path, **pythons))
    assert (tmp_path / "asked").read_text() == f"{chosen} -m venv {tmp_path / 'venv'}\n"


@pytest.mark.parametrize(
    ("pythons", "said"),
    [
        ({"python3": "3.9.2"}, "Python 3.11, 3.12 or 3.13 is needed, and Python 3.9.2 was found; install one"),
        ({"python3": "3.14.0"}, "and Python 3.14.0 was found"),
        ({}, "and none was found"),
    ],
)
def test_no_suitable_python(pythons: dict[str, str], said: str, tmp_path: Path):
    assert said in install(tmp_path, found(tmp_path, **pythons))
    assert not (tmp_path / "venv").exists()


def test_make_alone_lists_every_target():
    done = make()
    assert done.returncode == 0
    targets = make("no-such-target").stdout.partition("(")[2].partition(")")[0].split()
    assert {"run", "test", "check", "lock", "docs"} <= set(targets)
    assert set(re.findall(r"^  ([a-z-]+) +\w", done.stdout, re.MULTILINE)) == set(targets)


def test_make_check_needs_a_file():
    assert "make check FILE=my.yaml" in make("check").stdout


def test_no_network_at_install(tmp_path: Path):
    nowhere = "http://127.0.0.1:9/simple"
    options = {"PIP_RETRIES": "0", "PIP_TIMEOUT": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    done = make("environment", f"PYTHON={sys.executable}", f"VENV={tmp_path}/venv", PIP_INDEX_URL=nowhere, **options)
    assert done.returncode != 0
    assert "The packages could not be installed" in done.stdout
    assert "start the same command again" in done.stdout
    assert not (tmp_path / "venv/ready").exists()  # so the installation is taken up again


def test_no_compiler(tmp_path: Path):
    """Only the extra engine gpaw compiles anything; all else comes as wheels."""
    ready = tmp_path / "ready"
    ready.touch()  # as after make environment
    done = make("gpaw", "CC=no-such-compiler", f"READY={ready}")
    assert done.returncode != 0
    assert "xc.h is missing; install gcc libxc-dev" in done.stdout


def test_torch_sim_needs_a_newer_python(tmp_path: Path):
    """The environment of this test only knows its version."""
    ready, python = tmp_path / "ready", tmp_path / "bin/python"
    ready.touch()
    python.parent.mkdir()
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.11.9\n')
    python.chmod(0o755)
    done = make("gpu", f"VENV={tmp_path}", f"READY={ready}")
    assert done.returncode != 0
    assert f"torch-sim needs Python 3.12 or 3.13, but {tmp_path} has Python 3.11.9" in done.stdout
    assert "make environment PYTHON=python3.12, and make gpu" in done.stdout


def test_packages_missing_from_the_python_that_runs_snakemake(workflow: Workflow, monkeypatch):
    hidden = workflow.folder / "sitecustomize.py"
    hidden.write_text("import sys\nsys.modules['ase'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(workflow.folder))
    done = workflow.run("--dry-run", check=False)
    assert done.returncode != 0
    assert f"is missing from the Python that runs Snakemake ({sys.executable})" in done.stdout
    assert "make environment" in done.stdout
    assert "Traceback" not in done.stdout


def test_folder_that_cannot_be_written_to():
    done = Workflow(Path("/sys")).run("--dry-run", check=False)  # not even root may write there
    assert done.returncode != 0
    assert "/sys/.snakemake" in done.stdout or "'.snakemake'" in done.stdout or "(.snakemake)" in done.stdout
    assert "work elsewhere (--directory FOLDER), then start the same command again." in done.stdout
    assert "Traceback" not in done.stdout


def test_full_disk_is_a_sentence():
    with pytest.raises(OSError) as caught, open("/dev/full", "w") as full:
        full.write("x")
    assert caught.value.errno == errno.ENOSPC
    text = failure_in_words(caught.value, "a.log")
    assert text == "the disk is full; free some space, then start the same command again."


def test_what_no_one_foresaw_names_the_log():
    text = failure_in_words(ValueError("surprise"), "results/x/logs/a.log")
    assert text == "failed with ValueError: surprise; the traceback is in results/x/logs/a.log"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("system", "Bi-Po", "the potential 7net-0, 7net-l3i5 was not made for Po; choose the engine vasp, e.g. relax"),
        ("system", "Am-Cm", "was not made for Am and Cm"),
        ("relaxation.engine", "classical", "the potential emt was not made for Bi and Se; it is for tests"),
    ],
)
def test_element_that_the_potential_does_not_know(key, value, text):
    with pytest.raises(InputError, match="config key system is") as caught:
        check_configuration(changed(key, value), SCHEMA)
    assert text in str(caught.value)


@pytest.mark.torch
def test_known_elements_are_those_of_the_potentials():
    import torch
    from ase.calculators.emt import parameters
    from ase.data import atomic_numbers

    from ccdcgan.relaxation.mlip import WEIGHTS, weights_path

    assert set(parameters) == KNOWN_ELEMENTS["emt"]
    for model in WEIGHTS:
        checkpoint = torch.load(weights_path(model), map_location="cpu", weights_only=False)
        assert {atomic_numbers[symbol] for symbol in KNOWN_ELEMENTS["mlip"]} == set(checkpoint["config"]["_type_map"])


def test_wrong_folder(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "No Snakefile found" in done.stdout + done.stderr


def test_old_locks_do_not_matter(workflow: Workflow):
    locks = workflow.folder / ".snakemake/locks"
    locks.mkdir(parents=True)
    for kind in ("input", "output"):
        (locks / f"0.{kind}.lock").write_text(str(workflow.folder / PROTOTYPES) + "\n")
    run_lock = workflow.folder / "results/toy/.lock"
    run_lock.parent.mkdir(parents=True)
    run_lock.write_text("1")  # of a process that was killed
    workflow.run("--cores", "1", PROTOTYPES, *TOY)
    assert (workflow.folder / PROTOTYPES).exists()


@pytest.mark.parametrize("engine", ["mlip", "vasp", "gpaw"])
def test_elements_that_cannot_run_are_refused_with_those_that_can(engine):
    config = changed("relaxation.engine", engine)
    config["system"] = "At-Lr"
    with pytest.raises(InputError, match="At and Lr.*[Tt]he elements that can be used are H, He, Li, ") as caught:
        check_configuration(config, SCHEMA)
    assert ", Po" not in str(caught.value) or engine != "mlip"


def test_noble_gases_can_run():
    check_configuration(changed("system", "Xe-F"), SCHEMA)
