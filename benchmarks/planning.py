"""Time and memory that Snakemake needs to plan a run of the size of Long et al., and its number of jobs.

    python benchmarks/planning.py

The benchmark makes two dry runs in an empty folder. The first has 10,981 structures in batches and 1,000,000 samples of
each scheme. The second has one job per structure, as with VASP.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STRUCTURES = 10_981
SAMPLES = {"samples": 1_000_000, "shard_size": 5_000}
ABSENT = {"command": "true", "potcar_spec": True}  # planning does not need VASP, but the check before a run does
PLANS = {
    "in batches": {
        "relaxation": {"jobs": 220, "vasp": ABSENT},
        "generation": SAMPLES,
        "evaluation": {"jobs": 100},
    },
    "one structure per job": {
        "relaxation": {"jobs": STRUCTURES, "vasp": ABSENT},
        "generation": SAMPLES,
        "evaluation": {"jobs": 6_800},
    },
}


def plan(settings: dict[str, dict], folder: Path) -> tuple[int, float, float, float]:
    """Return the number of jobs, wall-clock time (s), CPU time (s) and peak memory (MB) of a dry run.

    A separate small process starts the dry run, because on Linux the peak memory of a process includes that of its
    parent at the start.

    Args:
        settings: Section of the configuration -> changed keys.
        folder: Empty folder to run in.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_plan, settings, folder).result()


def _plan(settings: dict[str, dict], folder: Path) -> tuple[int, float, float, float]:
    override = folder / "override.yaml"
    override.write_text("\n".join(f"{section}: {values}" for section, values in settings.items()))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    configs = [str(ROOT / "presets/paper.yaml"), str(override)]
    start = time.monotonic()
    with subprocess.Popen(
        [*command, "--dry-run", "--quiet", "rules", "--configfile", *configs], stdout=subprocess.PIPE, text=True
    ) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(output[-3000:])
    jobs = int(re.findall(r"^total\s+(\d+)", output, re.MULTILINE)[0])
    return jobs, time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    for name, settings in PLANS.items():
        with tempfile.TemporaryDirectory() as folder:
            jobs, seconds, processor, memory = plan(settings, Path(folder))
        print(f"{name}: {jobs} jobs planned in {seconds:.1f} s (CPU time {processor:.1f} s), {memory:.0f} MB")
