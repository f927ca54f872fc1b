"""The symmetric crystal near a relaxed one.

A relaxation starts from displaced atoms and ends where the forces are below a limit, so that its end is nearly, but not
exactly, symmetric. The crystal is symmetrised with the loosest tolerance at which a symmetry is found, relaxed with
that symmetry kept (ASE's FixSymmetry) and with the last model of the same engine, and then relaxed without it from
displaced atoms. The symmetric crystal is accepted if its energy is at most ENERGY above that of the relaxed one, and if
the free relaxation gains at most ENERGY: otherwise it is a saddle point. If it is refused, the next tighter tolerance
is tried.
"""

from dataclasses import dataclass, replace

import numpy as np
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import SYMPREC, symmetrised
from ccdcgan.crystals.symmetry import (
    HIGHER_ENERGY,
    NONE_FOUND,
    NOT_FINISHED,
    NOT_RELAXED,
    SADDLE_POINT,
    SYMMETRISED,
    symmetric_starts,
)
from ccdcgan.relaxation.ase_relaxation import Relaxation, StagedRelaxMaker, displaced, relax_in_stages
from ccdcgan.relaxation.engines import Engine

ENERGY = 0.001
"""Largest energy (eV/atom) of the symmetric crystal above the relaxed one, and largest gain of the free relaxation."""
DISPLACEMENT = 0.05
"""Root mean square displacement (angstrom) at the start of the free relaxation."""
STRAIN = np.array([[0.006, 0.004, -0.005], [0.004, -0.007, 0.003], [-0.005, 0.003, 0.005]])
"""Strain at the start of the free relaxation, without any symmetry: some crystals are unstable by their cell alone."""


@dataclass(frozen=True)
class SymmetricEnd:
    """Result of the symmetrisation of one crystal.

    Attributes:
        outcome: One of the outcomes of :mod:`ccdcgan.crystals.symmetry`; for a refused crystal that of the tightest
            tolerance tried.
        tolerance: Tolerance of the accepted symmetry, angstrom; NaN: none.
        energy: Energy of the symmetric crystal relative to the relaxed one, eV/atom, of the accepted or else the last
            crystal tried; NaN: none.
        relaxation: Relaxation of the accepted crystal with its symmetry kept; None: none.
    """

    outcome: str
    tolerance: float = float("nan")
    energy: float = float("nan")
    relaxation: Relaxation | None = None


def symmetric_end(structure: Structure, energy: float, engine: Engine) -> SymmetricEnd:
    """Return the symmetric crystal near a relaxed one.

    Args:
        structure: End of a relaxation.
        energy: Its energy, eV/atom.
        engine: Engine of that relaxation. An engine that is not based on ASE finishes nothing.
    """
    result = SymmetricEnd(NONE_FOUND)
    for tolerance, start in symmetric_starts(structure):
        if not isinstance(engine, StagedRelaxMaker):
            return SymmetricEnd(NOT_FINISHED)
        last, settings = engine.stages(start)[-1:], engine.settings()
        kept = relax_in_stages(start, last, replace(settings, keep_symmetry=True))
        higher = kept.energy_per_atom - energy
        if kept.status != "ok":
            result = SymmetricEnd(NOT_RELAXED)
            continue
        if higher > ENERGY:
            result = SymmetricEnd(HIGHER_ENERGY, energy=higher)
            continue
        kept = replace(kept, structure=symmetrised(kept.structure, SYMPREC))
        free = relax_in_stages(_without_symmetry(kept.structure), engine.stages(kept.structure)[-1:], settings)
        if free.status != "ok":
            result = SymmetricEnd(NOT_RELAXED, energy=higher)
        elif free.energy_per_atom < kept.energy_per_atom - ENERGY:
            result = SymmetricEnd(SADDLE_POINT, energy=higher)
        else:
            return SymmetricEnd(SYMMETRISED, tolerance, higher, kept)
    return result


def _without_symmetry(structure: Structure) -> Structure:
    """Return a crystal with a strained cell and displaced atoms."""
    strained = Lattice(structure.lattice.matrix @ (np.eye(3) + STRAIN))
    return displaced(Structure(strained, structure.species, structure.frac_coords), DISPLACEMENT)
