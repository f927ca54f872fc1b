"""Real crystals that tests share; lengths in angstrom."""

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
