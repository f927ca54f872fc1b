"""Formation energies of anion-rich crystals with each energy scheme: does a correction make them too stable?

    python benchmarks/anion_rich.py --systems V-O Sn-S Bi-Se

substitutes the elements into AFLOW's prototypes with at least MOST anions for each other atom, relaxes the crystals
with the default engine and prints, for each composition, the lowest formation energy (eV/atom) with each energy scheme.
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

from ccdcgan.crystals.elements import elemental_crystals  # noqa: E402
from ccdcgan.crystals.structures import Crystal, standard_cell  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.database.energy_scheme import SCHEMES, EnergyScheme  # noqa: E402
from ccdcgan.database.prototypes.aflow import read_aflow  # noqa: E402
from ccdcgan.database.substitution import substitute  # noqa: E402
from ccdcgan.database.thermodynamics import formation_energy, lowest_references  # noqa: E402
from ccdcgan.relaxation.batches import Journal, relax_batch  # noqa: E402
from ccdcgan_workflow.settings import relaxation_settings  # noqa: E402

MOST = 4.0
"""Smallest number of anions for each other atom."""
MAX_ATOMS, MAX_LENGTH = 20, 10.0
"""Largest number of atoms and largest cell length (angstrom), as in the default configuration."""


def anion_rich(elements: list[str], uniqueness: Uniqueness) -> list[Crystal]:
    """Return the crystals of AFLOW's prototypes in which the last element has MOST atoms for each other atom."""
    structures = [(entry.id, entry.structure) for entry in read_aflow(None) if len(entry.structure.composition) == 2]
    prototypes = [Crystal(name, standard_cell(structure)) for name, structure in structures if structure.is_ordered]
    small = [crystal for crystal in prototypes if len(crystal.structure) <= MAX_ATOMS]
    crystals, _ = substitute(small, elements, range(2, 3), MAX_LENGTH, uniqueness)
    least = MOST / (1 + MOST)
    return [one for one in crystals if one.structure.composition.get_atomic_fraction(elements[-1]) >= least - 1e-9]


def main() -> None:
    """Relax the crystals and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=["V-O", "Sn-S", "Bi-Se"], help="systems, the anion last")
    parser.add_argument("--folder", type=Path, default=Path("benchmark-anion-rich"), help="folder of the journal")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    config = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text(encoding="utf-8"))
    settings, uniqueness = relaxation_settings(config["relaxation"]), Uniqueness(config["matcher"])
    print("| composition | " + " | ".join(SCHEMES) + " |\n|---|" + "---|" * len(SCHEMES))
    for system in options.systems:
        elements = system.split("-")
        unaries = [crystal for element in elements for crystal in elemental_crystals(element)]
        crystals = [*unaries, *anion_rich(elements, uniqueness)]
        relaxed = relax_batch(crystals, settings, Journal(options.folder), system)
        zeros = lowest_references(relaxed, elements).set_index("element")["energy_per_atom"].to_dict()
        lowest: dict[str, list[float]] = {}
        for crystal in relaxed[len(unaries) :]:
            if crystal.info["status"] == "ok":
                raw = formation_energy(crystal.structure.composition, crystal.info["energy_per_atom"], zeros)
                energies = [raw + EnergyScheme(name).of(crystal.structure) for name in SCHEMES]
                others = lowest.setdefault(crystal.formula, energies)
                lowest[crystal.formula] = list(map(min, others, energies))
        for formula, energies in sorted(lowest.items()):
            print(f"| {formula} | " + " | ".join(f"{energy:.2f}" for energy in energies) + " |")


if __name__ == "__main__":
    main()
