"""Random symmetric crystals (PyXtal, Fredericks et al., Comput. Phys. Commun. 261, 107810 (2021))."""

from functools import cache
from typing import Any

import numpy as np
from pymatgen.core import Structure

from ccdcgan.crystals.structures import standard_cell
from ccdcgan.representation.voxel_decoding import Decoded

GROUPS = range(2, 231)
"""Space groups of the random crystals: all but P1."""
ATTEMPTS = 20
"""Number of compatible space groups that are tried for a random crystal."""


def random_crystal(like: Structure, rng: np.random.Generator) -> Decoded:
    """Return a random symmetric crystal, in its standard cell.

    The reason of a failure is no_symmetric_crystal: PyXtal found no crystal without overlapping atoms in any of the
    space groups tried.

    Args:
        like: Crystal whose composition, number of atoms and volume are used.
        rng: Random number generator.
    """
    from pyxtal import pyxtal  # here, since the import takes seconds that only random crystals need
    from pyxtal.msg import Comp_CompatibilityError, VolumeError

    tolerances = _tolerances()
    amounts = like.composition.get_el_amt_dict()
    tried = 0
    for group in rng.permutation(GROUPS):
        crystal = pyxtal()
        try:
            crystal.from_random(
                3,
                int(group),
                list(amounts),
                [int(amount) for amount in amounts.values()],
                conventional=False,
                random_state=int(rng.integers(2**31)),
                max_count=1,  # with one random state all attempts are the same
                tm=tolerances,
            )
        except (Comp_CompatibilityError, VolumeError):
            continue  # the numbers of atoms are not compatible with the group's positions
        except RuntimeError:  # atoms overlap in all attempts
            tried += 1
            if tried == ATTEMPTS:
                break
        else:
            structure = standard_cell(crystal.to_pymatgen())
            structure.scale_lattice(like.volume * len(structure) / len(like))
            return Decoded(structure)
    return Decoded(None, "no_symmetric_crystal")


@cache
def _tolerances() -> Any:
    """Return PyXtal's table of the shortest distances between atoms.

    PyXtal makes the same table of all pairs of elements for every atom that it places, which took more than half of
    the time of a random crystal. From the first call on, it takes the table that is made here.
    """
    from pyxtal import operations
    from pyxtal.tolerance import Tol_matrix

    operations.Tol_matrix = cache(Tol_matrix)
    return operations.Tol_matrix(prototype="atomic")
