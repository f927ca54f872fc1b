"""Atoms, bonds and cell of a crystal for the three-dimensional views of the report."""

import itertools
from typing import Any

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from pymatgen.core import Structure

from ccdcgan.figures.crystals import with_images_on_faces

BOND = 1.2
"""Two atoms are bonded if their distance is below this factor times the sum of their covalent radii."""
SAME = 0.1
"""Distance (angstrom) below which two images are the same atom."""


def view(structure: Structure) -> dict[str, Any]:
    """Return the atoms, bonds and cell of a structure as they are drawn.

    Returns:
        ``cell``: (3, 3), rows a, b, c; ``atoms``: [symbol, x, y, z] of each atom, with the images of atoms on faces;
        ``bonds``: pairs of indices of atoms; ``stubs``: [index of the atom, x, y, z of the middle of the bond] of each
        bond to an atom that is not drawn. Lengths in angstrom, rounded to three digits.
    """
    matrix = structure.lattice.matrix
    symbols, coords = with_images_on_faces(structure)
    positions = coords @ matrix
    radii = np.array([covalent_radii[atomic_numbers[symbol]] for symbol in symbols])
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    joined = np.argwhere(np.triu(distances < BOND * (radii[:, None] + radii), k=1))
    atoms = [[symbol, *np.round(xyz, 3).tolist()] for symbol, xyz in zip(symbols, positions, strict=True)]
    drawn = {"cell": np.round(matrix, 3).tolist(), "atoms": atoms, "bonds": joined.tolist()}
    return {**drawn, "stubs": _stubs(positions, radii, matrix)}


def _stubs(positions: np.ndarray, radii: np.ndarray, matrix: np.ndarray) -> list[list[float]]:
    """Return the first halves of the bonds to atoms of neighbouring cells that are not drawn.

    Args:
        positions: Positions of the atoms drawn, (n, 3), angstrom; some are images of one another.
        radii: Covalent radii of these atoms, (n,), angstrom.
        matrix: Cell, (3, 3), rows a, b, c, angstrom.
    """
    around = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ matrix
    images = (positions[None] + around[:, None]).reshape(-1, 3)
    reach = BOND * (radii[:, None] + np.tile(radii, len(around)))
    _, first = np.unique(
        np.round(images, 2), axis=0, return_index=True
    )  # images of an atom drawn twice are listed twice
    images, reach = images[first], reach[:, first]
    hidden = np.linalg.norm(images[:, None] - positions, axis=-1).min(axis=1) > SAME
    distances = np.linalg.norm(positions[:, None] - images, axis=-1)
    pairs = np.argwhere((distances < reach) & hidden)
    middles = np.round((positions[pairs[:, 0]] + images[pairs[:, 1]]) / 2, 3)
    return [[int(index), *middle] for index, middle in zip(pairs[:, 0], middles.tolist(), strict=True)]
