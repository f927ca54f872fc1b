"""Real crystals that tests share; lengths in angstrom."""

import numpy as np
from pymatgen.core import Lattice, Structure


def bi2se3() -> Structure:
    """Bi2Se3, R-3m, conventional hexagonal cell (15 atoms)."""
    return Structure.from_spacegroup(
        "R-3m", Lattice.hexagonal(4.143, 28.636), ["Bi", "Se", "Se"], [[0, 0, 0.4], [0, 0, 0], [0, 0, 0.21]]
    )


def rock_salt(a: float = 5.99) -> Structure:
    """BiSe in the rock-salt structure, cubic cell (8 atoms)."""
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Bi", "Se"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def cesium_chloride(a: float = 3.6) -> Structure:
    """BiSe in the CsCl structure (2 atoms)."""
    return Structure.from_spacegroup("Pm-3m", Lattice.cubic(a), ["Bi", "Se"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def zinc_blende(a: float = 6.3) -> Structure:
    """BiSe in the zinc-blende structure, cubic cell (8 atoms)."""
    return Structure.from_spacegroup("F-43m", Lattice.cubic(a), ["Bi", "Se"], [[0, 0, 0], [0.25, 0.25, 0.25]])


REAL = {"Bi2Se3": bi2se3, "rock salt": rock_salt, "CsCl": cesium_chloride, "zinc blende": zinc_blende}


def random_crystal(seed: int, n_atoms: int, n_elements: int, closest: float = 2.2) -> Structure:
    """Return a crystal of at most ``n_atoms`` atoms of ``n_elements`` elements in a random cell.

    No two atoms, images included, are nearer than ``closest`` angstrom; no cell length exceeds 10 angstrom.
    """
    rng = np.random.default_rng(seed)
    while True:
        lattice = Lattice.from_parameters(*rng.uniform(3.0, 10.0, 3), *rng.uniform(60, 120, 3))
        if np.isfinite(lattice.volume) and 20 * n_atoms < lattice.volume < 60 * n_atoms + 60:
            break
    kept = []
    for candidate in rng.random((300, 3)):
        if len(kept) == n_atoms:
            break
        if not kept or lattice.get_all_distances([candidate], kept).min() > closest:
            kept.append(candidate)
    names = ["Bi", "Se", "Te", "O", "Fe"][:n_elements]
    return Structure(lattice, [names[i % n_elements] for i in range(len(kept))], kept)
