"""Provenance of a run: versions and machine, without names or paths of the user."""

import os
import platform
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    models = [_entry(path, "Model") for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]
    return {
        "processor": _entry(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "gpu": ", ".join(models),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _entry(path: Path, name: str) -> str:
    """Return the first value of ``name`` in a file of lines "name : value"; "" if it has none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found = (value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() == name)
    return next(found, "")
