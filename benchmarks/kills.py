"""Toy runs that are killed at random moments of all stages and started again, until they are complete.

    python benchmarks/kills.py --kills 100 --folder /tmp/kills

One run is left alone. The others are ended with SIGKILL, Snakemake and all its jobs at once, 3 to 90 seconds after they
have started to work, and the same command is started again. Short times are as likely as long ones: their logarithm is
distributed uniformly. At the end of every run its tables and structure sets are compared with those of the undisturbed
run, byte for byte but for the seconds that relaxations took (relax_seconds), and the journals are searched for crystals
that were relaxed more than once. About an hour on two cores. The benchmark itself resumes in the same folder.

Most of the time of a run is spent in the trainings. Some runs therefore start from finished stages of the undisturbed
run, so that the stages after the trainings are killed as often, and a run is left alone after some kills.
"""

import argparse
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
WORK = (3.0, 90.0)
"""Shortest and longest time between the start of the work and the kill, s."""

MOST = 12
"""Number of kills after which a run is left alone."""

TRAINED = ("database", "representation", "models")
STARTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (TRAINED, "all"),
    ((*TRAINED, "candidates/*/generated"), "all"),
    ((*TRAINED, "candidates"), "all"),
    ((), "database"),
    (("database",), "models"),
    ((), "all"),
)
"""What a run takes over from the undisturbed one, as patterns below its folder, and its target; the runs take turns."""


def command(folder: Path, cores: int, target: str) -> list[str]:
    """Return the command of a toy run in ``folder``."""
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", str(cores)]
    return [*snakemake, target, "--directory", str(folder), "--configfile", str(ROOT / "presets/toy.yaml")]


def tables(folder: Path) -> dict[str, bytes]:
    """Return every table and structure set of a toy run, by path, without the seconds that relaxations took."""
    results = folder / "results/toy"
    paths = [path for kind in ("csv", "extxyz") for path in results.rglob(f"*.{kind}")]
    named = {str(path.relative_to(results)): path for path in paths if "checkpoints" not in path.parts}
    return {name: re.sub(rb"relax_seconds=\S+", b"", path.read_bytes()) for name, path in named.items()}


def relaxations(folder: Path) -> Counter:
    """Return how often each relaxation of the database and of the candidates is in the journals."""
    lines = [
        (path.parent.parent.name, line)
        for path in (folder / "results/toy").glob("*/journal/*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return Counter((stage, json.loads(line)["key"]) for stage, line in lines)


def start(folder: Path, cores: int, target: str) -> subprocess.Popen:
    """Start a toy run in a process group of its own, with its output in ``folder/terminal.txt``."""
    with open(folder / "terminal.txt", "a", encoding="utf-8") as terminal:
        return subprocess.Popen(
            command(folder, cores, target), stdout=terminal, stderr=subprocess.STDOUT, start_new_session=True
        )


def wait_for_work(process: subprocess.Popen, began: float, folder: Path) -> None:
    """Wait until the run has locked its folder, which is before its first job, or has ended."""
    lock = folder / "results/toy/.lock"
    while process.poll() is None and not (lock.exists() and lock.stat().st_mtime >= began):
        time.sleep(0.05)


def kill(process: subprocess.Popen) -> list[str]:
    """Kill a run and all its jobs; return the scripts that were running."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    scripts = set()
    for member in family:
        try:
            words = member.cmdline()
        except psutil.Error:  # ended in between
            continue
        scripts |= {match[1] for word in words if (match := re.search(r"scripts/tmp\w+\.(\w+)\.py$", word))}
    os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        try:
            member.kill()
        except psutil.Error:
            continue
    process.wait()
    psutil.wait_procs(family, timeout=30)
    return sorted(scripts)


def take_over(folder: Path, undisturbed: Path, patterns: Sequence[str]) -> None:
    """Copy results of the undisturbed run, with the times of their files, into the new folder of a run."""
    if folder.exists():
        return
    results = undisturbed / "results/toy"
    found = [path for pattern in patterns for path in results.glob(pattern)]
    for path in [undisturbed / ".snakemake", *found] if found else ():
        copy = folder / path.relative_to(undisturbed)
        copy.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(path), str(copy)], check=True)


def killed_run(folder: Path, cores: int, target: str, chance: random.Random, most: float) -> list[str]:
    """Kill and resume one toy run until it is complete; return what was running at each kill, as in its kills.txt.

    Args:
        folder: Folder of the run.
        cores: Number of cores.
        target: Target of the run.
        chance: Source of the random moments.
        most: Number of kills after which the run is left alone.

    Raises:
        RuntimeError: The run failed without having been killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "kills.txt"
    while True:
        killed = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
        began = time.time()
        process = start(folder, cores, target)
        wait_for_work(process, began, folder)
        try:
            code = process.wait(math.exp(chance.uniform(*map(math.log, WORK))) if len(killed) < most else None)
        except subprocess.TimeoutExpired:
            running = ", ".join(kill(process)) or "no job"
            with open(table, "a", encoding="utf-8") as lines:
                lines.write(f"{running}\n")
            print(f"{folder.name}: kill {len(killed) + 1} during {running}", flush=True)
            continue
        if code != 0:
            raise RuntimeError(f"the run in {folder} failed after {len(killed)} kills; see terminal.txt there")
        return killed


def compare(folder: Path, undisturbed: Path, complete: bool) -> list[str]:
    """Return in words how a run differs from the undisturbed one; empty if it does not.

    Args:
        folder: Folder of the run.
        undisturbed: Folder of the undisturbed run.
        complete: Whether the target of the run was everything; the target "models" also makes tables of its own.
    """
    found, expected = tables(folder), tables(undisturbed)
    made, wanted = relaxations(folder), relaxations(undisturbed)
    problems = [f"{name} is missing" for name in sorted(set(expected) - set(found)) if complete]
    problems += [f"{name} is additional" for name in sorted(set(found) - set(expected)) if complete]
    problems += [f"{name} differs" for name in sorted(set(found) & set(expected)) if found[name] != expected[name]]
    problems += [f"{stage} {key} was relaxed {number} times" for (stage, key), number in made.items() if number > 1]
    stages = {stage for stage, _ in made}
    different = {key for stage, key in set(made) ^ set(wanted) if stage in stages}
    if different:
        problems.append(f"{len(different)} relaxations are in one of the runs only")
    return problems


def main(kills: int, cores: int, seed: int, folder: Path) -> int:
    """Kill toy runs ``kills`` times in total, print what was found, and return the number of runs that differ."""
    chance = random.Random(seed)
    undisturbed = folder / "undisturbed"
    killed_run(undisturbed, cores, "all", chance, most=0)
    print(f"undisturbed: {len(tables(undisturbed))} tables, {len(relaxations(undisturbed))} relaxations", flush=True)
    during: Counter = Counter()
    number = wrong = 0
    while during.total() < kills:
        number += 1
        run = folder / f"run-{number}"
        patterns, target = STARTS[(number - 1) % len(STARTS)]
        take_over(run, undisturbed, patterns)
        killed = killed_run(run, cores, target, chance, min(MOST, kills - during.total()))
        during.update(killed)
        problems = compare(run, undisturbed, complete=target == "all")
        wrong += bool(problems)
        print(
            f"{run.name}: {len(killed)} kills; {'; '.join(problems) or 'identical, nothing relaxed twice'}", flush=True
        )
    print(f"{during.total()} kills of {number} runs, of which {wrong} differ from the undisturbed run")
    for running, count in during.most_common():
        print(f"  {count:4} during {running}")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="number of kills in total (default: 100)")
    parser.add_argument("--cores", type=int, default=2, help="cores of each run (default: 2)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random moments (default: 1)")
    parser.add_argument("--folder", type=Path, help="folder of the runs (default: a temporary one)")
    given = parser.parse_args()
    if given.folder:
        sys.exit(main(given.kills, given.cores, given.seed, given.folder.resolve()) > 0)
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(given.kills, given.cores, given.seed, Path(temporary)) > 0)
