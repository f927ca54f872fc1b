"""Provenance of a run: versions and machine, without names or paths of the user."""

import platform
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ccdcgan.utils.machine import gpu_models, memory_bytes, processor_name, usable_cores

PACKAGES = (
    "snakemake",
    "tensorflow",
    "keras",
    "torch",
    "sevenn",
    "pymatgen",
    "ase",
    "atomate2",
    "numpy",
    "scipy",
    "scikit-learn",
    "phonopy",
    "gpaw",
)


def describe_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape results; absent ones are left out."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # a rule's own environment need not have them all
            continue
    return versions


def describe_checkout(folder: str | Path) -> str:
    """Return the version of the workflow in a folder: that of ``pyproject.toml``, and the commit if it is known.

    A commit is followed by "-dirty" if files differ from it.
    """
    project = tomllib.loads((Path(folder) / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):  # not installed, or a slow file system
        return project
    return (
        f"{project} ({done.stdout.strip()})" if done.returncode == 0 and (Path(folder) / ".git").exists() else project
    )


def describe_machine() -> dict[str, str | int]:
    """Return what a job runs on: ``processor``, ``cores``, ``memory`` (GB), ``gpu`` and ``system``.

    cores: those this job may use; gpu: models of NVIDIA's, separated by commas, "" if there is none.
    """
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "memory": round(memory_bytes() / 1e9),
        "gpu": ", ".join(gpu_models()),
        "system": f"{platform.system()} {platform.machine()}",
    }
