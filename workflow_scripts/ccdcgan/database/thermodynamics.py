"""Elemental references, formation energies, the convex hull and its vertices; all energies in eV/atom."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element

from ccdcgan.crystals.elements import can_be_reference
from ccdcgan.crystals.structures import Crystal
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.tables import complete

ON_HULL = 1e-5
"""Largest hull distance (eV/atom) of a database crystal that counts as a vertex of the hull."""
_HULL_COLUMNS = ("id", "formula", "fraction", "formation_energy", "e_above_hull")


def lowest_crystal(relaxed: Sequence[Crystal]) -> Crystal:
    """Return the crystal of lowest energy among relaxed crystals of one element, at least one.

    Only crystals that can be the zero of energies count, if there are any; see :func:`can_be_reference`.
    """
    accepted = [crystal for crystal in relaxed if can_be_reference(crystal.structure)]
    return min(accepted or relaxed, key=lambda crystal: crystal.info["energy_per_atom"])


def lowest_references(crystals: Sequence[Crystal], elements: Sequence[str]) -> pd.DataFrame:
    """Return the relaxed unary crystal of lowest energy for each element.

    See :func:`lowest_crystal`.

    Args:
        crystals: Unary crystals after relaxation.
        elements: Elements of the system.

    Returns:
        Table with element, id, prototype, energy_per_atom (eV/atom) and n_relaxed, the number of relaxed crystals.

    Raises:
        InputError: If no crystal of an element was relaxed.
    """
    rows = []
    for element in elements:
        own = [crystal for crystal in crystals if crystal.formula == Composition(element).reduced_formula]
        relaxed = [crystal for crystal in own if crystal.info["status"] == "ok"]
        if not relaxed:
            failed = Counter(crystal.info["reason"] for crystal in own)
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(failed.items())) or "there is none"
            raise InputError(
                f"no crystal of the element {element} could be relaxed ({reasons}), so formation energies cannot be "
                "computed; check relaxation.guards and relaxation.max_steps, or add a source with that element."
            )
        lowest = lowest_crystal(relaxed)
        rows.append(
            {
                "element": element,
                "id": lowest.id,
                "prototype": lowest.info.get("prototype", ""),
                "energy_per_atom": lowest.info["energy_per_atom"],
                "n_relaxed": len(relaxed),
            }
        )
    return pd.DataFrame(rows)


def formation_energy(composition: Composition, energy_per_atom: float, references: Mapping[str, float]) -> float:
    """Return the formation energy E - sum_i x_i mu_i, eV/atom.

    Args:
        composition: Composition with the atomic fractions x_i.
        energy_per_atom: Energy E, eV/atom.
        references: Element -> energy mu_i of its reference crystal, eV/atom.
    """
    return energy_per_atom - sum(
        fraction * references[element.symbol] for element, fraction in composition.fractional_composition.items()
    )


def convex_hull(
    compositions: Sequence[Composition], formation_energies: Sequence[float], elements: Sequence[str]
) -> PhaseDiagram:
    """Return the phase diagram of compounds and elements.

    Args:
        compositions: Compositions of the compounds.
        formation_energies: Their formation energies, eV/atom; those of the elements are zero.
        elements: Elements of the system.
    """
    entries = [PDEntry(Composition(element), 0.0) for element in elements]
    entries += [
        PDEntry(composition, energy * composition.num_atoms)
        for composition, energy in zip(compositions, formation_energies, strict=True)
    ]
    return PhaseDiagram(entries, elements=[Element(element) for element in elements])


def hull_distance(hull: PhaseDiagram, composition: Composition, energy: float) -> float:
    """Return the distance of a formation energy to a convex hull, eV/atom; negative below the hull.

    Args:
        hull: Convex hull.
        composition: Composition of the crystal.
        energy: Formation energy of the crystal, eV/atom.
    """
    return energy - hull.get_hull_energy_per_atom(composition)


def with_energy(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table that have a formation energy."""
    return frame[np.isfinite(pd.to_numeric(frame["formation_energy"], errors="coerce").astype(float))]


def compounds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table whose formula has more than one element."""
    return table[[len(Composition(formula)) > 1 for formula in table["formula"]]] if len(table) else table


def hull_phases(database: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the table of the crystals that make up the hull: those of the database and the known compounds.

    Args:
        database: Table of the database.
        known: Table of the known phases.

    Returns:
        Both tables, one below the other. ``known`` is the id of the known phase that a crystal is or equals.
    """
    database, known = complete(database, *_HULL_COLUMNS), complete(known, *_HULL_COLUMNS)
    if known.empty:
        return database
    return pd.concat([database, compounds(known).assign(known=known["id"])], ignore_index=True)


def hull_vertices(database: pd.DataFrame) -> pd.DataFrame:
    """Return the compounds on the convex hull, without the pure elements, ordered by fraction.

    Of several crystals of one formula the lowest one is taken.

    Args:
        database: Table of the crystals that make up the hull, from :func:`hull_phases`, with id, formula, fraction,
            formation_energy and e_above_hull (eV/atom).

    Returns:
        Table with id, formula, fraction and formation_energy.
    """
    rows = with_energy(complete(database, *_HULL_COLUMNS))
    rows = rows[(rows["e_above_hull"] <= ON_HULL) & (rows["fraction"] > 0) & (rows["fraction"] < 1)]
    # With three or more elements the fraction of the last one does not identify a pure element, but its energy does.
    rows = rows[rows["formation_energy"] < 0].sort_values(["formation_energy", "id"])
    columns = ["id", "formula", "fraction", "formation_energy"]
    return rows.drop_duplicates("formula").sort_values("fraction")[columns].reset_index(drop=True)


def near_hull(formation_energies: Any, hull_distances: Any, limit: float) -> Any:
    """Return whether crystals have a negative formation energy and a hull distance below a limit.

    With the limits of Long et al. (0.100 and 0.150 eV/atom) these are their stable and meta-stable crystals.

    Args:
        formation_energies: Formation energy of a crystal, or of several as an array or column, eV/atom.
        hull_distances: Hull distances, eV/atom, of the same shape.
        limit: Hull distance, eV/atom.
    """
    return (formation_energies < 0) & (hull_distances < limit)
