"""Lattice constants and formation energies of the known phases of a system, from every potential and from DFT (OQMD).

    python benchmarks/accuracy.py

relaxes the compounds of the system in OQMD (ICSD structures, PBE; shipped with the workflow) and the lowest
crystal of each element with every model. It prints one table of formation energies and one of lattice constants, with
the experimental ones, in Markdown.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import yaml  # noqa: E402
from pymatgen.core import Structure  # noqa: E402
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer  # noqa: E402

from ccdcgan.database.prototypes.oqmd import shipped_crystals  # noqa: E402
from ccdcgan.database.thermodynamics import convex_hull, formation_energy  # noqa: E402
from ccdcgan.relaxation.mlip import MODELS, MlipRelaxMaker  # noqa: E402
from ccdcgan_workflow.settings import relaxation_settings  # noqa: E402

SYMPREC = 0.1
"""Tolerance (angstrom) of the symmetry search in a relaxed crystal."""
EXPERIMENT = {
    "Bi | R-3m": "4.55, 11.86",  # Cucka and Barrett, Acta Cryst. 15, 865 (1962)
    "Se | P3_121": "4.37, 4.95",  # Cherin and Unger, Inorg. Chem. 6, 1589 (1967)
    "Bi2Se3 | R-3m": "4.14, 28.64",  # Nakajima, J. Phys. Chem. Solids 24, 479 (1963)
}
"""Formula and space group -> experimental edges (angstrom) of the conventional cell at room temperature."""


def known_phases(elements: list[str], max_atoms: int) -> list[tuple[Structure, float]]:
    """Return the compounds of a system in OQMD and the lowest crystal of each element.

    Args:
        elements: Elements of the system.
        max_atoms: Largest number of atoms in the cell.

    Returns:
        Crystals with their DFT formation energies, eV/atom.
    """
    lowest: dict[tuple, tuple[Structure, float]] = {}
    oqmd = shipped_crystals()
    for row in oqmd.rows_of(elements):
        if oqmd.n_atoms[row] > max_atoms:
            continue
        structure, energy = oqmd.structure(row), float(oqmd.formation_energies[row])
        formula = structure.composition.reduced_formula
        kind = (formula, oqmd.spacegroups[row]) if len(structure.elements) > 1 else (formula,)
        if kind not in lowest or energy < lowest[kind][1]:
            lowest[kind] = (structure, energy)
    return sorted(lowest.values(), key=lambda phase: (len(phase[0].elements), phase[0].formula, phase[1]))


def lattice(structure: Structure) -> str:
    """Return the edges (angstrom) of the conventional cell as text, equal ones once."""
    symmetry = SpacegroupAnalyzer(structure, symprec=SYMPREC)
    edges = symmetry.get_conventional_standard_structure().lattice.abc
    return ", ".join(dict.fromkeys(f"{edge:.2f}" for edge in edges))


def on_hull(structures: list[Structure], energies: list[float], elements: list[str]) -> str:
    """Return the formulas of the compounds on the hull of the given formation energies (eV/atom)."""
    hull = convex_hull([structure.composition for structure in structures], energies, elements)
    compounds = [entry.composition for entry in hull.stable_entries if len(entry.composition.elements) > 1]
    return ", ".join(sorted(composition.reduced_formula for composition in compounds))


def main() -> None:
    """Relax all phases with all models and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", nargs="+", default=["Bi", "Se"])
    parser.add_argument("--max-atoms", type=int, default=20)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    settings = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text())["relaxation"]
    settings = relaxation_settings(settings)
    shared = {key: settings[key] for key in ("fmax", "max_steps", "optimizer", "stiffness")}
    phases = known_phases(arguments.elements, arguments.max_atoms)
    structures, dft = [structure for structure, _ in phases], [energy for _, energy in phases]
    energies, lattices = {"OQMD": dft}, {"OQMD": [lattice(structure) for structure in structures]}
    for model in arguments.models:
        maker = MlipRelaxMaker(models=[model], device="cpu", **shared)
        relaxed = []
        for structure in structures:
            relaxed.append(maker.relax(structure))
            result = relaxed[-1]
            print(model, structure.formula, result.status, f"{result.energy_per_atom:.4f}", file=sys.stderr, flush=True)
        zeros = {
            structure.elements[0].symbol: result.energy_per_atom
            for structure, result in zip(structures, relaxed, strict=True)
            if len(structure.elements) == 1
        }
        energies[model] = [
            formation_energy(structure.composition, result.energy_per_atom, zeros)
            for structure, result in zip(structures, relaxed, strict=True)
        ]
        lattices[model] = [lattice(result.structure) for result in relaxed]
    names = [f"{s.composition.reduced_formula} | {s.get_space_group_info(SYMPREC)[0]}" for s in structures]
    heads = f"| crystal | space group | {' | '.join(energies)} |\n{'|---' * (len(energies) + 2)}|"
    print(heads)
    compounds = [number for number, structure in enumerate(structures) if len(structure.elements) > 1]
    for number in compounds:
        print(f"| {names[number]} | {' | '.join(f'{column[number]:.3f}' for column in energies.values())} |")
    errors = {name: [abs(column[n] - dft[n]) for n in compounds] for name, column in energies.items()}
    print(f"| largest difference | | {' | '.join(f'{max(values):.3f}' for values in errors.values())} |")
    means = [sum(values) / len(values) for values in errors.values()]
    print(f"| mean absolute difference | | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    hulls = [on_hull(structures, column, arguments.elements) for column in energies.values()]
    print(f"| on the hull | | {' | '.join(hulls)} |\n\n{heads.replace('group |', 'group | experiment |')}---|")
    for number, name in enumerate(names):
        print(f"| {name} | {' | '.join([EXPERIMENT.get(name, ''), *(c[number] for c in lattices.values())])} |")


if __name__ == "__main__":
    main()
