"""What a run was made with: versions and machine, without any name or path of the user's."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

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


def describe_machine() -> str:
    """Return system, processor architecture and number of processors."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
