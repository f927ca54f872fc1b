"""A few crystals beside what came back from their crystal graphs: the best, a typical one, the worst.

Of the voxels a cut is kept, not the whole: through the middle of the lattice voxel, at a = 1/2, and the largest value
along x of every sites voxel, so that no atom is missed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ccdcgan.columns import is_true
from ccdcgan.crystals.structures import Crystal, read_set, write_set
from ccdcgan.utils.files import read_arrays, write_arrays


@dataclass(frozen=True)
class Examples:
    """Crystals, each before and after; n of them.

    ids, roles: (n,), e.g. "best"; lattices: (n, 2, grid, grid), axes b and c, and sites: (n, 2, n_elements, grid,
    grid), axes y and z, true then decoded; elements: of the sites voxels; box: their edge, angstrom; crystals: true
    ones and those that were decoded, ``info["side"]`` is before or after, their atoms around the middle of the cell.
    """

    ids: np.ndarray
    roles: np.ndarray
    lattices: np.ndarray
    sites: np.ndarray
    elements: tuple[str, ...]
    box: float
    crystals: list[Crystal]

    def crystal(self, name: str, side: str) -> Crystal | None:
        """Return the crystal of this id and side (before, after); None if nothing was decoded."""
        found = (one for one in self.crystals if one.id == name and one.info["side"] == side)
        return next(found, None)


def choose(table: pd.DataFrame) -> dict[str, str]:
    """Return role -> id: best, typical, typical held out, worst; a crystal has one role.

    table: of ``reconstruction.reconstruct``. Those that came back are in order of their rms, then come the others in
    order of the error of their sites voxels; typical is the middle one. Crystals without a graph are no examples.
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
    """Write examples as one .npz and one structure set."""
    names = ("ids", "roles", "lattices", "sites")
    stored = {name: getattr(examples, name) for name in names}
    elements = np.array(examples.elements, dtype=str)
    write_arrays(arrays, **stored, elements=elements, box=np.float64(examples.box))
    write_set(crystals, examples.crystals)


def load_examples(arrays: str | Path, crystals: str | Path) -> Examples:
    """Read what :func:`save_examples` wrote."""
    stored = read_arrays(arrays)
    elements, box = tuple(map(str, stored.pop("elements"))), float(stored.pop("box"))
    return Examples(**stored, elements=elements, box=box, crystals=read_set(crystals))
