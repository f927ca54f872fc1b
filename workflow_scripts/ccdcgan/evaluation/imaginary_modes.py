"""Crystals that are lower in energy along an imaginary mode of their phonons.

An imaginary frequency at a wave vector q means that a displacement of the atoms along the mode lowers the energy. If q
is commensurate with a small supercell, the displaced supercell is relaxed, and its end is a crystal of lower energy.
"""

from itertools import product

import numpy as np
from phonopy import Phonopy
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import symmetrised
from ccdcgan.relaxation.ase_relaxation import Relaxation, StagedRelaxMaker

FRACTIONS = ((0, 1), (1 / 2, 2), (1 / 3, 3))
"""Components of the wave vectors that are searched, and the repetitions of the primitive cell that they need."""
LENGTH = 0.2
"""Largest displacement of an atom along a mode, angstrom."""
LOWER = 1e-4
"""Smallest decrease of the energy (eV/atom) of a lower crystal."""


def displaced_along_mode(phonon: Phonopy, max_atoms: int, tolerance: float) -> list[Structure]:
    """Return supercells that are displaced along the most imaginary mode, in both directions.

    Args:
        phonon: Phonons with force constants.
        max_atoms: Largest number of atoms of the supercell.
        tolerance: Smallest imaginary frequency that is followed, THz.

    Returns:
        Two crystals; none if no wave vector of a small enough supercell has an imaginary mode.
    """
    n_atoms = len(phonon.primitive)
    points = [
        (np.array([part for part, _ in parts]), [repeat for _, repeat in parts])
        for parts in product(FRACTIONS, repeat=3)
        if n_atoms * np.prod([repeat for _, repeat in parts]) <= max_atoms
    ]
    if not points:
        return []
    frequencies = np.asarray(phonon.run_qpoints([q for q, _ in points]).frequencies)
    lowest = frequencies.min(axis=1)
    sizes = np.array([np.prod(repeats) for _, repeats in points])
    # Of equivalent wave vectors the one with the smallest supercell comes first.
    best = min(range(len(points)), key=lambda i: (round(float(lowest[i]), 3), sizes[i]))
    if lowest[best] > -tolerance:
        return []
    q, repeats = points[best]
    phonon.run_modulations(repeats, [[q, int(frequencies[best].argmin()), 1.0, 0.0]])
    moves, supercell = phonon.get_modulations_and_supercell()
    moves = max(np.real(moves[0]), np.imag(moves[0]), key=np.linalg.norm)  # the phase of a mode is arbitrary
    moves *= LENGTH / np.linalg.norm(moves, axis=1).max()
    return [
        Structure(
            Lattice(supercell.cell), supercell.symbols, supercell.positions + sign * moves, coords_are_cartesian=True
        )
        for sign in (1, -1)
    ]


def lower_crystal(starts: list[Structure], energy: float, maker: StagedRelaxMaker, symprec: float) -> Relaxation | None:
    """Relax displaced crystals and return the first one of lower energy, symmetrised if that keeps its energy.

    Args:
        starts: Crystals from :func:`displaced_along_mode`.
        energy: Energy of the crystal without displacement, eV/atom.
        maker: The engine, with tight tolerances and without random displacements.
        symprec: Tolerance of the symmetrisation, angstrom.

    Returns:
        The relaxation; None if no crystal relaxes to a lower energy.
    """
    for start in starts:
        end = maker.relax(start)
        if end.status != "ok" or end.energy_per_atom > energy - LOWER:
            continue
        symmetric = maker.relax(symmetrised(end.structure, symprec))
        kept = symmetric.status == "ok" and symmetric.energy_per_atom < end.energy_per_atom + LOWER
        return symmetric if kept else end
    return None
