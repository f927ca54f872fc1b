"""Speed of relaxations and the energies they reach, compared with a plain ASE loop.

    python benchmarks/relaxation.py --structures results/Bi-Se/database/substituted.extxyz --crystals 12

relaxes the same crystals with a plain loop (one process, the defaults of ASE, the default number of threads of torch,
the last model only) and with the engine of the workflow (one process with one thread per core), each from the given and
from displaced positions. Displaced positions are the default of the workflow. Each variant of the engine is compared
with the plain loop from the same start. --optimizers compares the optimisers instead, in one process. Compare
wall-clock times on an idle machine only. On a busy machine several threads wait for one another: use one thread in the
plain loop (--threads 1) and compare CPU times.
"""

import argparse
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from pymatgen.core import Structure  # noqa: E402

from ccdcgan.crystals.structures import read_set, to_atoms  # noqa: E402
from ccdcgan.relaxation.ase_relaxation import displaced  # noqa: E402
from ccdcgan.relaxation.engines import make_engine  # noqa: E402
from ccdcgan.relaxation.guards import Guards, check_structure  # noqa: E402
from ccdcgan.relaxation.mlip import MODALS, MODELS, weights_path  # noqa: E402
from ccdcgan_workflow.settings import relaxation_settings  # noqa: E402

LOADED: dict[str, object] = {}


def plain(structure: Structure, settings: dict) -> dict:
    """Relax one crystal as in the tutorials of ASE."""
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS
    from sevenn.calculator import SevenNetCalculator

    model = settings["mlip"]["models"][-1]
    if model not in LOADED:
        LOADED[model] = SevenNetCalculator(weights_path(model), device="cpu", modal=MODALS.get(model))
    atoms = to_atoms(displaced(structure, settings["displacement"]))
    atoms.calc = LOADED[model]
    steps = BFGS(FrechetCellFilter(atoms), logfile=None)
    converged = steps.run(fmax=settings["fmax"], steps=settings["max_steps"])
    energy = float(atoms.get_potential_energy()) / len(atoms)
    return {"energy": energy, "ok": bool(converged), "evaluations": {model: steps.nsteps + 1}}


def engine(structure: Structure, settings: dict) -> dict:
    """Relax one crystal with the engine of the workflow."""
    if "engine" not in LOADED:
        LOADED["engine"] = make_engine(settings)
    relaxation = LOADED["engine"].relax(structure)
    evaluations = {stage["model"]: stage["n_steps"] + 1 for stage in relaxation.stages}
    return {"energy": relaxation.energy_per_atom, "ok": relaxation.status == "ok", "evaluations": evaluations}


def timed(task: tuple) -> dict:
    """Return the result of one variant for one crystal, with its CPU time (s, all threads)."""
    way, structure, settings = task
    start = time.process_time()
    return way(structure, settings) | {"cpu": time.process_time() - start}


@dataclass
class Way:
    """One variant of relaxing crystals, whose processes are reused between the rounds.

    Args:
        name: Name of the variant.
        function: Function that relaxes one crystal.
        settings: The ``relaxation`` section of the configuration.
        processes: Number of processes.
        threads: Number of threads per process; None: the default of torch.
        peer: Variant to compare with.
        wall: Wall-clock time so far, s.
        results: Results so far.
    """

    name: str
    function: object
    settings: dict
    processes: int = 1
    threads: int | None = 1
    peer: "Way | None" = None
    wall: float = 0.0
    results: list[dict] = field(default_factory=list)

    def start(self, warm: Structure) -> None:
        """Start the processes and load the models, which is not timed."""
        threads = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        os.environ.update(threads)
        self.pool = ProcessPoolExecutor(self.processes, get_context("spawn"))
        list(self.pool.map(timed, [(self.function, warm, self.settings | {"max_steps": 1})] * 2 * self.processes))
        for name in threads:
            del os.environ[name]
        list(self.pool.map(_forget_engine, range(4 * self.processes)))

    def relax(self, structures: list[Structure]) -> None:
        """Relax one round of crystals."""
        start = time.perf_counter()
        self.results += self.pool.map(timed, [(self.function, structure, self.settings) for structure in structures])
        self.wall += time.perf_counter() - start

    def line(self) -> str:
        """Return the line of the table."""
        peer = self.peer or self
        energies, others = (np.array([r["energy"] for r in way.results]) for way in (self, peer))
        both = np.array([a["ok"] and b["ok"] for a, b in zip(self.results, peer.results, strict=True)])
        difference = (energies - others)[both]
        cpu = sum(result["cpu"] for result in self.results)
        evaluations = [
            sum(result["evaluations"].get(model, 0) for result in self.results)
            for model in MODELS
            if any(model in result["evaluations"] for result in self.results)
        ]
        cells = [
            self.name,
            " + ".join(map(str, evaluations)),
            f"{cpu:.0f}",
            f"{self.wall:.0f}",
            f"{3600 * len(self.results) / self.wall:.0f}",
            peer.name,
            f"{peer.wall / self.wall:.2f}",
            f"{sum(result['ok'] for result in self.results)} / {len(self.results)}",
            f"{1000 * difference.mean():.1f}",
            f"{(difference < 0.002).sum()} / {both.sum()}",
        ]
        return f"| {' | '.join(cells)} |"


def _forget_engine(_: int) -> None:
    """Discard the engine of the warm-up, which has a small step limit; the models stay loaded."""
    LOADED.pop("engine", None)
    time.sleep(0.2)


TITLES = (
    "variant",
    "evaluations",
    "CPU s",
    "wall s",
    "crystals per hour",
    "compared with",
    "ratio",
    "relaxed",
    "mean energy difference, meV/atom",
    "at most 2 meV/atom above",
)


def main() -> None:
    """Print one line per variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", default="results/Bi-Se/database/substituted.extxyz")
    parser.add_argument("--crystals", type=int, default=12)
    parser.add_argument("--max-atoms", type=int, default=12)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, help="of the plain loop; default: that of torch")
    parser.add_argument(
        "--optimizers", action="store_true", help="compare BFGS, FIRE and LBFGS instead of the other variants"
    )
    arguments = parser.parse_args()
    default = relaxation_settings(yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text())["relaxation"])
    last = default | {"displacement": 0.0, "mlip": default["mlip"] | {"models": default["mlip"]["models"][-1:]}}
    staged = default | {"displacement": 0.0}
    crystals = read_set(arguments.structures)
    structures = [
        crystal.structure
        for crystal in crystals
        if len(crystal.structure) <= arguments.max_atoms and not check_structure(crystal.structure, Guards())
    ]
    structures = random.Random(arguments.seed).sample(structures, arguments.crystals)
    loop = Way("plain ASE loop", plain, last, threads=arguments.threads)
    ways = [loop]
    if arguments.optimizers:
        for name in ("BFGS", "LBFGS", "FIRE"):
            ways.append(Way(name, engine, last | {"optimizer": name}, peer=loop))
        ways.append(Way("BFGS, stiffness 70", engine, last | {"stiffness": 70.0}, peer=loop))
    else:
        moved = {"displacement": default["displacement"]}
        again = Way("plain ASE loop, displaced", plain, last | moved, threads=arguments.threads, peer=loop)
        ways += [
            Way("the last model alone", engine, last, arguments.processes, peer=loop),
            Way("both models", engine, staged, arguments.processes, peer=loop),
            again,
            Way("the last model alone, displaced", engine, last | moved, arguments.processes, peer=again),
            Way("both models, displaced (default)", engine, default, arguments.processes, peer=again),
        ]
    for way in ways:
        way.start(structures[0])
    size = 2 * arguments.processes
    # In turn, so that other load of the machine affects all variants alike.
    for number in range(0, len(structures), size):
        for way in ways:
            way.relax(structures[number : number + size])
        print(f"{min(number + size, len(structures))} of {len(structures)}", file=sys.stderr, flush=True)
    print(f"| {' | '.join(TITLES)} |\n{'|---' * len(TITLES)}|")
    for way in ways:
        print(way.line(), flush=True)


if __name__ == "__main__":
    main()
