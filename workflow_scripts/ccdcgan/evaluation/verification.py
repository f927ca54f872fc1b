"""Verification of the best candidates with a second engine, together with competing phases and elements.

A hull distance requires three kinds of crystals from the same engine: the candidate, the phases of the hull into which
it would decompose, and the elements, which are the references of the formation energy.
"""

from collections.abc import Sequence

import pandas as pd

from ccdcgan.crystals.structures import Crystal, symmetrised
from ccdcgan.crystals.symmetry import NOT_FINISHED, TOLERANCES
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.energies import EnergyReferences, hull_of, with_formation_energies, with_hull_distances
from ccdcgan.database.energy_correction import DFT, RELAXED, SCHEME
from ccdcgan.database.energy_scheme import RAW
from ccdcgan.database.thermodynamics import formation_energy, lowest_references

CANDIDATE, COMPETING, ELEMENT = "candidate", "competing phase", "element"
"""Roles of a verified crystal."""

FIRST = ("formation_energy", "e_above_hull", "energy_per_atom", "engine", "space_group")
"""Columns with results of the first engine. Columns of the second engine start with ``verified_``."""


def competing_phases(chosen: Sequence[Crystal], database: Sequence[Crystal], elements: Sequence[str]) -> list[Crystal]:
    """Return the crystals of the database and known phases into which the chosen candidates would decompose.

    Args:
        chosen: The candidates to verify.
        database: Crystals of the database and known phases, with formation energies.
        elements: Elements of the system.

    Returns:
        The lowest-energy crystal of each competing compound, sorted by formula, without the elements.
    """
    hull = hull_of(database, elements)
    formulas = {
        entry.composition.reduced_formula
        for crystal in chosen
        for entry in hull.get_decomposition(crystal.structure.composition)
    }
    lowest: dict[str, Crystal] = {}
    for crystal in database:
        is_compound = len(crystal.structure.composition) > 1
        if crystal.info["status"] == "ok" and is_compound and crystal.formula in formulas:
            other = lowest.setdefault(crystal.formula, crystal)
            if crystal.info["formation_energy"] < other.info["formation_energy"]:
                lowest[crystal.formula] = crystal
    return [lowest[formula] for formula in sorted(lowest)]


def to_verify(chosen: Sequence[Crystal], competing: Sequence[Crystal], references: Sequence[Crystal]) -> list[Crystal]:
    """Return the crystals for the second engine.

    A candidate whose symmetrisation the first engine could not finish starts symmetrised at the tightest tolerance.

    Args:
        chosen: The candidates to verify.
        competing: Crystals from :func:`competing_phases`.
        references: Lowest-energy crystal of each element.

    Returns:
        The elements, the competing phases and the candidates, each with its role. Results of the first engine have
        names that start with ``first_``.
    """
    roles = [(ELEMENT, references), (COMPETING, competing), (CANDIDATE, chosen)]
    result = []
    for role, crystals in roles:
        for crystal in crystals:
            known = {f"first_{name}": crystal.info[name] for name in FIRST if name in crystal.info}
            if role == ELEMENT:
                known |= {"first_formation_energy": 0.0, "first_e_above_hull": 0.0}
            origin = {name: crystal.info[name] for name in ("prototype", "scheme") if name in crystal.info}
            info = {"role": role, "status": "ok"} | origin | known
            structure = crystal.structure
            if crystal.info.get("symmetrisation") == NOT_FINISHED:
                structure = symmetrised(structure, TOLERANCES[-1])
            result.append(Crystal(crystal.id, structure, info))
    return result


def compare_engines(
    starts: Sequence[Crystal], relaxed: Sequence[Crystal], elements: Sequence[str], uniqueness: Uniqueness
) -> tuple[list[Crystal], pd.DataFrame]:
    """Compare the results of both engines.

    Args:
        starts: Crystals from :func:`to_verify`.
        relaxed: The same crystals in the same order, relaxed by the second engine.
        elements: Elements of the system.
        uniqueness: Compares crystals.

    Returns:
        The verified crystals, and the table of both engines, candidates first. Energies are in eV/atom.
        ``difference`` is the formation energy of the second engine minus that of the first. ``volume_change`` is a
        fraction. ``same_structure`` tells whether the crystal matches the one before. The last two are empty if the
        second engine made no relaxation step.

    Raises:
        InputError: An element did not relax, so formation energies cannot be computed.
    """
    zeros = lowest_references([crystal for crystal in relaxed if crystal.info["role"] == ELEMENT], elements)
    references = zeros.set_index("element")["energy_per_atom"].to_dict()
    verified = with_formation_energies(relaxed, EnergyReferences(references))
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
    """Return DFT points for a correction of the first engine (:mod:`ccdcgan.database.energy_correction`).

    Args:
        starts: Crystals from :func:`to_verify`.
        verified: Crystals from :func:`compare_engines`.

    Returns:
        The crystals computed by the second engine, in the geometry of the first engine, with two formation energies
        (eV/atom): the uncorrected one of the first engine, under the name of its last model, and that of the second
        engine, in the same geometry or after relaxation from it.
    """
    pairs = [(start, one) for start, one in zip(starts, verified, strict=True) if one.info["status"] == "ok"]
    elements = [start for start, _ in pairs if start.info["role"] == ELEMENT]
    zeros = {start.structure[0].specie.symbol: start.info["first_energy_per_atom"] for start in elements}
    points = []
    for start, one in pairs:
        energy = formation_energy(start.structure.composition, start.info["first_energy_per_atom"], zeros)
        model = start.info["first_engine"].split("+")[-1]
        truth = {RELAXED if one.info["n_steps"] else DFT: one.info["formation_energy"]}
        info = {"source": start.info["role"], SCHEME: RAW, model: energy, **truth}
        points.append(Crystal(start.id, start.structure, info))
    return points
