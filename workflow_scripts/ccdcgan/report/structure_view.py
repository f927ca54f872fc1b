"""What the report's three-dimensional views show of a crystal, and the files it offers for download."""

import itertools
from typing import Any

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from pymatgen.core import Structure

FACE = 0.02
"""Fractional distance from a face within which an atom is shown on the opposite face too."""
BOND = 1.2
"""Two atoms are joined if nearer than this times the sum of their covalent radii."""
SAME = 0.1
"""Distance (angstrom) below which two images are one atom."""


def view(structure: Structure) -> dict[str, Any]:
    """Return one cell as it is drawn: atoms with those on faces repeated, bonds between them, the cell.

    ``cell``: (3, 3), rows a, b, c; ``atoms``: [symbol, x, y, z] each; ``bonds``: pairs of indices of atoms;
    ``stubs``: [index of an atom, x, y, z of the middle] of each bond to an atom that is not drawn; lengths in angstrom,
    rounded to a thousandth.
    """
    matrix = structure.lattice.matrix
    symbols, coords = [], []
    for site in structure:
        frac = np.asarray(site.frac_coords) % 1.0
        frac[frac > 1 - FACE] -= 1
        for shift in itertools.product(*[(0, 1) if abs(x) < FACE else (0,) for x in frac]):
            symbols.append(site.specie.symbol)
            coords.append((frac + shift) @ matrix)
    positions = np.array(coords).reshape(-1, 3)
    radii = np.array([covalent_radii[atomic_numbers[symbol]] for symbol in symbols])
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    joined = np.argwhere(np.triu(distances < BOND * (radii[:, None] + radii), k=1))
    atoms = [[symbol, *np.round(xyz, 3).tolist()] for symbol, xyz in zip(symbols, positions, strict=True)]
    drawn = {"cell": np.round(matrix, 3).tolist(), "atoms": atoms, "bonds": joined.tolist()}
    return {**drawn, "stubs": _stubs(positions, radii, matrix)}


def _stubs(positions: np.ndarray, radii: np.ndarray, matrix: np.ndarray) -> list[list[float]]:
    """Return the first halves of the bonds that lead to atoms of the cells around which are not drawn.

    positions (n, 3), angstrom: of the atoms drawn, of which some are images of one another.
    """
    around = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ matrix
    images = (positions[None] + around[:, None]).reshape(-1, 3)
    reach = BOND * (radii[:, None] + np.tile(radii, len(around)))
    _, first = np.unique(np.round(images, 2), axis=0, return_index=True)  # an atom drawn twice has images twice
    images, reach = images[first], reach[:, first]
    hidden = np.linalg.norm(images[:, None] - positions, axis=-1).min(axis=1) > SAME
    distances = np.linalg.norm(positions[:, None] - images, axis=-1)
    pairs = np.argwhere((distances < reach) & hidden)
    middles = np.round((positions[pairs[:, 0]] + images[pairs[:, 1]]) / 2, 3)
    return [[int(index), *middle] for index, middle in zip(pairs[:, 0], middles.tolist(), strict=True)]
