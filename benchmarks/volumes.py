"""Mean absolute errors of the volumes estimated by both values of ``substitution.volume``.

    python benchmarks/volumes.py --run results/Bi-Se --crystals 90

Known crystals of OQMD: the volume estimated from their geometry is compared with their DFT volume, for a random sample
of each kind of compound. Crystals of a finished run: the estimated volume is compared with that after relaxation.
"""

import argparse
import random
import sys
import warnings
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import numpy as np  # noqa: E402
from pymatgen.core import Structure  # noqa: E402

from ccdcgan.crystals.structures import read_set, standard_cell  # noqa: E402
from ccdcgan.database.prototypes.oqmd import shipped_crystals  # noqa: E402
from ccdcgan.database.substitution import estimate_volume  # noqa: E402

WAYS = ("bonds", "elements")
MOST_ATOMS = 20


def kind_of(symbols: set[str]) -> str:
    """Return the kind of a compound, which is determined by its anion."""
    kinds = {"oxides": {"O"}, "sulfides, selenides, tellurides": {"S", "Se", "Te"}, "halides": {"F", "Cl", "Br", "I"}}
    return next((kind for kind, anions in kinds.items() if symbols & anions), "others")


def compare(what: str, pairs: list[tuple[Structure, float]]) -> None:
    """Print the errors of both estimates.

    Args:
        what: Name of the crystals.
        pairs: Geometry and reference volume (angstrom^3/atom) of each crystal.
    """
    errors = []
    for way in WAYS:
        estimates = [estimate_volume(structure, way) / len(structure) for structure, _ in pairs]
        errors.append(np.mean([abs(a / b - 1) for a, (_, b) in zip(estimates, pairs, strict=True)]))
    text = "   ".join(f"{way} {error:6.1%}" for way, error in zip(WAYS, errors, strict=True))
    print(f"{what:34} {len(pairs):4d} crystals   {text}", flush=True)


def main() -> None:
    """Print one line per set of crystals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder of a run with a finished database")
    parser.add_argument("--crystals", type=int, default=90, help="largest number of each kind")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # elements without a radius, which the predictor skips

    if arguments.run:
        relaxed = {c.id: c for c in read_set(arguments.run / "database/database.extxyz") if c.info["status"] == "ok"}
        before = [c for c in read_set(arguments.run / "database/substituted.extxyz") if c.id in relaxed]
        volumes = [relaxed[c.id].structure.volume / len(relaxed[c.id].structure) for c in before]
        compare(f"relaxed, {arguments.run.name}", [(c.structure, v) for c, v in zip(before, volumes, strict=True)])

    kinds = defaultdict(list)
    oqmd = shipped_crystals()
    for row in np.flatnonzero((oqmd.n_atoms <= MOST_ATOMS) & (oqmd.formation_energies < 0)).tolist():
        symbols = oqmd.symbols(row)
        if len(symbols) > 1:
            kinds[kind_of(symbols)].append(row)
    rng = random.Random(arguments.seed)
    for kind in sorted(kinds):
        chosen = rng.sample(kinds[kind], min(arguments.crystals, len(kinds[kind])))
        crystals = [standard_cell(oqmd.structure(row)) for row in chosen]
        compare(f"OQMD, {kind}", [(crystal, crystal.volume / len(crystal)) for crystal in crystals])


if __name__ == "__main__":
    main()
