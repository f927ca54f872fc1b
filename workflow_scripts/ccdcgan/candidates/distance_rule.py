"""Expansion of decoded crystals that violate the distance rule, the most frequent reason of rejection.

A cell that is a few percent too small is scaled, together with its atoms, until the rule is satisfied. The subsequent
relaxation adjusts the volume. Repaired crystals are labelled.
"""

from pymatgen.core import Structure

from ccdcgan.crystals.distances import DistanceRule, PairDistances
from ccdcgan.crystals.structures import shortest_distance

EXPANDED = "expanded"


def expand(structure: Structure, min_distance: DistanceRule, most: float) -> tuple[Structure, str]:
    """Scale the cell of a crystal that violates the distance rule.

    Args:
        structure: The crystal.
        min_distance: Minimum distance between two atoms, angstrom, one for all or by pair of elements.
        most: Maximum factor on the lengths of the cell; 1: not scaled.

    Returns:
        The crystal, and EXPANDED if it was scaled. A crystal that satisfies the rule, or would need a larger factor
        than ``most``, is returned as it is, with "".
    """
    if isinstance(min_distance, PairDistances):
        distance, min_distance = min_distance.ratio(structure), 1.0
    else:
        distance = shortest_distance(structure)
    if distance >= min_distance or distance * most < min_distance:
        return structure, ""
    expanded = structure.copy()
    expanded.scale_lattice(structure.volume * (1.0001 * min_distance / distance) ** 3)
    return expanded, EXPANDED
