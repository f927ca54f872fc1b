"""Speed-up of ccdcgan.crystals.uniqueness over the grouping of StructureMatcher, and comparison of the groups.

    python benchmarks/uniqueness.py results/Bi-Se-oqmd/database/prototypes.extxyz --elements Bi Se --crystals 3000

Substitutes the elements into the prototypes and groups a random sample of the crystals in three ways: by
``StructureMatcher.group_structures(symmetric=True)``, and by ccdcgan.crystals.uniqueness with one and with more
processes.
"""

import argparse
import random
import sys
import time
from collections import defaultdict
from functools import partial
from itertools import permutations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

from pymatgen.analysis.structure_matcher import StructureMatcher  # noqa: E402

from ccdcgan.crystals.structures import Crystal, read_set  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.utils.parallel import parallel_map  # noqa: E402

MATCHER = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0}


def assignments(prototype: Crystal, elements: list[str]) -> list:
    """Return the prototype with every assignment of the elements; the comparison does not depend on volumes."""
    species = prototype.structure.composition.elements
    structures = []
    for chosen in permutations(elements, len(species)):
        structure = prototype.structure.copy()
        structure.replace_species(dict(zip(species, chosen, strict=True)))
        structures.append(structure)
    return structures


def main() -> None:
    """Print the time of each way; exit with status 1 if the groups differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prototypes", type=Path, help="structure set of prototypes")
    parser.add_argument("--elements", nargs="+", default=["Bi", "Se"])
    parser.add_argument("--crystals", type=int, default=3000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    prototypes = sorted(read_set(arguments.prototypes), key=lambda crystal: crystal.id)
    prototypes = [p for p in prototypes if 2 <= len(p.structure.composition) <= len(arguments.elements)]
    assign = partial(assignments, elements=arguments.elements)
    substituted = parallel_map(assign, prototypes, "substituting", arguments.processes)
    structures = [structure for group in substituted for structure in group]
    if len(structures) > arguments.crystals:
        structures = random.Random(arguments.seed).sample(structures, arguments.crystals)

    number = {id(structure): i for i, structure in enumerate(structures)}
    start = time.perf_counter()
    groups = StructureMatcher(**MATCHER).group_structures(structures, symmetric=True)
    seconds = time.perf_counter() - start
    expected = {frozenset(number[id(structure)] for structure in group) for group in groups}
    print(f"{len(structures)} crystals, {len(expected)} kinds")
    print(f"StructureMatcher.group_structures    {seconds:8.1f} s")

    for processes in sorted({1, arguments.processes}):
        start = time.perf_counter()
        verdicts = Uniqueness(MATCHER, processes).first_of_kind(structures)
        own = time.perf_counter() - start
        members = defaultdict(set)
        for i, verdict in enumerate(verdicts):
            members[i if verdict is None else verdict[1]].add(i)
        same = {frozenset(group) for group in members.values()} == expected
        verdict = "same groups" if same else "DIFFERENT GROUPS"
        print(f"ccdcgan.crystals.uniqueness, {processes} process(es) {own:9.1f} s   {seconds / own:5.1f} x   {verdict}")
        if not same:
            sys.exit(1)


if __name__ == "__main__":
    main()
