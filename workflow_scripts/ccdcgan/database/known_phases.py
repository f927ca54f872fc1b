"""Known phases of a chemical system: crystals of the sources, as they are, without substitution of elements."""

import logging
import math
from collections.abc import Sequence

from ccdcgan.crystals.structures import Crystal, standard_cell
from ccdcgan.database.prototypes.oqmd import shipped_crystals
from ccdcgan.utils.errors import InputError

log = logging.getLogger(__name__)


def known_crystals(
    elements: Sequence[str], max_atoms: int | None = None, max_formation_energy: float = math.inf
) -> list[Crystal]:
    """Return the crystals of OQMD/ICSD that consist of the given elements or of some of them.

    Pure elements are included, and so are repeated measurements of one phase. The crystals are in their standard
    cell.

    Args:
        elements: Elements of the system.
        max_atoms: Largest number of atoms in the standard cell; None: no limit.
        max_formation_energy: Largest formation energy in OQMD, eV/atom. A few calculations of OQMD failed and have
            many eV/atom.

    Returns:
        Crystals ``oqmd-{row}`` in the order of the rows. Their info has ``source_formation_energy`` and
        ``source_stability``, the distance from the hull of OQMD's other phases, both eV/atom.
    """
    source = shipped_crystals()
    crystals = []
    for row in source.rows_of(elements):
        energy, name = float(source.formation_energies[row]), source.name(row)
        if energy > max_formation_energy:
            continue
        try:
            structure = standard_cell(source.structure(row))
        except InputError as error:
            log.warning("%s is skipped: %s", name, error)
            continue
        if max_atoms is not None and len(structure) > max_atoms:
            continue
        info = {"prototype": name, "parent": name, "stage": "known", "status": "ok", "reason": ""}
        info |= {"source_formation_energy": energy, "source_stability": float(source.stabilities[row])}
        crystals.append(Crystal(name, structure, info))
    return crystals
