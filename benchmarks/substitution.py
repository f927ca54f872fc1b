"""Time of each step from tens of thousands of prototypes to unique substituted structures.

    python benchmarks/substitution.py --processes 2 --max-atoms 40

Every crystal of OQMD/ICSD is a prototype, whatever its number of elements, with one assignment: its elements, in
alphabetical order, are replaced by the first elements of a list. Volumes are then estimated and duplicates dropped by
the functions of the workflow. ``--crystals`` selects a random sample. CPU times include all processes.
"""

import argparse
import logging
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

from pymatgen.core import Structure  # noqa: E402

from ccdcgan.crystals.structures import Crystal  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.database.prototypes.collection import collect_prototypes  # noqa: E402
from ccdcgan.database.substitution import estimate_volume  # noqa: E402
from ccdcgan.utils.parallel import parallel_map  # noqa: E402

ELEMENTS = ("Bi", "Se", "Te", "Mg", "O", "V", "Mn", "Ni")
MATCHER = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0}


def substituted(prototype: Crystal) -> Structure:
    """Return the prototype with one assignment of elements, at its estimated volume."""
    species = sorted(prototype.structure.composition.elements, key=lambda element: element.symbol)
    structure = prototype.structure.copy()
    structure.replace_species(dict(zip(species, ELEMENTS, strict=False)))
    structure.scale_lattice(estimate_volume(structure))
    return structure


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the wall-clock and CPU time of a step, including its processes."""
    wall, before = time.perf_counter(), os.times()
    yield
    after = os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    print(f"{what:24} {time.perf_counter() - wall:8.1f} s {cpu:8.1f} CPU-s", flush=True)


def main() -> None:
    """Print one line per step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crystals", type=int, help="number of prototypes, a random sample; default: all")
    parser.add_argument("--max-atoms", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)

    settings = {
        "sources": ["oqmd"],
        "max_atoms": arguments.max_atoms,
        "limit": None,
        "oqmd": {"max_formation_energy": 2.0},
    }
    with timed("all"):
        with timed("read, standard cells"):
            prototypes, table = collect_prototypes(settings, len(ELEMENTS), processes=arguments.processes)
        if arguments.crystals and arguments.crystals < len(prototypes):
            prototypes = random.Random(arguments.seed).sample(prototypes, arguments.crystals)
        print(f"{len(table)} crystals, {len(prototypes)} prototypes")
        with timed("assign, volumes"):
            structures = parallel_map(substituted, prototypes, "substituting", arguments.processes, chunk=50)
        with timed("uniqueness"):
            verdicts = Uniqueness(MATCHER, arguments.processes).first_of_kind(structures)
    print(f"{len(structures)} substituted crystals, {sum(verdict is None for verdict in verdicts)} unique")


if __name__ == "__main__":
    main()
