r"""Errors of the potentials on hypothetical crystals: formation energies compared with PBE at the same geometry.

    python benchmarks/hypothetical.py --run results/Bi-Se --work results/hypothetical --minutes 20

selects small symmetric crystals of a run's database and candidates, spread over composition and energy. It computes
each with GPAW (PBE) and with every model at the same geometry, and adds them to the reference points of the workflow
(`ccdcgan/database/data`). Finished crystals are recorded in a journal, so the same command resumes where it stopped. An
SCF calculation takes ten seconds to two minutes on one core. Crystals that were relaxed with relaxation.displacement 0
keep the symmetry of their prototypes, which makes them cheap. Of other crystals few are symmetric within --symprec, and
their SCF calculations take minutes (--max-cost). --again computes the crystals of a journal a second time with other
settings, which shows how well the first ones are converged:

    python benchmarks/hypothetical.py --again results/hypothetical/journal.jsonl --work results/converged \
        --encut 500 --k-length 40 --count 8

--relax relaxes them with PBE, the generated ones first and cheap ones before expensive ones, which shows how much of
the error is due to the geometry. The relaxation uses few k-points (--relax-k-length), the final energy is computed with
the settings of the journal, and the reference points get the formation energy (`pbe_relaxed`) to which corrections are
fitted:

    python benchmarks/hypothetical.py --relax results/hypothetical/journal.jsonl --work results/relaxed --minutes 60
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import pandas as pd  # noqa: E402
import spglib  # noqa: E402
import yaml  # noqa: E402
from pymatgen.core import Structure  # noqa: E402

from ccdcgan.crystals.structures import Crystal, read_set, symmetrised, to_atoms, write_set  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.database.energy_correction import RELAXED  # noqa: E402
from ccdcgan.database.thermodynamics import formation_energy  # noqa: E402
from ccdcgan.relaxation.dft.gpaw import GpawRelaxMaker  # noqa: E402
from ccdcgan.relaxation.dft.kpoints import gamma_mesh  # noqa: E402
from ccdcgan.relaxation.mlip import MODELS, load_calculator  # noqa: E402
from ccdcgan.utils.files import read_csv  # noqa: E402
from ccdcgan.utils.progress import Progress  # noqa: E402

SYMPREC = 0.05
"""Tolerance (angstrom) of the symmetrisation of the elements; a much larger one would make bismuth cubic."""
SAME = 0.002
"""Energy difference (eV/atom) below which crystals of one composition count as one."""


def cost(structure: Structure, k_length: float) -> float:
    """Return the cost of an SCF calculation: irreducible k-points times volume (angstrom^3) times number of atoms."""
    cell = (structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])
    mapping, _ = spglib.get_ir_reciprocal_mesh(gamma_mesh(structure, k_length), cell, is_shift=[0, 0, 0])
    return len(set(mapping)) * structure.volume * len(structure)


def choose(
    crystals: list[Crystal], symprec: float, max_cost: float, max_energy: float, k_length: float
) -> list[Crystal]:
    """Return the affordable crystals, symmetrised, in the order to compute.

    The order alternates between compositions. The first crystal of a composition is its lowest. Each further one is the
    one farthest in formation energy from those before it, so the second is the highest.

    Args:
        crystals: Crystals with their formation energies.
        symprec: Tolerance of the symmetrisation, angstrom.
        max_cost: Largest cost, see :func:`cost`.
        max_energy: Largest formation energy, eV/atom.
        k_length: Length that determines the k-point mesh, angstrom.
    """
    groups: dict[str, list[Crystal]] = {}
    for crystal in sorted(crystals, key=lambda c: (c.info["formation_energy"], c.id)):
        group = groups.setdefault(crystal.formula, [])
        energy = crystal.info["formation_energy"]
        if energy > max_energy or (group and energy - group[-1].info["formation_energy"] < SAME):
            continue
        structure = symmetrised(crystal.structure, symprec)
        if cost(structure, k_length) <= max_cost:
            group.append(replace(crystal, structure=structure))
    ordered = [_spread(group) for group in groups.values() if group]
    turns = max(map(len, ordered), default=0)
    return [crystal for turn in range(turns) for group in ordered for crystal in group[turn : turn + 1]]


def _spread(group: list[Crystal]) -> list[Crystal]:
    """Return crystals, sorted by energy, in an order in which the first n are spread over their energies for any n."""
    remaining, ordered = group[1:], group[:1]
    while remaining:
        farthest = max(
            remaining, key=lambda c: min(abs(c.info["formation_energy"] - o.info["formation_energy"]) for o in ordered)
        )
        ordered.append(farthest)
        remaining.remove(farthest)
    return ordered


def compute(crystal: Crystal, maker: GpawRelaxMaker, source: str) -> dict:
    """Return the journal's record of one crystal: energies (eV/atom) of all methods at its geometry."""
    structure = crystal.structure
    atoms = to_atoms(structure)
    start = time.process_time()
    atoms.calc = maker.stages(structure)[0].calculator
    energies = {"pbe": atoms.get_potential_energy() / len(atoms)}
    seconds = time.process_time() - start
    for model in MODELS:
        atoms.calc = load_calculator(model, "cpu")
        energies[model] = float(atoms.get_potential_energy()) / len(atoms)
    return {
        "id": crystal.id,
        "source": source,
        "structure": structure.as_dict(),
        "energies": energies,
        "cpu_seconds": round(seconds),
    }


def measured(records: dict[str, dict], references: dict[str, str]) -> list[Crystal]:
    """Return the crystals with their formation energies (eV/atom) by PBE and by every model.

    Args:
        records: Id of a crystal -> its record.
        references: Element -> id of its reference crystal.
    """
    zeros = {
        method: {element: records[name]["energies"][method] for element, name in references.items()}
        for method in ("pbe", *MODELS)
    }
    crystals = []
    for name, record in records.items():
        structure = Structure.from_dict(record["structure"])
        info = {"source": record["source"], "space_group": structure.get_space_group_info(SYMPREC)[0]}
        for method, energy in record["energies"].items():
            info[method] = round(formation_energy(structure.composition, energy, zeros[method]), 4)
        crystals.append(Crystal(name, structure, info | {"cpu_seconds": record["cpu_seconds"]}))
    return crystals


def joined(path: Path, new: list[Crystal]) -> list[Crystal]:
    """Return the new crystals and the other crystals of a set, sorted by formula and energy."""
    names = {crystal.id for crystal in new}
    old = [crystal for crystal in read_set(path) if crystal.id not in names] if path.exists() else []
    return sorted([*old, *new], key=lambda crystal: (crystal.formula, crystal.info["pbe"]))


def compare(journal: Path, maker: GpawRelaxMaker, work: Path, count: int, minutes: float) -> None:
    """Compute the first crystals of a journal a second time, within the time limit; print the energy differences.

    Args:
        journal: Journal of the first calculations.
        maker: Maker of the new calculations.
        work: Folder of the new journal.
        count: Number of compounds.
        minutes: Time after which no crystal is started.
    """
    before = {record["id"]: record for record in map(json.loads, journal.read_text().splitlines())}
    elements = {name: record for name, record in before.items() if record["source"] == "element"}
    compounds = [record for name, record in before.items() if name not in elements][:count]
    again = [*elements.values(), *compounds]
    crystals = [(record["source"], Crystal(record["id"], Structure.from_dict(record["structure"]))) for record in again]
    records = work_through(crystals, maker, work / "journal.jsonl", minutes)
    references = {Structure.from_dict(record["structure"])[0].specie.symbol: name for name, record in elements.items()}
    first, second = measured({name: before[name] for name in records}, references), measured(records, references)
    rows = {c.id: (c.formula, c.info["pbe"], d.info["pbe"]) for c, d in zip(first, second, strict=True)}
    shown = pd.DataFrame.from_dict(rows, orient="index", columns=["formula", "before", "again"]).drop(list(elements))
    change = shown["again"] - shown["before"]
    print(shown.assign(change=change.round(4)).to_string())
    print(f"{len(change)} crystals, mean change {change.mean():.4f}, absolute {change.abs().mean():.4f} eV/atom")


def relax(journal: Path, maker: GpawRelaxMaker, k_length: float, work: Path, minutes: float, output: Path) -> None:
    """Relax the crystals of a journal with PBE, within the time limit, and add the energies to the reference points.

    The formation energies before and after are printed.

    Args:
        journal: Journal of the crystals.
        maker: Maker of the final calculations.
        k_length: Length that determines the k-point mesh during the relaxations, angstrom.
        work: Folder of the new journal.
        minutes: Time after which no crystal is started.
        output: Structure set of the reference points.
    """
    before = {record["id"]: record for record in map(json.loads, journal.read_text().splitlines())}
    order = {"element": 0, "candidates": 1, "database": 2}
    records = sorted(before.values(), key=lambda record: (order[record["source"]], record["cpu_seconds"]))
    coarse = replace(maker, k_length=k_length, fmax=0.1, max_steps=60, wall_clock=3600, work_dir=str(work / "steps"))

    def minimum(crystal: Crystal, _: GpawRelaxMaker, source: str) -> dict:
        done = coarse.relax(crystal.structure)
        if done.status != "ok":
            return {"id": crystal.id, "source": source, "failed": done.reason, "cpu_seconds": 0}
        relaxed, start = compute(replace(crystal, structure=done.structure), maker, source), before[crystal.id]
        # with few k-points the energy can increase slightly
        lower = min(relaxed, start, key=lambda record: record["energies"]["pbe"])
        return lower | {"n_steps": done.n_steps}

    crystals = [(r["source"], Crystal(r["id"], Structure.from_dict(r["structure"]))) for r in records]
    done = work_through(crystals, maker, work / "journal.jsonl", minutes, minimum)
    done = {name: record for name, record in done.items() if "failed" not in record}
    references = {
        Structure.from_dict(r["structure"])[0].specie.symbol: r["id"] for r in records if not order[r["source"]]
    }
    pairs = list(
        zip(measured({name: before[name] for name in done}, references), measured(done, references), strict=True)
    )
    same = Uniqueness(yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text())["matcher"])
    rows = {
        one.id: {
            "formula": one.formula,
            "potential": one.info["7net-l3i5"],
            "PBE there": one.info["pbe"],
            "PBE relaxed": other.info["pbe"],
            "volume change": round(other.structure.volume / one.structure.volume - 1, 3),
            "same": same.equal(one.structure, other.structure),
            "steps": done[one.id]["n_steps"],
        }
        for one, other in pairs
    }
    print(pd.DataFrame.from_dict(rows, orient="index").to_string())
    after = {one.id: other.info["pbe"] for one, other in pairs}
    write_set(output, [_lowered(crystal, after.get(crystal.id)) for crystal in joined(output, [])])


def _lowered(crystal: Crystal, relaxed: float | None) -> Crystal:
    """Return a reference point with the formation energy (eV/atom) after a PBE relaxation, if it is the lowest known.

    An earlier relaxation may have reached a lower energy.
    """
    lowest = crystal.info.get(RELAXED)
    if relaxed is None or (lowest is not None and lowest <= relaxed):
        return crystal
    return replace(crystal, info=crystal.info | {RELAXED: relaxed})


def crystals_of(run: Path) -> dict[str, list[Crystal]]:
    """Return the relaxed crystals of a run: those of its database, and the candidates that are not in it.

    Every run numbers its candidates from 0, so their ids get the name of the run as a prefix.
    """
    database = [c for c in read_set(run / "database/database.extxyz") if c.info["status"] == "ok"]
    candidates = []
    for path in sorted(run.glob("candidates/*/placed.extxyz")):
        new = read_csv(path.with_suffix(".csv")).set_index("id")["novel"].astype(str)
        candidates += [c for c in read_set(path) if c.info["status"] == "ok" and new[c.id] == "True"]
    named = [replace(c, id=f"{run.name}/{c.id}") for c in {c.id: c for c in candidates}.values()]
    return {"database": database, "candidates": named}


def main() -> None:
    """Compute crystals within the time limit and write the reference points."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="results/Bi-Se", help="folder of a finished run")
    parser.add_argument("--work", default="results/hypothetical", help="folder of the journal and the logs of GPAW")
    parser.add_argument("--output", default=str(ROOT / "workflow_scripts/ccdcgan/database/data/Bi-Se.extxyz"))
    parser.add_argument("--count", type=int, default=40, help="number of crystals of the database")
    parser.add_argument("--candidates", type=int, default=10, help="number of candidates")
    parser.add_argument("--symprec", type=float, default=SYMPREC, help="angstrom, tolerance of the symmetrisation")
    parser.add_argument("--max-cost", type=float, default=25000, help="k-points x volume (angstrom^3) x atoms")
    parser.add_argument("--max-energy", type=float, default=0.3, help="eV/atom, highest formation energy")
    parser.add_argument("--encut", type=float, default=400, help="eV")
    parser.add_argument("--k-length", type=float, default=30, help="angstrom")
    parser.add_argument("--again", type=Path, help="journal whose crystals are computed a second time")
    parser.add_argument("--relax", type=Path, help="journal whose crystals are relaxed with PBE")
    parser.add_argument("--relax-k-length", type=float, default=20, help="angstrom, during the relaxations of --relax")
    parser.add_argument("--minutes", type=float, default=1e9, help="time after which no crystal is started")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run, work = Path(arguments.run), Path(arguments.work)
    maker = GpawRelaxMaker(encut=arguments.encut, k_length=arguments.k_length, work_dir=str(work))
    if arguments.again:
        compare(arguments.again, maker, work, arguments.count, arguments.minutes)
        return
    if arguments.relax:
        relax(arguments.relax, maker, arguments.relax_k_length, work, arguments.minutes, Path(arguments.output))
        return
    lowest = pd.read_csv(run / "database/references.csv")
    elements = [c for c in read_set(run / "database/references.extxyz") if c.id in set(lowest["id"])]
    chosen = [("element", replace(c, structure=symmetrised(c.structure, SYMPREC))) for c in elements]
    for (source, crystals), count in zip(
        crystals_of(run).items(), (arguments.count, arguments.candidates), strict=True
    ):
        affordable = choose(crystals, arguments.symprec, arguments.max_cost, arguments.max_energy, arguments.k_length)
        if not affordable:
            print(
                f"{source}: no crystal of {len(crystals)} is affordable (--max-cost {arguments.max_cost:g}, "
                f"--max-energy {arguments.max_energy:g}, --symprec {arguments.symprec:g}); increase one of them."
            )
        chosen += [(source, crystal) for crystal in affordable[:count]]
    records = work_through(chosen, maker, work / "journal.jsonl", arguments.minutes)
    references = dict(zip(lowest["element"], lowest["id"], strict=True))
    if set(references.values()) < set(records):
        crystals = joined(Path(arguments.output), measured(records, references))
        write_set(arguments.output, crystals)
        for model in MODELS:
            error = pd.Series([c.info[model] - c.info["pbe"] for c in crystals if len(c.structure.composition) > 1])
            print(f"{model}: {len(error)} crystals, mean error {error.mean():.3f}, absolute {error.abs().mean():.3f}")


def work_through(
    chosen: list[tuple[str, Crystal]],
    maker: GpawRelaxMaker,
    journal: Path,
    minutes: float,
    process: Callable[[Crystal, GpawRelaxMaker, str], dict] = compute,
) -> dict:
    """Process the crystals that are not in the journal, within the time limit; return all records by id.

    Args:
        chosen: Pairs of source and crystal.
        maker: Maker of the GPAW calculations.
        journal: File of the records, one line of JSON each.
        minutes: Time after which no crystal is started.
        process: Function that returns the record of a crystal.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    lines = journal.read_text().splitlines() if journal.exists() else []
    records = {record["id"]: record for record in map(json.loads, lines)}
    progress = Progress(len(chosen), "PBE", done=sum(crystal.id in records for _, crystal in chosen), interval=0)
    end = time.monotonic() + 60 * minutes
    for source, crystal in chosen:
        if crystal.id in records or time.monotonic() > end:
            continue
        records[crystal.id] = process(crystal, maker, source)
        with open(journal, "a") as handle:
            handle.write(json.dumps(records[crystal.id]) + "\n")
        progress.advance(note=f"{crystal.formula}, {records[crystal.id]['cpu_seconds']} s")
    return records


if __name__ == "__main__":
    main()
