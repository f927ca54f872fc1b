"""Substitution of the elements of a system into prototypes, with rescaled volumes and without duplicates."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.analysis.structure_prediction.volume_predictor import DLSVolumePredictor
from pymatgen.core import Element, Structure
from scipy.constants import Avogadro

from ccdcgan.columns import SAME_AS
from ccdcgan.crystals.structures import Crystal, shortest_distance
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.substitution_rules import DEFAULT_RULES, SubstitutionRules
from ccdcgan.utils.parallel import parallel_map

USUAL_BOND = 2.5
"""Shortest distance (angstrom) to which a crystal is scaled before its bonds are analysed."""

VOLUME_RANGE = (0.6, 1.6)
"""Smallest and largest volume of a crystal relative to the sum of the atomic volumes of its elements."""

CUBIC_ANGSTROM_PER_CM3_PER_MOL = 1e24 / Avogadro


def substitute(
    prototypes: Sequence[Crystal],
    elements: Sequence[str],
    n_elements: range,
    max_length: float,
    uniqueness: Uniqueness,
    processes: int = 1,
    rules: SubstitutionRules = DEFAULT_RULES,
) -> tuple[list[Crystal], pd.DataFrame]:
    """Assign the elements to the species of each prototype in every way and return the distinct crystals.

    A prototype with k species takes every ordered choice of k elements. Each crystal is rescaled to an estimated
    volume. It is dropped with a reason if a cell length exceeds ``max_length`` or if it equals another crystal. Of
    equal crystals the one with the first id is retained, whatever the order of ``prototypes``.

    Args:
        prototypes: Prototypes in their standard cell.
        elements: Elements of the system.
        n_elements: Allowed numbers of species of a prototype.
        max_length: Largest cell length, angstrom.
        uniqueness: Equality of crystals.
        processes: Number of processes.
        rules: Accepted assignments, and how volumes are estimated.

    Returns:
        The distinct crystals, and a table with one row per crystal, including dropped ones.
    """
    chosen = [prototype for prototype in prototypes if len(prototype.structure.composition) in n_elements]
    assign = partial(_assign, elements=elements, max_length=max_length, rules=rules)
    results = parallel_map(assign, chosen, "substituting", processes, chunk=20)
    rows = [row for result in results for row, _ in result]
    crystals = {crystal.id: crystal for result in results for _, crystal in result if crystal is not None}
    ids = sorted(crystals)
    verdicts = uniqueness.first_of_kind([crystals[name].structure for name in ids])
    repeats = {name: ids[verdict[1]] for name, verdict in zip(ids, verdicts, strict=True) if verdict is not None}
    for row in rows:
        if row["id"] in repeats:
            row |= {"status": "failed", "reason": "duplicate", "detail": SAME_AS + repeats[row["id"]]}
    return [crystal for name, crystal in crystals.items() if name not in repeats], pd.DataFrame(rows)


def _assign(
    prototype: Crystal, elements: Sequence[str], max_length: float, rules: SubstitutionRules
) -> list[tuple[dict[str, Any], Crystal | None]]:
    """Return the table row of every assignment to one prototype, each with its crystal, or None if it is dropped."""
    species = sorted(prototype.structure.composition.elements, key=lambda element: element.symbol)
    assigned: list[tuple[dict[str, Any], Crystal | None]] = []
    for chosen in permutations(elements, len(species)):
        name = f"{prototype.id}-{'-'.join(chosen)}"
        # the standard cell does not depend on the names of the species
        structure = prototype.structure.copy()
        structure.replace_species(dict(zip(species, map(Element, chosen), strict=True)))
        row = {"id": name, "prototype": prototype.id, "formula": structure.composition.reduced_formula}
        replaced = dict(zip((element.symbol for element in species), chosen, strict=True))
        if refusal := rules.refusal(prototype.structure.composition, replaced):
            reason, detail = refusal
            assigned.append((row | {"status": "failed", "reason": reason, "detail": detail}, None))
            continue
        structure.scale_lattice(estimate_volume(structure, rules.volume))
        row |= {"n_atoms": len(structure), "volume_per_atom": structure.volume / len(structure)}
        longest = max(structure.lattice.abc)
        if longest > max_length:
            detail = f"{longest:.2f} angstrom, at most {max_length:g}"
            assigned.append((row | {"status": "failed", "reason": "too_long", "detail": detail}, None))
            continue
        info = {"prototype": prototype.id, "parent": prototype.id, "stage": "substituted", "status": "ok", "reason": ""}
        assigned.append((row | {"status": "ok", "reason": "", "detail": ""}, Crystal(name, structure, info)))
    return assigned


def estimate_volume(structure: Structure, way: str = "bonds") -> float:
    """Return an estimate of the cell volume (angstrom^3) from the geometry and elements of a crystal.

    ``bonds`` uses the data-mined bond lengths of pymatgen (Chu et al., Comput. Mater. Sci. 146, 184 (2018)): at this
    volume the bond that is shortest relative to the typical bond length of its elements has that length. The volume of
    the prototype, which may be that of a hydride, is not used. The estimate would be many times too large for molecular
    prototypes, with their short bonds and voids, so it is limited to :data:`VOLUME_RANGE` times the volume of
    ``elements``. ``elements`` uses the sum of the atomic volumes of the elements, whatever the geometry; so does
    ``bonds`` for elements without bond lengths, the noble gases.

    Args:
        structure: Crystal with its elements, at any volume.
        way: ``bonds`` or ``elements``.
    """
    own = sum(float(site.specie.molar_volume) for site in structure) * CUBIC_ANGSTROM_PER_CM3_PER_MOL
    if way == "elements":
        return own
    if not all(site.specie.atomic_radius and np.isfinite(site.specie.X) for site in structure):
        return own  # noble gases and others have no bond length in the data
    scaled = structure.copy()
    scaled.scale_lattice(structure.volume * (USUAL_BOND / shortest_distance(structure)) ** 3)
    volume = DLSVolumePredictor(min_scaling=None, max_scaling=None).predict(scaled)
    return float(np.clip(volume, VOLUME_RANGE[0] * own, VOLUME_RANGE[1] * own))


def as_it_is(crystal: Crystal) -> Crystal:
    """Return a known crystal of the elements themselves as a member of the set of substituted crystals."""
    info = {"prototype": crystal.id, "parent": crystal.id, "stage": "substituted", "status": "ok", "reason": ""}
    return Crystal(crystal.id, crystal.structure, info)


def as_row(crystal: Crystal) -> pd.DataFrame:
    """Return the row of a known crystal for the table of :func:`substitute`."""
    n_atoms = len(crystal.structure)
    row = {"id": crystal.id, "prototype": crystal.id, "formula": crystal.formula, "status": "ok", "reason": ""}
    row |= {"detail": "", "n_atoms": n_atoms, "volume_per_atom": crystal.structure.volume / n_atoms}
    return pd.DataFrame([row])


def describe_drops(table: pd.DataFrame, what: str) -> str:
    """Return one line with the number of crystals found, the number kept, and the dropped ones by reason.

    Args:
        table: Table with the columns status and reason.
        what: Name of the crystals, at the start of the line.
    """
    dropped = Counter(table.loc[table["status"] != "ok", "reason"]) if len(table) else Counter()
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(dropped.items()))
    kept = len(table) - sum(dropped.values())
    return f"{what}: {len(table)} found, {kept} kept" + (f"; dropped: {reasons}" if reasons else "")
