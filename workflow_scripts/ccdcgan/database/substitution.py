"""Put a system's elements on prototypes, rescale the volume, keep each distinct crystal once."""

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
"""Shortest distance (angstrom) given to a crystal before its bonds are sought, whatever its prototype's scale."""

VOLUME_RANGE = (0.6, 1.6)
"""Smallest and largest volume of a crystal relative to the sum of its elements' own atomic volumes."""

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
    """Make every assignment of ``elements`` to the species of each prototype; keep the distinct crystals.

    prototypes: in their standard cell; n_elements: how many species a prototype may have; a prototype with k of them
    takes every ordered choice of k elements. Each crystal is rescaled to an estimated volume, and dropped with a
    reason if a cell length exceeds ``max_length`` (angstrom) or it repeats another one. Of crystals that are the
    same the one with the first id is kept, whatever the order of ``prototypes``. processes: how many to use; rules:
    which assignments are made and how volumes are estimated.
    Returns the kept crystals, and a table with one row per crystal made.
    """
    chosen = [prototype for prototype in prototypes if len(prototype.structure.composition) in n_elements]
    assign = partial(_assign, elements=elements, max_length=max_length, rules=rules)
    results = parallel_map(assign, chosen, "substituting", processes, chunk=20)
    rows = [row for result in results for row, _ in result]
    made = {crystal.id: crystal for result in results for _, crystal in result if crystal is not None}
    ids = sorted(made)
    verdicts = uniqueness.first_of_kind([made[name].structure for name in ids])
    repeats = {name: ids[verdict[1]] for name, verdict in zip(ids, verdicts, strict=True) if verdict is not None}
    for row in rows:
        if row["id"] in repeats:
            row |= {"status": "failed", "reason": "duplicate", "detail": SAME_AS + repeats[row["id"]]}
    return [crystal for name, crystal in made.items() if name not in repeats], pd.DataFrame(rows)


def _assign(
    prototype: Crystal, elements: Sequence[str], max_length: float, rules: SubstitutionRules
) -> list[tuple[dict[str, Any], Crystal | None]]:
    """Return the table row of every assignment to one prototype, each with the crystal unless it was dropped."""
    species = sorted(prototype.structure.composition.elements, key=lambda element: element.symbol)
    made: list[tuple[dict[str, Any], Crystal | None]] = []
    for chosen in permutations(elements, len(species)):
        name = f"{prototype.id}-{'-'.join(chosen)}"
        # other names for the species leave the standard cell what it is
        structure = prototype.structure.copy()
        structure.replace_species(dict(zip(species, map(Element, chosen), strict=True)))
        row = {"id": name, "prototype": prototype.id, "formula": structure.composition.reduced_formula}
        replaced = dict(zip((element.symbol for element in species), chosen, strict=True))
        if refusal := rules.refusal(prototype.structure.composition, replaced):
            reason, detail = refusal
            made.append((row | {"status": "failed", "reason": reason, "detail": detail}, None))
            continue
        structure.scale_lattice(estimate_volume(structure, rules.volume))
        row |= {"n_atoms": len(structure), "volume_per_atom": structure.volume / len(structure)}
        longest = max(structure.lattice.abc)
        if longest > max_length:
            detail = f"{longest:.2f} angstrom, at most {max_length:g}"
            made.append((row | {"status": "failed", "reason": "too_long", "detail": detail}, None))
            continue
        info = {"prototype": prototype.id, "parent": prototype.id, "stage": "substituted", "status": "ok", "reason": ""}
        made.append((row | {"status": "ok", "reason": "", "detail": ""}, Crystal(name, structure, info)))
    return made


def estimate_volume(structure: Structure, way: str = "bonds") -> float:
    """Return a sensible cell volume (angstrom^3) for the geometry of ``structure`` with its elements.

    way ``bonds``: pymatgen's data-mined bond lengths (Chu et al., Comput. Mater. Sci. 146, 184 (2018)): the volume at
    which the shortest bond, relative to what its two elements prefer, is as long as they prefer; the prototype's own
    volume, which may be that of a hydride, plays no part. Molecular prototypes, all short bonds and voids, would
    come out many times too large, so the result is kept within :data:`VOLUME_RANGE` of the elements' own volumes.
    way ``elements``: the sum of these, whatever the geometry.
    """
    own = sum(float(site.specie.molar_volume) for site in structure) * CUBIC_ANGSTROM_PER_CM3_PER_MOL
    if way == "elements":
        return own
    scaled = structure.copy()
    scaled.scale_lattice(structure.volume * (USUAL_BOND / shortest_distance(structure)) ** 3)
    volume = DLSVolumePredictor(min_scaling=None, max_scaling=None).predict(scaled)
    return float(np.clip(volume, VOLUME_RANGE[0] * own, VOLUME_RANGE[1] * own))


def describe_drops(table: pd.DataFrame, what: str) -> str:
    """Return one line: how many were found, how many are kept, and the others by reason."""
    dropped = Counter(table.loc[table["status"] != "ok", "reason"]) if len(table) else Counter()
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(dropped.items()))
    kept = len(table) - sum(dropped.values())
    return f"{what}: {len(table)} found, {kept} kept" + (f"; dropped: {reasons}" if reasons else "")
