"""Pin every package that pyproject.toml asks for, directly or indirectly: what `make lock` runs.

It writes ``requirements.txt`` (what a run needs), ``requirements-dev.txt`` (what tests and documentation need in
addition) and ``environment.yml`` (the pins of a run for conda and mamba). Pinned versions are kept as long as they
satisfy pyproject.toml; ``--upgrade`` takes the newest versions, ``--upgrade-package NAME`` that of one package.
"""

import re
import subprocess
import sys
import tomllib
from itertools import product
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent

VERSIONS = ("3.11.0", "3.11.4", "3.11.5", "3.12.0", "3.13.0")
"""Python versions that the lock is made for; of each minor version the first release is the most demanding."""

MACHINES = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
"""Platforms that the lock is made for: sys_platform, platform_system and platform_machine."""

BROUGHT_BY_TORCH = re.compile(r"(nvidia|cuda)-|triton==")
"""Packages of the CUDA build of torch. That build brings the versions it needs; a processor-only build needs none."""

RUN_HEADER = """\
# What a run needs, at exact versions, for Python {python}. Written by `make lock` from pyproject.toml; do not edit.
# The CUDA build of torch brings its own CUDA packages; they are not listed, so that a processor-only build
# of the same version (2.13.0+cpu matches 2.13.0) installs without them.
"""

DEV_HEADER = """\
# What tests, linters and documentation need in addition to requirements.txt. Written by `make lock`; do not edit.
"""

CONDA_HEADER = """\
# For conda and mamba: Python from conda-forge, the packages of requirements.txt with pip. Written by `make lock`.
#   mamba env create --file environment.yml && mamba activate ccdcgan && snakemake --cores all
name: ccdcgan
channels: [conda-forge]
dependencies:
  - python{python}
  - pip
  - pip:
"""


def environments() -> list[dict[str, str]]:
    """Return the values of all markers for each supported combination of Python version and platform."""
    return [
        {
            "python_full_version": version,
            "python_version": version.rpartition(".")[0],
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": platform,
            "platform_system": system,
            "platform_machine": machine,
        }
        for version, (platform, system, machine) in product(VERSIONS, MACHINES)
    ]


def simplified(line: str) -> str | None:
    """Return a pin with a short marker; None if it holds nowhere or torch brings the package."""
    pin, _, marker = (part.strip() for part in line.partition(" ; "))
    holds = where(marker) if marker else [True]
    if BROUGHT_BY_TORCH.match(pin) or not any(holds):
        return None
    if all(holds):
        return pin
    systems = (f"sys_platform == '{system}'" for system in ("linux", "darwin"))
    return f"{pin} ; {next((system for system in systems if where(system) == holds), marker)}"


def where(marker: str) -> list[bool]:
    """Return in which of the supported environments a marker holds."""
    return [Marker(marker).evaluate(environment) for environment in environments()]


def compiled(uv: str, options: list[str], pinned: list[str]) -> list[str]:
    """Resolve with uv for all versions and platforms at once and return the pins, one a line.

    Args:
        uv: The program.
        options: What to resolve, and options of `uv pip compile`.
        pinned: Pins to keep where they satisfy what is asked for.
    """
    output = ROOT / ".snakemake/lock.txt"
    output.parent.mkdir(exist_ok=True)
    output.write_text("\n".join(pinned) + "\n")
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", VERSIONS[0], "--no-header"]
    command += ["--no-annotate", "--no-emit-index-url", "--output-file", str(output), *options]
    subprocess.run(command, check=True, cwd=ROOT)
    lines = [simplified(line) for line in output.read_text().splitlines()]
    output.unlink()
    return [line for line in lines if line]


def pins(path: Path) -> list[str]:
    """Return the pins of a requirements file, one a line; none if it does not exist."""
    return [line for line in path.read_text().splitlines() if "==" in line] if path.exists() else []


def main(uv: str, *options: str) -> None:
    """Write the three files."""
    run, dev = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    needed = compiled(uv, ["pyproject.toml", *options], pins(run))
    run.write_text(RUN_HEADER.format(python=python) + "\n".join(needed) + "\n")
    groups = ["--group", "test", "--group", "docs", "--constraints", str(run)]
    everything = compiled(uv, ["pyproject.toml", *groups, *options], needed + pins(dev))
    dev.write_text(DEV_HEADER + "\n".join(line for line in everything if line not in needed) + "\n")
    entries = [f'      - "{line}"' if ";" in line else f"      - {line}" for line in needed]
    (ROOT / "environment.yml").write_text(CONDA_HEADER.format(python=python) + "\n".join(entries) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
