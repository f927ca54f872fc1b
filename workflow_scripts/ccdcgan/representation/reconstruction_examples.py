"""Example crystals before and after reconstruction: the best, a typical one, the worst.

Only a section of each voxel grid is stored: the lattice voxel at a = 1/2, and the maximum along x of every sites voxel,
so that no atom is missed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ccdcgan.crystals.structures import Crystal, read_set, write_set
from ccdcgan.utils.files import read_arrays, write_arrays
from ccdcgan.utils.tables import is_true


@dataclass(frozen=True)
class Examples:
    """n crystals, each before and after reconstruction.

    Attributes:
        ids: Ids of the crystals, (n,).
        roles: Their roles, (n,), e.g. "best".
        lattices: Sections of the lattice voxels, (n, 2, grid, grid), true then decoded, axes b and c.
        sites: Sections of the sites voxels, (n, 2, n_elements, grid, grid), true then decoded, axes y and z.
        elements: Elements of the sites voxels.
        box: Edge of the sites voxel's box, angstrom.
        crystals: True and decoded crystals with their atoms around the centre of the cell; ``info["side"]`` is before
            or after.
    """

    ids: np.ndarray
    roles: np.ndarray
    lattices: np.ndarray
    sites: np.ndarray
    elements: tuple[str, ...]
    box: float
    crystals: list[Crystal]

    def crystal(self, name: str, side: str) -> Crystal | None:
        """Return the crystal with this id and side (before, after); None if it was not decoded."""
        return next((one for one in self.crystals if one.id == name and one.info["side"] == side), None)


def choose_examples(table: pd.DataFrame) -> dict[str, str]:
    """Choose example crystals.

    Args:
        table: Table of :func:`ccdcgan.representation.reconstruction.reconstruct`. Crystals without a crystal graph are
            not chosen.

    Returns:
        Role -> id: best, typical, typical of those held out, worst. Reconstructed crystals are ranked by their rms,
        followed by the others, ranked by the error of their sites voxels; typical is the middle one. A crystal has one
        role.
    """
    rows = table[pd.to_numeric(table["sites_error"], errors="coerce").notna()]
    rows = rows.assign(matched=is_true(rows["matched"]), rms=pd.to_numeric(rows["rms"]))
    rows = rows.sort_values(["matched", "rms", "sites_error", "id"], ascending=[False, True, True, True], kind="stable")
    ids, held_out = list(rows["id"]), list(rows.loc[rows["split"] == "held_out", "id"])
    if not ids:
        return {}
    wanted = {"best": ids[0], "worst": ids[-1], "typical": ids[len(ids) // 2]}
    wanted |= {"typical of those held out": held_out[len(held_out) // 2]} if held_out else {}
    roles = {name: role for role, name in reversed(wanted.items())}
    order = ("best", "typical", "typical of those held out", "worst")
    return {role: name for role in order for name, taken in roles.items() if taken == role}


def save_examples(arrays: str | Path, crystals: str | Path, examples: Examples) -> None:
    """Write examples.

    Args:
        arrays: File (.npz) of ids, roles and voxels.
        crystals: Structure set of the true and the decoded crystals.
        examples: The examples.
    """
    names = ("ids", "roles", "lattices", "sites")
    stored = {name: getattr(examples, name) for name in names}
    elements = np.array(examples.elements, dtype=str)
    write_arrays(arrays, **stored, elements=elements, box=np.float64(examples.box))
    write_set(crystals, examples.crystals)


def load_examples(arrays: str | Path, crystals: str | Path) -> Examples:
    """Read the files written by :func:`save_examples`."""
    stored = read_arrays(arrays)
    elements, box = tuple(map(str, stored.pop("elements"))), float(stored.pop("box"))
    return Examples(**stored, elements=elements, box=box, crystals=read_set(crystals))
