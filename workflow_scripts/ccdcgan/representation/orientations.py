"""One crystal, several crystal graphs: the orientations in which a crystal fits the same lattice latent.

The lattice latent holds the metric tensor only, and the decoder lays the cell out with a along x and b in the xy
plane. So a rotation of the atoms describes the same crystal only if it maps the lattice on itself: the rotations
of the lattice's holohedry, 48 with the improper ones for a cubic lattice, 2 for a triclinic one. An improper one
gives the crystal's mirror image, which has the same energy. The other symmetries of the cube of voxels would turn
the atoms against their cell: they may train the sites autoencoder, which sees no cell, but not a generator.
"""

from collections.abc import Sequence

import numpy as np
import spglib
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal, compact_positions
from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.crystal_graph import CrystalGraphs, encode_crystals

SYMPREC = 0.05
"""Distance (angstrom) within which a rotation maps the lattice on itself; the decoder's error is of this size."""


def holohedry(matrix: np.ndarray, symprec: float = SYMPREC) -> np.ndarray:
    """Return the rotations (n, 3, 3), whole numbers in fractional coordinates, that map a lattice on itself.

    matrix: rows a, b, c, angstrom. The identity is the first.
    """
    found = spglib.get_symmetry((matrix, [[0.0, 0.0, 0.0]], [1]), symprec=symprec)
    rotations = np.eye(3, dtype=int)[None] if found is None else np.unique(found["rotations"], axis=0)
    order = np.argsort([not np.array_equal(rotation, np.eye(3)) for rotation in rotations], kind="stable")
    return rotations[order]


def orientations(structure: Structure, most: int | None = None) -> list[Structure]:
    """Return the crystal in every orientation that fits its own lattice and looks different in the voxel's box.

    The crystal itself comes first; most: return no more than these.
    """
    seen: set[bytes] = set()
    turned, species = [], [site.specie for site in structure]
    for rotation in holohedry(structure.lattice.matrix):
        other = Structure(structure.lattice, species, structure.frac_coords @ rotation.T, to_unit_cell=True)
        key = _appearance(other)
        if key not in seen:
            seen.add(key)
            turned.append(other)
        if len(turned) == most:
            break
    return turned


def equivalents(crystals: Sequence[Crystal], most: int) -> list[Crystal]:
    """Return every crystal in at most ``most`` orientations, which keep its id."""
    return [
        Crystal(crystal.id, structure, crystal.info)
        for crystal in crystals
        for structure in orientations(crystal.structure, most)
    ]


def oriented_graphs(
    known: CrystalGraphs,
    crystals: Sequence[Crystal],
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    most: int,
) -> np.ndarray:
    """Return crystal graphs (n, side, side, 1), in [-1, 1], of every crystal in at most ``most`` orientations.

    known: crystal graphs of the crystals as they stand, whose scale is kept: values beyond it are cut; crystals: a
    set that holds them all.
    """
    if most == 1:
        return known.graphs
    by_id = {crystal.id: crystal for crystal in crystals}
    turned = equivalents([by_id[name] for name in known.ids], most)
    return encode_like(known, turned, lattice_autoencoder, sites_autoencoder)[1]


def encode_like(
    known: CrystalGraphs, crystals: Sequence[Crystal], lattice_autoencoder: Autoencoder, sites_autoencoder: Autoencoder
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids (n,) and crystal graphs (n, side, side, 1), in [-1, 1], of those crystals that have any.

    known: crystal graphs whose elements, geometry and scale are taken: values beyond the scale are cut.
    """
    graphs = encode_crystals(crystals, known.elements, lattice_autoencoder, sites_autoencoder, known.geometry)
    return graphs.ids, np.clip(graphs.latents / known.scale, -1, 1).astype(np.float32)


def _appearance(structure: Structure) -> bytes:
    """Return what the sites voxels see of a crystal, to a tenth of an angstrom: its gathered atoms in any order."""
    rounded = np.round(compact_positions(structure), 1) + 0.0
    numbers = np.array([[site.specie.Z] for site in structure])
    rows = np.concatenate([numbers, rounded], axis=1)
    return rows[np.lexsort(rows.T)].tobytes()
