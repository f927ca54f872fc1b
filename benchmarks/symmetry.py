"""Symmetrisation of relaxed crystals: share of P1 before and after, energies, processor time.

    python benchmarks/symmetry.py benchmarks/data/verified-Bi-Se.extxyz \
        workflow_scripts/ccdcgan/database/data/Bi-Se.extxyz --work results/symmetry

Takes the generated candidates of the structure sets (ids that contain the name of a scheme), or every crystal with
--all. Their energies are those of the last default model at the given geometry, which the default models relaxed. A
journal in the work folder resumes.
"""

import argparse
import os
import re
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer  # noqa: E402

from ccdcgan.crystals.structures import read_set, standard_cell, to_atoms  # noqa: E402
from ccdcgan.relaxation.batches import Journal  # noqa: E402
from ccdcgan.relaxation.mlip import load_calculator  # noqa: E402
from ccdcgan.relaxation.symmetrisation.batches import symmetrise_batch  # noqa: E402
from ccdcgan.schemes import SCHEMES  # noqa: E402
from ccdcgan_workflow.settings import relaxation_settings  # noqa: E402


def space_group(structure) -> str:
    """Return the space group as in the tables of a run, within 0.1 angstrom."""
    return SpacegroupAnalyzer(structure, symprec=0.1).get_space_group_symbol()


def main() -> None:
    """Symmetrise and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crystals", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, default=Path("results/symmetry"))
    parser.add_argument("--all", action="store_true", help="also crystals that no scheme generated")
    arguments = parser.parse_args()

    crystals = {}
    for path in arguments.crystals:
        for crystal in read_set(path):
            generated = re.search(rf"(^|/)({'|'.join(map(re.escape, SCHEMES))})-\d", crystal.id)
            if len(crystal.structure.composition) > 1 and (arguments.all or generated):
                crystals.setdefault(crystal.id, crystal)
    config = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text())["relaxation"]
    calculator = load_calculator(config["mlip"]["models"][-1], "cpu")
    starts = []
    for crystal in crystals.values():
        atoms = to_atoms(crystal.structure)
        atoms.calc = calculator
        energy = float(atoms.get_potential_energy()) / len(atoms)
        starts.append(crystal.updated(status="ok", energy_per_atom=energy, fmax=np.nan, n_steps=0, relax_seconds=0.0))
    ends = symmetrise_batch(starts, relaxation_settings(config), Journal(arguments.work), "benchmark")
    rows = [
        {
            "id": end.id,
            "formula": end.formula,
            "before": space_group(standard_cell(start.structure)),
            "after": space_group(standard_cell(end.structure)),
            **{name: end.info[name] for name in ("symmetrisation", "symmetry_tolerance", "symmetry_energy")},
            "seconds": end.info["relax_seconds"],
        }
        for start, end in zip(starts, ends, strict=True)
    ]
    table = pd.DataFrame(rows)
    table.to_csv(arguments.work / "symmetry.csv", index=False)
    print(table.to_string())
    print(Counter(table["symmetrisation"]))
    for when in ("before", "after"):
        print(f"P1 {when}: {(table[when] == 'P1').sum()} of {len(table)}")
    accepted = table.loc[table["symmetrisation"] == "symmetrised", "symmetry_energy"]
    print(f"energy of the accepted ones: {1000 * accepted.min():.2f} to {1000 * accepted.max():.2f} meV/atom")
    tried = table[table["symmetrisation"] != "no higher symmetry"]
    print(f"time: {table['seconds'].mean():.1f} s per crystal, {tried['seconds'].mean():.1f} s if a symmetry is tried")


if __name__ == "__main__":
    main()
