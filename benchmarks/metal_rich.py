"""Known ternary oxides whose oxygen another metal could bind: how many metal atoms need the correction for U?

    python benchmarks/metal_rich.py            # the table, from the relaxed crystals in benchmarks/data
    python benchmarks/metal_rich.py --write    # the same, to docs/validation/systems.md
    python benchmarks/metal_rich.py --relax    # relax the crystals that the file lacks (all 120: 25 core minutes)

``auto`` corrects up to 1.5 metal atoms for each O or F, and up to 2 for each one that Al and the metals of groups 1
and 2 leave. Compared with it are two other rules: all oxygen counts, whatever binds it, and only that counts which all
metals without U leave in their highest usual oxidation state. The compounds are known crystals of OQMD, so that their
distances from the hull of the system's other compounds should be small.
"""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import systems
from pymatgen.core import Composition, Element
from pymatgen.entries.compatibility import MaterialsProject2020Compatibility

from ccdcgan.crystals.structures import Crystal, read_set, write_set
from ccdcgan.database.energy_scheme import AUTO, IONIC, METALS_PER_ANION, METALS_PER_ANION_LEFT, EnergyScheme
from ccdcgan.database.known_phases import known_crystals
from ccdcgan.database.thermodynamics import convex_hull, formation_energy, hull_distance, lowest_references

NAMES = """
Ti-Fe-O Ti-Co-O Ti-Ni-O Ti-Mn-O Zr-V-O Zr-Ni-O Mn-Nb-O Nb-Ni-O Ta-Mn-O La-Ni-O Y-Fe-O
Na-Co-O K-Co-O K-Fe-O K-Ni-O Rb-Co-O
"""
SYSTEMS = NAMES.split()
MAX_ATOMS = 30
"""Largest number of atoms in the cell of a compound."""
MAX_DISTANCE = {2: 0.02, 3: 0.9}
"""Number of elements -> largest distance from OQMD's hull, eV/atom. That of metal-rich oxides is wrong in OQMD, too."""
CRYSTALS = Path(__file__).parent / "data" / "metal_rich.extxyz"
CORRECTIONS = MaterialsProject2020Compatibility(check_potcar=False).u_corrections["O"]
"""Metal with U -> its correction in oxides, eV per atom."""
WITH_U = tuple(CORRECTIONS)
RULES = ("auto", "all oxygen", "oxygen left by all")
COLUMNS = (*RULES, "OQMD")


def compounds_of(system: str) -> list[Crystal]:
    """Return the known compounds of a system, of each formula the one nearest to OQMD's hull."""
    lowest: dict[str, Crystal] = {}
    for crystal in known_crystals(system.split("-"), MAX_ATOMS):
        size, distance = len(crystal.structure.composition), systems.stability(crystal)
        if size > 1 and distance <= MAX_DISTANCE[size]:
            other = lowest.setdefault(crystal.formula, crystal)
            lowest[crystal.formula] = min(crystal, other, key=systems.stability)
    return list(lowest.values())


def oxygen_left(composition: Composition, binding: Sequence[Element]) -> float:
    """Return the oxygen that some metals leave in their highest usual oxidation state, atoms of the cell."""
    bound = sum(
        count * max(0, *element.common_oxidation_states) / 2
        for element, count in composition.items()
        if element in binding and element.symbol not in (*WITH_U, "O")
    )
    return max(0.0, composition["O"] - bound)


def energies_of(crystal: Crystal, zeros: dict[str, float]) -> dict[str, float]:
    """Return formation energies with RULES and of OQMD, eV/atom."""
    composition = crystal.structure.composition
    energy = formation_energy(composition, crystal.info["energy_per_atom"], zeros)
    auto = energy + EnergyScheme(AUTO).of(crystal.structure)
    energies = dict.fromkeys(RULES, auto)
    metals = sum(composition[metal] for metal in WITH_U)
    if metals and composition["O"]:
        full = sum(composition[metal] * CORRECTIONS[metal] for metal in WITH_U) / composition.num_atoms
        ionic = oxygen_left(composition, [Element(metal) for metal in IONIC])
        every = METALS_PER_ANION * composition["O"]
        corrected = {
            "auto": min(every, METALS_PER_ANION_LEFT * ionic),
            "all oxygen": every,
            "oxygen left by all": METALS_PER_ANION * oxygen_left(composition, composition.elements),
        }
        shares = {rule: min(1.0, count / metals) for rule, count in corrected.items()}
        energies = {rule: auto + (share - shares["auto"]) * full for rule, share in shares.items()}
    return energies | {"OQMD": crystal.info["source_formation_energy"]}


def table_of(crystals: list[Crystal]) -> pd.DataFrame:
    """Return one row per compound for which the rules differ, distances in eV/atom."""
    relaxed = {crystal.id: crystal for crystal in crystals if crystal.info["status"] == "ok"}
    unaries = [crystal for crystal in relaxed.values() if len(crystal.structure.composition) == 1]
    rows = []
    for system in SYSTEMS:
        elements = system.split("-")
        zeros = lowest_references(unaries, elements).set_index("element")["energy_per_atom"].to_dict()
        compounds = [relaxed[crystal.id] for crystal in compounds_of(system) if crystal.id in relaxed]
        energies = [energies_of(crystal, zeros) for crystal in compounds]
        for crystal, own in zip(compounds, energies, strict=True):
            if max(own[rule] for rule in RULES) - min(own[rule] for rule in RULES) < 0.01:
                continue
            others = [place for place, other in enumerate(compounds) if other.formula != crystal.formula]
            row = {"system": system, "compound": crystal.formula}
            for kind in COLUMNS:
                points = [compounds[place].structure.composition for place in others]
                hull = convex_hull(points, [energies[place][kind] for place in others], elements)
                row[kind] = hull_distance(hull, crystal.structure.composition, own[kind])
            rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Relax missing crystals if asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--relax", action="store_true", help="relax the crystals that the file lacks")
    parser.add_argument("--write", action="store_true", help="write the table to the documentation")
    parser.add_argument("--folder", type=Path, default=Path("benchmark-metal-rich"), help="folder of the journal")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    crystals = read_set(CRYSTALS) if CRYSTALS.exists() else []
    known = {crystal.id: crystal for crystal in [*crystals, *read_set(systems.CRYSTALS)]}
    if options.relax:
        wanted = {crystal.id: crystal for system in SYSTEMS for crystal in compounds_of(system)}
        for element in sorted({element for system in SYSTEMS for element in system.split("-")}):
            wanted |= {crystal.id: crystal for crystal in systems.unaries_of(element)}
        new = systems.relax([crystal for name, crystal in wanted.items() if name not in known], options.folder)
        write_set(CRYSTALS, [*crystals, *new])
        known |= {crystal.id: crystal for crystal in new}
    table = table_of(list(known.values()))
    means = ", ".join(f"{kind} {1e3 * table[kind].mean():.0f}" for kind in COLUMNS)
    lines = table.assign(**{kind: 1e3 * table[kind] for kind in COLUMNS})
    text = f"{len(table)} compounds. Mean distance, meV/atom: {means}.\n\n{systems.markdown(lines)}"
    print(text)
    if options.write:
        systems.write_block("metal-rich", text)


if __name__ == "__main__":
    main()
