"""A small, labelled repair of decoded crystals that break the distance rule, the commonest loss by far.

A cell a few percent too small is scaled, atoms and all, until the rule holds: nothing is added to what was generated,
and the relaxation that follows undoes or keeps it. A crystal that was repaired says so for ever.
"""

from pymatgen.core import Structure

from ccdcgan.crystals.structures import shortest_distance

EXPANDED = "expanded"


def expand(structure: Structure, min_distance: float, most: float) -> tuple[Structure, str]:
    """Return the crystal, its cell scaled to keep the distance rule if it does not, and what was done.

    min_distance: angstrom, the rule; most: largest factor on the cell's lengths, 1 for none. What was done is
    EXPANDED, or "" for a crystal that keeps the rule or would need more than ``most``; that is returned as it is.
    """
    distance = shortest_distance(structure)
    if distance >= min_distance or distance * most < min_distance:
        return structure, ""
    expanded = structure.copy()
    expanded.scale_lattice(structure.volume * (1.0001 * min_distance / distance) ** 3)
    return expanded, EXPANDED
