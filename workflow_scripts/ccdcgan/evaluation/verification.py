"""Verification: the best candidates, what they compete with and the elements again, with a second engine.

A hull distance needs all of these from one engine: the candidate, the phases of the hull it would decompose
into, and the elements that set the zero of the formation energy.
"""

from collections.abc import Sequence

import pandas as pd

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.energies import hull_of, with_formation_energies, with_hull_distances
from ccdcgan.database.energy_correction import DFT, RELAXED
from ccdcgan.database.thermodynamics import formation_energy, lowest_references

CANDIDATE, COMPETING, ELEMENT = "candidate", "competing phase", "element"
"""Why a crystal is verified: its ``role``."""

FIRST = ("formation_energy", "e_above_hull", "energy_per_atom", "engine", "space_group")
"""What is kept of the first engine's results, under these names; the second's begin with ``verified_``."""


def competing_phases(chosen: Sequence[Crystal], database: Sequence[Crystal], elements: Sequence[str]) -> list[Crystal]:
    """Return the database's crystals that the chosen ones would decompose into, by formula; no elements."""
    hull = hull_of(database, elements)
    formulas = {
        entry.composition.reduced_formula
        for crystal in chosen
        for entry in hull.get_decomposition(crystal.structure.composition)
    }
    lowest: dict[str, Crystal] = {}
    for crystal in database:
        if crystal.info["status"] == "ok" and crystal.formula in formulas:
            other = lowest.setdefault(crystal.formula, crystal)
            if crystal.info["formation_energy"] < other.info["formation_energy"]:
                lowest[crystal.formula] = crystal
    return [lowest[formula] for formula in sorted(lowest)]


def to_verify(chosen: Sequence[Crystal], competing: Sequence[Crystal], references: Sequence[Crystal]) -> list[Crystal]:
    """Return what the second engine relaxes, elements first; results of the first engine stay under ``first_``."""
    roles = [(ELEMENT, references), (COMPETING, competing), (CANDIDATE, chosen)]
    result = []
    for role, crystals in roles:
        for crystal in crystals:
            known = {f"first_{name}": crystal.info[name] for name in FIRST if name in crystal.info}
            if role == ELEMENT:
                known |= {"first_formation_energy": 0.0, "first_e_above_hull": 0.0}
            kept = {name: crystal.info[name] for name in ("prototype", "scheme") if name in crystal.info}
            result.append(Crystal(crystal.id, crystal.structure, {"role": role, "status": "ok", **kept, **known}))
    return result


def compare(
    starts: Sequence[Crystal], relaxed: Sequence[Crystal], elements: Sequence[str], uniqueness: Uniqueness
) -> tuple[list[Crystal], pd.DataFrame]:
    """Return the verified crystals and the table of both engines side by side, candidates first.

    starts: what :func:`to_verify` returned; relaxed: the same, in order, by the second engine. Energies in
    eV/atom; ``difference`` is the second engine's formation energy minus the first's; ``volume_change`` a
    fraction; ``same_structure`` whether the crystal is still of its kind; both empty if it
    took no step. Raises InputError if an element could not be relaxed, for then nothing has a formation energy.
    """
    zeros = lowest_references([crystal for crystal in relaxed if crystal.info["role"] == ELEMENT], elements)
    references = zeros.set_index("element")["energy_per_atom"].to_dict()
    verified = with_formation_energies(relaxed, references)
    hull = hull_of([crystal for crystal in verified if crystal.info["role"] != CANDIDATE], elements)
    verified = with_hull_distances(verified, hull)
    rows = []
    for start, crystal in zip(starts, verified, strict=True):
        ok = crystal.info["status"] == "ok"
        row = {name: crystal.info.get(name, "") for name in ("role", "scheme")}
        row |= {"id": crystal.id, "formula": crystal.formula, "n_atoms": len(crystal.structure)}
        row |= {name: start.info.get(f"first_{name}") for name in FIRST}
        row |= {f"verified_{name}": crystal.info.get(name) if ok or name == "engine" else None for name in FIRST}
        if ok:
            row["difference"] = row["verified_formation_energy"] - row["formation_energy"]
        if ok and crystal.info["n_steps"]:
            before, after = (c.structure.volume / len(c.structure) for c in (start, crystal))
            row["volume_change"] = after / before - 1
            row["same_structure"] = uniqueness.equal(start.structure, crystal.structure)
        rows.append(row | {name: crystal.info.get(name, "") for name in ("n_steps", "status", "reason", "detail")})
    table = pd.DataFrame(rows)
    first = ["role", "scheme", "id", "formula", "formation_energy", "verified_formation_energy", "difference"]
    first += ["e_above_hull", "verified_e_above_hull", "same_structure", "volume_change"]
    table = table.reindex(columns=[*first, *(name for name in table if name not in first)])
    order = table["role"].map({CANDIDATE: 0, COMPETING: 1, ELEMENT: 2})
    return verified, table.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def correction_points(starts: Sequence[Crystal], verified: Sequence[Crystal]) -> list[Crystal]:
    """Return what a correction of the first engine is learned from (``energy_corrections.read_points``).

    starts: what :func:`to_verify` returned; verified: what :func:`compare` did. A crystal that the second engine could
    not compute is left out. The others are where the first engine left them, with formation energies in eV/atom: the
    first engine's, uncorrected, under its last model's name, and the second's, at the same place or relaxed from there.
    """
    pairs = [(start, one) for start, one in zip(starts, verified, strict=True) if one.info["status"] == "ok"]
    elements = [start for start, _ in pairs if start.info["role"] == ELEMENT]
    zeros = {start.structure[0].specie.symbol: start.info["first_energy_per_atom"] for start in elements}
    points = []
    for start, one in pairs:
        energy = formation_energy(start.structure.composition, start.info["first_energy_per_atom"], zeros)
        model = start.info["first_engine"].split("+")[-1]
        truth = {RELAXED if one.info["n_steps"] else DFT: one.info["formation_energy"]}
        points.append(Crystal(start.id, start.structure, {"source": start.info["role"], model: energy, **truth}))
    return points
