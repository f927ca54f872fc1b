"""Smooth measures of near-duplicates, on pairs of crystals that relax to one another and on different polymorphs.

    python benchmarks/variants.py results/Bi-Se/database/database.extxyz benchmarks/data/systems.extxyz \
        --work results/variants --minutes 30 --figure docs/images/variants.png

Relaxed compounds are relaxed again with the default models from three starts: rattled slightly; rattled by 0.12
angstrom and strained by about 3 %; rattled slightly and with the third cell vector tilted by up to 8 % (layers
slide). Finished relaxations are in a journal in the work folder, so that the same command resumes. The ends of one
crystal whose energies agree within --energy are pairs that relax to one another. Pairs of crystals of one composition
from different prototypes are different, unless StructureMatcher finds them equal. The distances of both kinds are
compared for the fingerprint of Oganov and Valle and for average minimum distances (Widdowson et al., MATCH 87, 529
(2022)), resolved by pairs of elements.
"""

import argparse
import itertools
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from pymatgen.core import Lattice, Structure  # noqa: E402

from ccdcgan.crystals.fingerprints import fingerprint, fingerprint_distance  # noqa: E402
from ccdcgan.crystals.structures import Crystal, read_set, standard_cell  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.crystals.variants import VariantLimits  # noqa: E402
from ccdcgan.figures.style import BLUE, DPI, VERMILLION, new_figure, styled  # noqa: E402
from ccdcgan.utils.seeds import derive_seed  # noqa: E402

MATCHER = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0}
STARTS = ("start", "rattle", "shear")
NEIGHBOURS = 24
MEASURES = {"fingerprint": "fingerprint distance", "amd": "mean difference of average minimum distances"}


def perturbed(structure: Structure, start: str, seed: int) -> Structure:
    """Return a crystal near a relaxed one, see the text of the module."""
    random = np.random.default_rng(seed)
    strain = np.zeros((3, 3))
    if start == "rattle":
        strain = random.standard_normal((3, 3)) * 0.03
        strain = (strain + strain.T) / 2
    elif start == "shear":
        strain[2, :2] = random.uniform(-0.08, 0.08, 2)
    cell = Structure(Lattice(structure.lattice.matrix @ (np.eye(3) + strain)), structure.species, structure.frac_coords)
    moves = random.standard_normal((len(cell), 3)) * (0.12 if start == "rattle" else 0.05) / np.sqrt(3)
    return Structure(cell.lattice, cell.species, cell.cart_coords + moves, coords_are_cartesian=True)


def average_minimum_distances(structure: Structure, elements: list[str]) -> np.ndarray:
    """Return the mean distance to the k-th neighbour, k = 1 to NEIGHBOURS, for each ordered pair of elements.

    Distances are in units of the cube root of the volume per atom. The shape is (number of pairs, NEIGHBOURS).
    """
    scale = (structure.volume / len(structure)) ** (1 / 3)
    symbols = np.array([site.specie.symbol for site in structure])
    radius = 4 * scale
    while True:
        centres, others, _, distances = structure.get_neighbor_list(radius)
        of = {
            (atom, element): np.sort(distances[(centres == atom) & (symbols[others] == element)])[:NEIGHBOURS]
            for atom in range(len(symbols))
            for element in elements
        }
        if min(map(len, of.values())) == NEIGHBOURS:
            break
        radius *= 1.3
    pairs = itertools.product(elements, elements)
    return np.array(
        [np.mean([of[atom, other] for atom in np.flatnonzero(symbols == one)], axis=0) / scale for one, other in pairs]
    )


def relax_all(crystals: list[Crystal], journal: Path, minutes: float) -> None:
    """Relax the crystals from every start, within a time."""
    from ccdcgan.relaxation.mlip import MlipRelaxMaker

    done = (
        {record["key"] for record in map(json.loads, journal.read_text().splitlines())} if journal.exists() else set()
    )
    maker, deadline = MlipRelaxMaker(), time.monotonic() + 60 * minutes
    with journal.open("a") as handle:
        for crystal, start in itertools.product(crystals, STARTS):
            key = f"{crystal.id}|{start}"
            if key in done or time.monotonic() > deadline:
                continue
            end = maker.relax(perturbed(standard_cell(crystal.structure), start, derive_seed(1, key)))
            record = {"key": key, "name": crystal.id, "kind": start, "status": end.status}
            record |= {"energy": end.energy_per_atom, "species": [site.specie.symbol for site in end.structure]}
            record |= {"cell": end.structure.lattice.matrix.tolist(), "frac": end.structure.frac_coords.tolist()}
            handle.write(json.dumps(record) + "\n")
            handle.flush()


def pairs(journal: Path, energy: float) -> pd.DataFrame:
    """Return the pairs with kind, difference of energies (eV/atom), distances, and the verdict of StructureMatcher."""
    records = [record for record in map(json.loads, journal.read_text().splitlines()) if record["status"] == "ok"]
    uniqueness, features = Uniqueness(MATCHER), {}
    for record in records:
        structure = Structure(Lattice(record["cell"]), record["species"], record["frac"])
        elements = sorted(set(record["species"]))
        measures = fingerprint(structure, elements), average_minimum_distances(structure, elements)
        features[record["key"]] = (structure, *measures, structure.composition.reduced_formula)
    rows = []
    for one, other in itertools.combinations(records, 2):
        (first, print_1, amd_1, formula), (second, print_2, amd_2, formula_2) = (
            features[r["key"]] for r in (one, other)
        )
        same = one["name"] == other["name"]
        if formula != formula_2 or (not same and not one["kind"] == other["kind"] == "start"):
            continue
        apart, matched = abs(one["energy"] - other["energy"]), uniqueness.equal(first, second)
        alike = apart <= energy if same else matched
        rows.append(
            {
                "first": one["key"],
                "second": other["key"],
                "kind": "same" if alike else "another minimum" if same else "polymorphs",
                "energy": apart,
                "fingerprint": fingerprint_distance(print_1, print_2),
                "amd": float(np.abs(amd_1 - amd_2).mean()),
                "matched": matched,
            }
        )
    return pd.DataFrame(rows)


@styled
def histogram(table: pd.DataFrame):
    """Draw the distances of both kinds of pairs, and the limit of the workflow."""
    figure = new_figure(8.0, 3.2)
    for axes, (measure, label) in zip(figure.subplots(1, 2), MEASURES.items(), strict=True):
        bins = np.geomspace(max(table[measure].min(), 1e-5), table[measure].max(), 40)
        alike = table["kind"] == "same"
        for chosen, colour, name in ((alike, BLUE, "relax to one another"), (~alike, VERMILLION, "different crystals")):
            axes.hist(table.loc[chosen, measure].clip(lower=bins[0]), bins, color=colour, alpha=0.7, label=name)
        axes.set(xscale="log", xlabel=label, ylabel="pairs")
        if measure == "fingerprint":
            axes.axvline(VariantLimits().distance, color="black", linestyle="--", linewidth=1)
            axes.legend(frameon=False, fontsize=8)
    return figure


def main() -> None:
    """Relax, compare, and print the ranges of both measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crystals", type=Path, nargs="+", help="structure sets of relaxed crystals")
    parser.add_argument("--work", type=Path, default=Path("results/variants"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--energy", type=float, default=VariantLimits().energy, help="eV/atom")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()

    sets = [[c for c in read_set(path) if len(c.structure.composition) > 1] for path in arguments.crystals]
    chosen = [c for some in sets for c in some if c.info.get("status", "ok") == "ok" and len(c.structure) <= 20]
    order = np.random.default_rng(1).permutation(len(chosen))
    arguments.work.mkdir(parents=True, exist_ok=True)
    journal = arguments.work / "journal.jsonl"
    relax_all([chosen[i] for i in order], journal, arguments.minutes)
    table = pairs(journal, arguments.energy)
    table.to_csv(arguments.work / "pairs.csv", index=False)
    for kind, group in table.groupby("kind"):
        print(f"{kind}: {len(group)} pairs, {group['matched'].sum()} equal by StructureMatcher")
        for measure in MEASURES:
            spread = " ".join(f"{value:.4f}" for value in group[measure].quantile([0, 0.05, 0.5, 0.95, 1]))
            print(f"  {measure:12s} smallest, 5 %, median, 95 %, largest: {spread}")
        near = group[group["energy"] <= arguments.energy]
        least = f", fingerprint from {near['fingerprint'].min():.4f}" if len(near) else ""
        print(f"  within {1000 * arguments.energy:g} meV/atom: {len(near)}{least}")
    if arguments.figure:
        histogram(table).savefig(arguments.figure, dpi=DPI, metadata={"Software": None})


if __name__ == "__main__":
    main()
