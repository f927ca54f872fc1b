"""Formation energies and hull distances of known compounds in many chemical systems, beside OQMD and experiment.

    python benchmarks/systems.py            # the tables, from the relaxed crystals in benchmarks/data/systems.extxyz
    python benchmarks/systems.py --write    # the same, to docs/validation/systems.md and the table of typical errors
    python benchmarks/systems.py --relax    # relax the crystals that the file lacks (all 350: 15 minutes of one core)

The compounds are the known ones of OQMD/ICSD nearest to OQMD's hull, with up to MAX_ATOMS atoms. They are relaxed with
the default engine, as the workflow relaxes the known phases of a system. The references are the elements' crystals of
the workflow. Experimental enthalpies of formation at 298 K (benchmarks/data/experiment.csv, kJ/mol of formula units)
are from the CRC Handbook of Chemistry and Physics; they contain the heat capacities, some 0.01 eV/atom.
"""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402
from pymatgen.core import Composition  # noqa: E402

from ccdcgan.crystals.elements import elemental_crystals  # noqa: E402
from ccdcgan.crystals.structures import Crystal, read_set, write_set  # noqa: E402
from ccdcgan.database.energy_scheme import AUTO, MP2020, EnergyScheme  # noqa: E402
from ccdcgan.database.known_phases import known_crystals  # noqa: E402
from ccdcgan.database.prototypes.oqmd import shipped_crystals  # noqa: E402
from ccdcgan.database.thermodynamics import convex_hull, formation_energy, hull_distance, lowest_references  # noqa: E402
from ccdcgan.database.typical_errors import TABLE, UNCORRECTED_SYSTEMS, class_of  # noqa: E402

NAMES = """
V-O Fe-O Mn-O Cr-O Co-O Ni-O W-O Mo-O Si-O Mg-O Zn-O Al-O Ti-O Na-O K-O La-O Bi-O Li-F Ca-F Fe-F Mn-F K-F Na-Cl
Mg-Cl Cs-Cl Cu-Cl K-Br Pb-Br K-I Ag-I Pb-I Sn-S Cu-S Fe-S Mo-S Zn-S Na-S Zn-Se Bi-Se In-Se Bi-Te Pb-Te Cd-Te Sb-Te
Ga-Sb Co-Sb Ti-N Ga-N Al-N Ca-N B-N Si-N In-P Ni-P Ga-As Mg-H Ti-H Ca-H Si-C Ti-C Mg-Si Ti-B Al-Ti Al-Ni Cu-Zn Li-Si
Nb-Sn Mg-Mn-O Ba-Ti-O Li-Co-O Ca-Si-O Na-Fe-O Li-P-S Cu-In-Se Cu-Te-S Bi-Te-Se K-Mn-F Cs-Pb-Br Cs-Pb-I Bi-O-Cl
Li-Al-H Ni-Ti-Sn Ga-As-N
"""
SYSTEMS = NAMES.split()
"""Binary and ternary systems with every class of anions; ternary ones contain the compounds of their subsystems."""
MAX_ATOMS = 24
"""Largest number of atoms in the cell of a compound."""
MOST = {2: 6, 3: 9}
"""Number of elements -> largest number of compounds of a system."""
NEAR = 0.1
"""Largest distance of a compound from OQMD's hull, eV/atom."""
NEAR_HULL = 0.02
"""Distance from a hull, eV/atom, within which a phase counts as being on it when hulls are compared."""
KJ_PER_MOL = 96.485
"""kJ/mol in 1 eV."""
CRYSTALS = Path(__file__).parent / "data" / "systems.extxyz"
EXPERIMENT = Path(__file__).parent / "data" / "experiment.csv"
PAGE = ROOT / "docs" / "validation" / "systems.md"


def stability(crystal: Crystal) -> float:
    """Return the distance of a crystal of OQMD from the hull of OQMD's other phases, eV/atom; below 0: stable."""
    return float(shipped_crystals().stabilities[int(crystal.id.removeprefix("oqmd-")) - 1])


def compounds_of(system: str) -> list[Crystal]:
    """Return the known compounds of a system to relax: of each formula the lowest one, nearest to OQMD's hull first."""
    elements = system.split("-")
    lowest: dict[str, Crystal] = {}
    for crystal in known_crystals(elements, MAX_ATOMS):
        size, distance = len(crystal.structure.composition), stability(crystal)
        if size < 2 or distance > NEAR or (size < len(elements) and distance > 0):
            continue
        other = lowest.setdefault(crystal.formula, crystal)
        if distance < stability(other):
            lowest[crystal.formula] = crystal
    ordered = sorted(lowest.values(), key=lambda c: (-len(c.structure.composition), stability(c)))
    return ordered[: MOST[len(elements)]]


def unaries_of(element: str) -> list[Crystal]:
    """Return the crystals of an element to relax: those that every run has, and the lowest ones of OQMD."""
    crystals = sorted(known_crystals([element], MAX_ATOMS), key=lambda one: one.info["source_formation_energy"])
    return [*elemental_crystals(element), *crystals[: MOST[2]]]


def relax(crystals: list[Crystal], folder: Path) -> list[Crystal]:
    """Relax crystals with the default engine of the configuration; an interrupted relaxation resumes in ``folder``."""
    from ccdcgan.relaxation.batches import Journal, relax_batch
    from ccdcgan_workflow.settings import relaxation_settings

    config = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text(encoding="utf-8"))
    return relax_batch(crystals, relaxation_settings(config["relaxation"]), Journal(folder), "systems")


def errors(crystals: Iterable[Crystal]) -> pd.DataFrame:
    """Return one row per compound and system, with formation energies and hull distances, eV/atom.

    ``raw``, ``auto`` and ``mp2020`` are the engine's formation energies, ``oqmd`` and ``experiment`` those to compare
    with. ``hull_auto`` and ``hull_oqmd`` are distances from the hull of the system's other compounds; they are negative
    for stable compounds.
    """
    relaxed = {crystal.id: crystal for crystal in crystals if crystal.info["status"] == "ok"}
    unaries = [crystal for crystal in relaxed.values() if len(crystal.structure.composition) == 1]
    measured = pd.read_csv(EXPERIMENT).set_index("formula")["formation_enthalpy"]
    rows = []
    for system in SYSTEMS:
        elements = system.split("-")
        zeros = lowest_references(unaries, elements).set_index("element")["energy_per_atom"].to_dict()
        compounds = [relaxed[crystal.id] for crystal in compounds_of(system) if crystal.id in relaxed]
        energies = [_energies(crystal, zeros, measured) for crystal in compounds]
        for number, crystal in enumerate(compounds):
            others = [place for place in range(len(compounds)) if compounds[place].formula != crystal.formula]
            row = {"system": system, "class": class_of(elements), "id": crystal.id, "formula": crystal.formula}
            row |= energies[number] | {"has_others": bool(others)}
            for kind in ("auto", "oqmd"):
                hull = convex_hull(
                    [compounds[place].structure.composition for place in others],
                    [energies[place][kind] for place in others],
                    elements,
                )
                row[f"hull_{kind}"] = hull_distance(hull, crystal.structure.composition, row[kind])
            rows.append(row)
    return pd.DataFrame(rows)


def _energies(crystal: Crystal, zeros: dict[str, float], measured: pd.Series) -> dict[str, float]:
    """Return the formation energies of a compound, eV/atom: raw, auto, mp2020, oqmd and experiment."""
    raw = formation_energy(crystal.structure.composition, crystal.info["energy_per_atom"], zeros)
    enthalpy = measured.get(crystal.formula, np.nan)
    return {
        "raw": raw,
        "auto": raw + EnergyScheme(AUTO).of(crystal.structure),
        "mp2020": raw + EnergyScheme(MP2020).of(crystal.structure),
        "oqmd": crystal.info["source_formation_energy"],
        "experiment": enthalpy / KJ_PER_MOL / Composition(crystal.formula).num_atoms,
    }


def by_system(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean absolute errors of formation energies by system, meV/atom, and whether the hulls agree."""
    rows = []
    for system, part in table.groupby("system", sort=False):
        row = {"system": system, "class": part["class"].iloc[0], "compounds": len(part)}
        row |= {kind: _mean_error(part, kind, "oqmd") for kind in ("raw", "auto", "mp2020")}
        row |= {"experiment": _mean_error(part, "auto", "experiment"), "hulls agree": _hulls_agree(part)}
        rows.append(row)
    return pd.DataFrame(rows)


def by_class(table: pd.DataFrame) -> pd.DataFrame:
    """Return errors by class of systems: mean absolute, meV/atom; that of hull distances is the root mean square."""
    rows = []
    for kind, part in table.groupby("class", sort=False):
        row = {"class": kind, "systems": part["system"].nunique(), "compounds": len(part)}
        row |= {name: _mean_error(part, name, "oqmd") for name in ("raw", "auto", "mp2020")}
        row["hull distance"] = 1e3 * _hull_error(part)
        row |= {f"{name}, experiment": _mean_error(part, name, "experiment") for name in ("raw", "auto", "mp2020")}
        row["OQMD, experiment"] = _mean_error(part, "oqmd", "experiment")
        rows.append(row)
    return pd.DataFrame(rows)


def _mean_error(part: pd.DataFrame, kind: str, truth: str) -> float:
    """Return the mean absolute error of a formation energy, meV/atom; NaN without any compound to compare."""
    return 1e3 * (part[kind] - part[truth]).abs().mean()


def _hull_error(part: pd.DataFrame) -> float:
    """Return the root mean square error of distances from the hull of the other compounds, eV/atom.

    Systems with one compound are left out if the class has others: the distance is then the formation energy.
    """
    chosen = part[part["has_others"]] if part["has_others"].any() else part
    return float(np.sqrt(((chosen["hull_auto"] - chosen["hull_oqmd"]) ** 2).mean()))


def _hulls_agree(part: pd.DataFrame) -> bool:
    """Tell whether every compound on one hull of a system is on the other, or within NEAR_HULL of it."""
    ours, theirs = part["hull_auto"], part["hull_oqmd"]
    return bool((ours[theirs <= 0] <= NEAR_HULL).all() and (theirs[ours <= 0] <= NEAR_HULL).all())


def typical_errors(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return the table of typical errors that the workflow ships, root mean squares in eV/atom."""
    rows, parts = [], dict(list(table.groupby("class")))
    corrected = table["system"].map(lambda system: bool(EnergyScheme(AUTO).corrected_elements(system.split("-"))))
    for kind, part in sorted(parts.items()) + [(UNCORRECTED_SYSTEMS, table[~corrected])]:
        off = part["auto"] - part["oqmd"]
        row = {"model": model, "class": kind, "n_systems": part["system"].nunique(), "n_compounds": len(part)}
        rows.append(row | {"formation_energy": np.sqrt((off**2).mean()), "hull_distance": _hull_error(part)})
    return pd.DataFrame(rows).round(4)


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown, numbers without decimals and missing ones empty."""
    lines = ["| " + " | ".join(table) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(map(_cell, row)) + " |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.0f}"
    return str(value)


def write_block(name: str, text: str) -> None:
    """Replace the part of the documentation between the markers of a name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE} has no lines {begin} and {end}.")
    PAGE.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page), encoding="utf-8")


def main() -> None:
    """Relax missing crystals if asked for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--relax", action="store_true", help="relax the crystals that the file lacks")
    parser.add_argument("--write", action="store_true", help="write the tables to the documentation and the workflow")
    parser.add_argument("--folder", type=Path, default=Path("benchmark-systems"), help="folder of the journal")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    crystals = read_set(CRYSTALS) if CRYSTALS.exists() else []
    if options.relax:
        wanted = {crystal.id: crystal for system in SYSTEMS for crystal in compounds_of(system)}
        for element in sorted({element for system in SYSTEMS for element in system.split("-")}):
            wanted |= {crystal.id: crystal for crystal in unaries_of(element)}
        known = {crystal.id for crystal in crystals}
        crystals += relax([crystal for name, crystal in wanted.items() if name not in known], options.folder)
        write_set(CRYSTALS, crystals)
    table = errors(crystals)
    systems, classes = by_system(table), by_class(table)
    agree, worst = systems["hulls agree"].mean(), systems.loc[systems["auto"].idxmax()]
    summary = (
        f"{len(systems)} systems, {len(table)} compounds. Mean over the systems of the mean absolute error against "
        f"OQMD: raw {systems['raw'].mean():.0f}, auto {systems['auto'].mean():.0f}, "
        f"mp2020 {systems['mp2020'].mean():.0f} meV/atom; largest with auto: {worst['auto']:.0f} ({worst['system']}). "
        f"The hulls agree in {agree:.0%} of the "
        f"systems. Against experiment ({table['experiment'].notna().sum()} compounds): auto "
        f"{_mean_error(table, 'auto', 'experiment'):.0f}, OQMD {_mean_error(table, 'oqmd', 'experiment'):.0f} meV/atom."
    )
    text = f"{summary}\n\n{markdown(classes)}\n\n{markdown(systems)}"
    print(text)
    if options.write:
        write_block("systems", text)
        model = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text(encoding="utf-8"))["relaxation"]["mlip"][
            "models"
        ][-1]
        typical_errors(table, model).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
