"""Print the table of the elements: which crystal is lowest, and where the known ground state lies.

For every element that the default potential knows, its known crystal at low temperature
(``workflow_scripts/ccdcgan/crystals/data/elements.extxyz``), the lowest crystals of OQMD and, with ``--aflow``, AFLOW's
prototypes of one element are relaxed with the engine and the default guards. A journal keeps the results: an
interrupted call continues where it stopped.

    nice .venv/bin/python benchmarks/elements.py --seconds 1800 --write docs/validation/elements.md

Measured on two cores (SevenNet 7net-0, then 7net-l3i5): a few minutes for the known crystals, which come first.
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from ccdcgan.crystals.elements import elemental_crystals, known_crystal  # noqa: E402
from ccdcgan.crystals.structures import Crystal, shortest_distance, symmetrised  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.database.known_phases import known_crystals  # noqa: E402
from ccdcgan.database.prototypes.aflow import read_aflow  # noqa: E402
from ccdcgan.database.substitution import substitute  # noqa: E402
from ccdcgan.database.thermodynamics import lowest_crystal  # noqa: E402
from ccdcgan.relaxation.batches import Journal, relax_batch  # noqa: E402
from ccdcgan.utils.files import write_text  # noqa: E402
from ccdcgan_workflow.configuration import KNOWN_ELEMENTS  # noqa: E402
from ccdcgan_workflow.settings import relaxation_settings  # noqa: E402

TOLERANCE = 0.1
"""Tolerance (angstrom) of the symmetry search of a relaxed crystal."""

SAME = 0.005
"""Largest distance (eV/atom) of the known ground state to the lowest crystal that counts as the same energy."""

HEADER = """# Elements

The reference of an element is the lowest of its crystals after relaxation: its known crystal at low temperature,
shipped with its source in `workflow_scripts/ccdcgan/crystals/data/elements.extxyz`, the crystals of OQMD, and AFLOW's
prototypes of one element. For the gases H, N, O, F and Cl the isolated molecule is a candidate, too, and crystals whose
molecules are bonded to one another are no references: 7net-l3i5 finds such a crystal of oxygen 0.27 eV/atom below the
molecule. The table compares the known crystal with the lowest one. It is printed by

<!-- untested: the relaxations take minutes -->
```
nice .venv/bin/python benchmarks/elements.py --seconds 1800 --write docs/validation/elements.md
```

"known" is the space group of the known crystal before its relaxation, "distance" its energy above the lowest crystal,
"shortest" the shortest distance between two atoms of the lowest crystal. Space groups of relaxed crystals were
determined with a tolerance of {tolerance:g} angstrom.

{summary}

{table}
{failures}"""


def crystals_of(element: str, most: int, max_atoms: int, aflow: bool, uniqueness: Uniqueness) -> list[Crystal]:
    """Return the crystals to relax: the known one first, then the ``most`` lowest ones of OQMD, then AFLOW's."""
    others = sorted(known_crystals([element], max_atoms), key=lambda crystal: crystal.info["source_formation_energy"])
    crystals = [*elemental_crystals(element), *others[:most]]
    if aflow:
        found, _ = substitute(unary_prototypes(max_atoms), [element], range(1, 2), 10.0, uniqueness)
        crystals += found
    return crystals


def unary_prototypes(max_atoms: int) -> list[Crystal]:
    """Return AFLOW's prototypes of one element."""
    entries = [entry for entry in read_aflow(None) if len(entry.structure.composition) == 1]
    return [Crystal(entry.id, entry.structure) for entry in entries if len(entry.structure) <= max_atoms]


def space_group(crystal: Crystal) -> int:
    """Return the number of the space group of a crystal."""
    return symmetrised(crystal.structure, TOLERANCE).get_space_group_info(TOLERANCE)[1]


def rows(relaxed: dict[str, list[Crystal]]) -> Iterator[dict]:
    """Yield one row per element."""
    for element, crystals in relaxed.items():
        ok = [crystal for crystal in crystals if crystal.info["status"] == "ok"]
        row = {"element": element, "relaxed": f"{len(ok)} of {len(crystals)}"}
        if not ok:
            yield row | {"lowest": "none"}
            continue
        lowest = lowest_crystal(ok)
        own = next((crystal for crystal in ok if crystal.id == f"known-{element}"), None)
        start = known_crystal(element)
        distance = own.info["energy_per_atom"] - lowest.info["energy_per_atom"] if own else float("nan")
        yield row | {
            "lowest": lowest.id,
            "group": space_group(lowest),
            "known": start.info["space_group"] if start else "",
            "is_known": "yes" if distance == 0 else "same energy" if distance <= SAME else "no",
            "distance": f"{1000 * distance:.1f}" if own else "failed",
            "shortest": f"{shortest_distance(lowest.structure):.2f}",
            "energy": f"{lowest.info['energy_per_atom']:.3f}",
        }


COLUMNS = {
    "element": "element",
    "lowest": "lowest crystal",
    "group": "space group",
    "known": "known",
    "is_known": "is it the lowest",
    "distance": "distance, meV/atom",
    "shortest": "shortest, angstrom",
    "energy": "energy, eV/atom",
    "relaxed": "relaxed",
}


def page(relaxed: dict[str, list[Crystal]]) -> str:
    """Return the page with the table."""
    table = list(rows(relaxed))
    lines = [f"| {' | '.join(COLUMNS.values())} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(str(row.get(name, '')) for name in COLUMNS)} |" for row in table]
    agreement = Counter(row.get("is_known", "none") for row in table)
    far = [row["element"] for row in table if row.get("is_known") == "no"]
    summary = (
        f"{sum(row['lowest'] != 'none' for row in table)} of {len(table)} elements have a reference. The known crystal "
        f"is the lowest one for {agreement['yes']}, within {1000 * SAME:g} meV/atom of it for "
        f"{agreement['same energy']}, and farther for {agreement['no']}: {', '.join(far) or 'none'}."
    )
    failed = [crystal for crystals in relaxed.values() for crystal in crystals if crystal.info["status"] != "ok"]
    failures = "\n".join(f"- {crystal.id} ({crystal.formula}): {crystal.info['reason']}" for crystal in failed)
    failures = f"\nCrystals that could not be relaxed:\n\n{failures}\n" if failed else ""
    return HEADER.format(tolerance=TOLERANCE, summary=summary, table="\n".join(lines), failures=failures)


def main() -> None:
    """Relax what the time allows, then print or write the table of what is relaxed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800, help="time for relaxations")
    parser.add_argument("--max-atoms", type=int, default=40, help="largest crystal")
    parser.add_argument("--oqmd", type=int, default=3, help="number of OQMD's lowest crystals per element")
    parser.add_argument("--aflow", action="store_true", help="relax AFLOW's prototypes, too")
    parser.add_argument("--journal", default="results/elements/journal", help="folder of the journal")
    parser.add_argument("--write", help="file of the table; without it the table is printed")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    config = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text())
    settings, uniqueness = relaxation_settings(config["relaxation"]), Uniqueness(config["matcher"])
    elements = sorted(KNOWN_ELEMENTS["mlip"], key=lambda element: int(known_crystal(element).structure[0].specie.Z))
    chosen = {
        element: crystals_of(element, arguments.oqmd, arguments.max_atoms, arguments.aflow, uniqueness)
        for element in elements
    }
    journal = Journal(arguments.journal)
    waiting = [
        (number, len(crystal.structure), element, crystal)
        for element in elements
        for number, crystal in enumerate(chosen[element])
    ]
    relaxed: dict[str, list[Crystal]] = {element: [] for element in elements}
    start = time.monotonic()
    for _, _, element, crystal in sorted(waiting, key=lambda item: item[:2]):
        if time.monotonic() - start > arguments.seconds:
            break
        relaxed[element] += relax_batch([crystal], settings, journal, "elements")
    text = page(relaxed)
    if arguments.write:
        write_text(arguments.write, text)
    else:
        print(text)


if __name__ == "__main__":
    main()
