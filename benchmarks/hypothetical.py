"""How far the potentials are off on hypothetical crystals: formation energies against PBE at the same geometry.

    python benchmarks/hypothetical.py --run results/Bi-Se --work results/hypothetical --minutes 20

takes the smallest relaxed crystals of a run's database, spread over composition and energy, computes each with
GPAW (PBE) and with every model at one geometry, and writes docs/data/hypothetical.csv. Finished crystals stand
in a journal: the same command goes on where it stopped. An SCF takes one to three minutes on one core.
"""

import argparse
import json
import logging
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import pandas as pd  # noqa: E402

from ccdcgan.files import write_csv  # noqa: E402
from ccdcgan.progress import Progress  # noqa: E402
from ccdcgan.relaxation.gpaw import GpawRelaxMaker  # noqa: E402
from ccdcgan.relaxation.mlip import MODELS, load_calculator  # noqa: E402
from ccdcgan.structures import Crystal, read_set, symmetrised, to_atoms  # noqa: E402
from ccdcgan.thermodynamics import formation_energy  # noqa: E402

SYMPREC = 0.05
"""Distance (angstrom) within which a relaxed crystal is made symmetric, for all engines alike."""


def choose(crystals: list[Crystal], max_atoms: int, max_energy: float) -> list[Crystal]:
    """Return the crystals in the order to compute: elements, then two to a composition in turn, lowest first.

    Crystals of one composition within 2 meV/atom count as one; those above max_energy (eV/atom) are left out.
    """
    rows = sorted(crystals, key=lambda c: (len(c.structure), c.info["formation_energy"], c.id))
    kinds: dict[str, list[Crystal]] = {}
    seen = set()
    for crystal in rows:
        kind = (crystal.formula, round(crystal.info["formation_energy"] / 0.002))
        if len(crystal.structure) <= max_atoms and crystal.info["formation_energy"] <= max_energy and kind not in seen:
            seen |= {kind, (kind[0], kind[1] + 1), (kind[0], kind[1] - 1)}
            kinds.setdefault(crystal.formula, []).append(crystal)
    turns = max(map(len, kinds.values()), default=0)
    return [crystal for turn in range(turns) for group in kinds.values() for crystal in group[turn : turn + 1]]


def compute(crystal: Crystal, maker: GpawRelaxMaker) -> dict:
    """Return energies per atom (eV) of one crystal by PBE and by every model, at one symmetric geometry."""
    structure = symmetrised(crystal.structure, SYMPREC)
    atoms = to_atoms(structure)
    start = time.process_time()
    atoms.calc = maker.stages(structure)[0].calculator
    energies = {"pbe": atoms.get_potential_energy() / len(atoms)}
    seconds = time.process_time() - start
    for model in MODELS:
        atoms.calc = load_calculator(model, "cpu")
        energies[model] = float(atoms.get_potential_energy()) / len(atoms)
    return {"id": crystal.id, "structure": structure.as_dict(), "energies": energies, "cpu_seconds": round(seconds)}


def table(records: dict[str, dict], crystals: dict[str, Crystal], references: dict[str, str]) -> pd.DataFrame:
    """Return one row per compound: formation energy (eV/atom) by PBE and by every model."""
    zeros = {
        method: {element: records[name]["energies"][method] for element, name in references.items()}
        for method in ("pbe", *MODELS)
    }
    rows = []
    for name, record in records.items():
        if name in references.values():
            continue
        crystal = crystals[name]
        row = {"id": name, "formula": crystal.formula, "n_atoms": len(crystal.structure)}
        row["space_group"] = crystal.info["space_group"]
        for method, energy in record["energies"].items():
            row[method] = round(formation_energy(crystal.structure.composition, energy, zeros[method]), 4)
        rows.append(row | {"cpu_seconds": record["cpu_seconds"]})
    return pd.DataFrame(rows)


def main() -> None:
    """Compute what the time allows and write the table of all that is finished."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="results/Bi-Se", help="a finished run's folder")
    parser.add_argument("--work", default="results/hypothetical", help="folder of the journal and of GPAW's logs")
    parser.add_argument("--output", default=str(ROOT / "docs/data/hypothetical.csv"))
    parser.add_argument("--count", type=int, default=40, help="compounds to compute")
    parser.add_argument("--max-atoms", type=int, default=4)
    parser.add_argument("--max-energy", type=float, default=0.3, help="eV/atom, highest formation energy")
    parser.add_argument("--encut", type=float, default=400, help="eV")
    parser.add_argument("--k-length", type=float, default=30, help="angstrom")
    parser.add_argument("--minutes", type=float, default=1e9, help="start no crystal after this long")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run, work = Path(arguments.run), Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    lowest = pd.read_csv(run / "database/references.csv")
    elements = [c for c in read_set(run / "database/references.extxyz") if c.id in set(lowest["id"])]
    database = [c for c in read_set(run / "database/database.extxyz") if c.info["status"] == "ok"]
    chosen = elements + choose(database, arguments.max_atoms, arguments.max_energy)[: arguments.count]
    journal = work / "journal.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    records = {record["id"]: record for record in map(json.loads, lines)}
    maker = GpawRelaxMaker(encut=arguments.encut, k_length=arguments.k_length, work_dir=str(work))
    progress = Progress(len(chosen), "PBE", done=sum(crystal.id in records for crystal in chosen), interval=0)
    end = time.monotonic() + 60 * arguments.minutes
    for crystal in chosen:
        if crystal.id in records or time.monotonic() > end:
            continue
        records[crystal.id] = compute(crystal, maker)
        with open(journal, "a") as handle:
            handle.write(json.dumps(records[crystal.id]) + "\n")
        progress.advance(note=f"{crystal.formula}, {records[crystal.id]['cpu_seconds']} s")
    references = dict(zip(lowest["element"], lowest["id"], strict=True))
    if set(references.values()) <= set(records):
        wanted = {crystal.id for crystal in chosen}
        frame = table({k: v for k, v in records.items() if k in wanted}, {c.id: c for c in chosen}, references)
        write_csv(arguments.output, frame)
        for model in MODELS:
            error = frame[model] - frame["pbe"]
            print(f"{model}: {len(error)} crystals, mean error {error.mean():.3f}, absolute {error.abs().mean():.3f}")


if __name__ == "__main__":
    main()
