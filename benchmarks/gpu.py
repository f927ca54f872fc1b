"""Relaxations per hour of many crystals at once, by the number of atoms in a call, against one by one.

    python benchmarks/gpu.py --output gpu.md

needs torch-sim (make gpu) and takes about --minutes minutes, apart from loading the models. The crystals are those of
benchmarks/data/gpu.extxyz (Bi-Se, V-O, Al-Ni), repeated with other volumes to fill large batches, so that nothing but
this checkout and the environment is needed. Measured are: one by one on the device; one by one on two processor cores
(one process with one thread each); at once on the device, with calls of at most so many atoms, on a GPU also as many as
its memory holds by torch-sim's estimate. A measurement that is out of time counts what it has finished, which is less
than its rate if the batch is large. The energies of both ways are compared for the crystals that both have finished.

Without a GPU the same runs on one processor core, for which few crystals are enough:

    python benchmarks/gpu.py --crystals 12 --atoms 16 64 --minutes 4
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import yaml  # noqa: E402
from pymatgen.core import Structure  # noqa: E402

from ccdcgan.crystals.structures import read_set  # noqa: E402
from ccdcgan.relaxation.engines import make_engine  # noqa: E402
from ccdcgan_workflow.settings import relaxation_settings  # noqa: E402

SAME = 0.001
"""Largest difference (eV/atom) of two energies that are the same minimum."""


@dataclass
class Measurement:
    """What one way of relaxing has done.

    Args:
        name: Name of the way.
        seconds: Time, without that to load the models.
        energies: Number of a crystal -> its energy, eV/atom; NaN: it failed.
        in_model: Share of the time in the calls of the models.
        memory: Largest memory, MB: of the GPU, or of the process.
        is_whole: Whether all crystals were finished in time.
    """

    name: str
    seconds: float
    energies: dict[int, float] = field(default_factory=dict)
    in_model: float = float("nan")
    memory: float = float("nan")
    is_whole: bool = True

    @property
    def per_hour(self) -> float:
        """Finished relaxations in one hour."""
        return 3600 * len(self.energies) / self.seconds


def section(device: str) -> dict:
    """Return the default section ``relaxation`` for a device."""
    settings = relaxation_settings(yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text())["relaxation"])
    return settings | {"mlip": settings["mlip"] | {"device": device}}


def crystals_to_relax(file: Path, count: int) -> list[Structure]:
    """Return the crystals of a file, and as often as necessary the same with other volumes."""
    own = [crystal.structure for crystal in read_set(file)]
    crystals = []
    for number in range(count):
        crystal = own[number % len(own)].copy()
        turn = number // len(own)
        # 0, +1, -1, +2, -2 ... steps of 0.2 % of the volume
        crystal.scale_lattice(crystal.volume * (1 + 0.002 * (turn + 1 >> 1) * (-1 if turn % 2 else 1)))
        crystals.append(crystal)
    return crystals


def energy(result) -> float:
    """Return the energy of a relaxation, eV/atom; NaN if it failed."""
    return result.energy_per_atom if result.status == "ok" else float("nan")


def memory(device: str) -> float:
    """Return the largest memory so far, MB: that of the GPU, or of the process."""
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def one_by_one(crystals: list[Structure], device: str, limit: float, name: str) -> Measurement:
    """Relax crystals one after another until the time (s) is over."""
    engine = make_engine(section(device))
    engine.check_elements({element.symbol for element in crystals[0].composition})
    start, energies = time.perf_counter(), {}
    for number, crystal in enumerate(crystals):
        energies[number] = energy(engine.relax(crystal))
        if time.perf_counter() - start > limit:
            break
    seconds = time.perf_counter() - start
    return Measurement(name, seconds, energies, memory=memory(device), is_whole=len(energies) == len(crystals))


def on_one_core(task: tuple[list[Structure], float]) -> Measurement:
    """Relax crystals on a processor core, in a process of its own."""
    return one_by_one(task[0], "cpu", task[1], "")


def on_cores(crystals: list[Structure], limit: float, cores: int) -> Measurement:
    """Relax crystals one after another in several processes."""
    tasks = [(crystals[core::cores], limit) for core in range(cores)]
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        parts = pool.map(on_one_core, tasks)
    rate = sum(part.per_hour for part in parts)
    done = {core + cores * number: e for core, part in enumerate(parts) for number, e in part.energies.items()}
    return Measurement(
        f"one by one, {cores} processor cores",
        3600 * len(done) / rate,
        done,
        memory=sum(part.memory for part in parts),
        is_whole=all(part.is_whole for part in parts),
    )


def at_once(crystals: list[Structure], device: str, limit: float, atoms: int | None) -> Measurement:
    """Relax crystals at once, with at most so many atoms in a call; None: as many as the memory holds."""
    import torch

    from ccdcgan.relaxation.batched.potentials import TorchSimPotential
    from ccdcgan.relaxation.batched.relaxations import relax_together

    engine = make_engine(section(device))
    potentials = {model: TorchSimPotential(model, device, atoms) for model in engine.models}
    in_model = [0.0]
    for potential in potentials.values():
        potential.evaluate = timed(potential.evaluate, in_model, device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    start, energies = time.perf_counter(), {}
    for number, result, _ in relax_together(engine, engine.models, potentials.get, crystals):
        energies[number] = energy(result)
        if time.perf_counter() - start > limit:
            break
    seconds = time.perf_counter() - start
    name = f"at once, {'as many as the memory allows' if atoms is None else f'{atoms:,} atoms'}"
    share = in_model[0] / seconds
    return Measurement(name, seconds, energies, share, memory(device), len(energies) == len(crystals))


def timed(function, spent: list[float], device: str):
    """Return a function that adds its time (s) to ``spent``."""
    import torch

    def call(*arguments):
        start = time.perf_counter()
        result = function(*arguments)
        if device == "cuda":
            torch.cuda.synchronize()
        spent[0] += time.perf_counter() - start
        return result

    return call


def table(measurements: list[Measurement]) -> Iterator[str]:
    """Yield the lines of the table; ratios refer to the first two measurements."""
    alone, cores = measurements[:2]
    yield "| way | crystals | s | relaxations per hour | ratio to one by one | ratio to the cores | in the model | MB |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in measurements:
        part = "" if one.in_model != one.in_model else f"{100 * one.in_model:.0f} %"
        rate = f"{'' if one.is_whole else 'at least '}{one.per_hour:,.0f}"
        ratios = f"{one.per_hour / alone.per_hour:.1f} | {one.per_hour / cores.per_hour:.1f}"
        done = f"{one.name} | {len(one.energies):,} | {one.seconds:.0f}"
        yield f"| {done} | {rate} | {ratios} | {part} | {one.memory:,.0f} |"


def comparison(alone: Measurement, other: Measurement) -> str:
    """Return in how many crystals both ways end in the same minimum, as a sentence."""
    both = [number for number in alone.energies if number in other.energies]
    differences = [other.energies[number] - alone.energies[number] for number in both]
    same = sum(abs(difference) <= SAME for difference in differences)
    higher = sum(difference > SAME for difference in differences)
    lower = sum(difference < -SAME for difference in differences)
    failed = [number for number in both if other.energies[number] != other.energies[number]]
    failed_alone = [number for number in both if alone.energies[number] != alone.energies[number]]
    return (
        f"{other.name}: {len(both)} crystals in both ways, {same} with the same energy within 1 meV/atom, "
        f"{lower} lower, {higher} higher; {len(failed)} failed, one by one {len(failed_alone)}."
    )


def main() -> None:
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--structures", type=Path, default=ROOT / "benchmarks/data/gpu.extxyz", help="structure set")
    parser.add_argument("--crystals", type=int, default=6000, help="crystals to relax at once (default: %(default)s)")
    parser.add_argument(
        "--atoms", type=int, nargs="+", help="atoms in a call (default: 256 1024 4096; 16 64 without a GPU)"
    )
    parser.add_argument("--minutes", type=float, default=7.0, help="time for all measurements (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="processor cores to compare with (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="file for the table (Markdown)")
    options = parser.parse_args()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    rooms: list[int | None] = options.atoms or ([256, 1024, 4096] if device == "cuda" else [16, 64])
    if device == "cuda":
        rooms = [*rooms, None]
    crystals = crystals_to_relax(options.structures, options.crystals)
    share = 60 * options.minutes / (len(rooms) + 2)
    where = torch.cuda.get_device_name() if device == "cuda" else "one processor core"
    lines = [
        f"Device: {where}; torch {torch.__version__}; {len(crystals):,} crystals of {options.structures.name}.",
        "",
    ]
    measurements = [
        one_by_one(crystals, device, share, f"one by one, {where}"),
        on_cores(crystals, share, options.cores),
    ]
    for atoms in rooms:
        measurements.append(at_once(crystals, device, share, atoms))
        print(json.dumps({"name": measurements[-1].name, "per_hour": measurements[-1].per_hour}), flush=True)
    lines += table(measurements)
    lines += ["", *(comparison(measurements[0], other) for other in measurements[1:])]
    print("\n".join(lines))
    if options.output:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
