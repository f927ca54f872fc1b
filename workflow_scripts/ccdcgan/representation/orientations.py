"""Equivalent orientations of a crystal: several crystal graphs of one crystal with the same lattice latent.

The lattice latent holds the metric tensor only, and the decoder places a along x and b in the xy plane. A rotation of
the atoms therefore describes the same crystal only if it maps the lattice onto itself. These are the operations of the
lattice's holohedry: 48 for a cubic lattice, 2 for a triclinic one, improper operations included. An improper operation
gives the mirror image of the crystal, which has the same energy. The other symmetries of the cube of voxels would
rotate the atoms relative to their cell. They may augment the data of the sites autoencoder, which does not see the
cell, but not those of a generator.
"""

from collections.abc import Sequence

import numpy as np
import spglib
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal, compact_positions
from ccdcgan.representation.crystal_graph import CrystalCodec, CrystalGraphs

SYMPREC = 0.05
"""Tolerance (angstrom) within which a rotation maps the lattice onto itself, about the error of the decoder."""


def holohedry(matrix: np.ndarray, symprec: float = SYMPREC) -> np.ndarray:
    """Return the rotations (n, 3, 3), integers in fractional coordinates, that map a lattice onto itself.

    The identity is the first.

    Args:
        matrix: Rows a, b, c, angstrom.
        symprec: Tolerance, angstrom.
    """
    found = spglib.get_symmetry((matrix, [[0.0, 0.0, 0.0]], [1]), symprec=symprec)
    rotations = np.eye(3, dtype=int)[None] if found is None else np.unique(found["rotations"], axis=0)
    order = np.argsort([not np.array_equal(rotation, np.eye(3)) for rotation in rotations], kind="stable")
    return rotations[order]


def orientations(structure: Structure, most: int | None = None) -> list[Structure]:
    """Return the crystal in every orientation that fits its lattice and has different sites voxels.

    Args:
        structure: The crystal, which is returned first.
        most: Maximum number of orientations; None: all.
    """
    seen: set[bytes] = set()
    oriented, species = [], [site.specie for site in structure]
    for rotation in holohedry(structure.lattice.matrix):
        other = Structure(structure.lattice, species, structure.frac_coords @ rotation.T, to_unit_cell=True)
        key = _appearance(other)
        if key not in seen:
            seen.add(key)
            oriented.append(other)
        if len(oriented) == most:
            break
    return oriented


def equivalents(crystals: Sequence[Crystal], most: int) -> list[Crystal]:
    """Return every crystal in at most ``most`` orientations; they keep its id."""
    return [
        Crystal(crystal.id, structure, crystal.info)
        for crystal in crystals
        for structure in orientations(crystal.structure, most)
    ]


def oriented_graphs(codec: CrystalCodec, graphs: CrystalGraphs, crystals: Sequence[Crystal], most: int) -> np.ndarray:
    """Return crystal graphs (n, side, side, 1), in [-1, 1], of every crystal in at most ``most`` orientations.

    Args:
        codec: Encodes the orientations.
        graphs: Crystal graphs of the crystals in their own orientation.
        crystals: A set that contains all crystals of ``graphs``.
        most: Maximum number of orientations per crystal; 1: ``graphs`` as they are.
    """
    if most == 1:
        return graphs.graphs
    by_id = {crystal.id: crystal for crystal in crystals}
    return codec.encode(equivalents([by_id[name] for name in graphs.ids], most)).graphs


def _appearance(structure: Structure) -> bytes:
    """Return a key of the sites voxels of a crystal: its compact positions, to 0.1 angstrom, in sorted order."""
    rounded = np.round(compact_positions(structure), 1) + 0.0
    numbers = np.array([[site.specie.Z] for site in structure])
    rows = np.concatenate([numbers, rounded], axis=1)
    return rows[np.lexsort(rows.T)].tobytes()
