"""Dynamical stability: phonons from symmetric finite displacements, with phonopy.

Frequencies are in THz. Imaginary frequencies are negative numbers, as in phonopy. A crystal with an imaginary frequency
beyond the tolerance is a saddle point: a displacement along that mode lowers its energy.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import seekpath
from ase import Atoms
from ase.calculators.calculator import Calculator
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from ccdcgan.crystals.structures import Crystal, symmetrised
from ccdcgan.evaluation.imaginary_modes import displaced_along_mode, lower_crystal
from ccdcgan.relaxation.ase_relaxation import StagedRelaxMaker
from ccdcgan.utils.progress import track

log = logging.getLogger(__name__)

SYMPREC = 0.01
"""Tolerance (angstrom) of the symmetry search; symmetry reduces the number of displacements."""

COLUMNS = (
    "id",
    "formula",
    "scheme",
    "e_above_hull",
    "engine",
    "status",
    "reason",
    "lowest_frequency",
    "dynamically_stable",
    "supercell",
    "n_displacements",
    "first_frequency",
    "n_followed",
    "energy_change",
    "end_of_modes",
    "becomes",
)
"""Columns of the table of phonons. The frequencies are those of the last crystal; ``first_frequency`` is the lowest one
of the candidate, before imaginary modes were followed."""
LIMIT = "modes not followed further"
NO_SMALL_SUPERCELL = "no imaginary mode in a small supercell"
NOT_LOWER = "no lower crystal along the mode"
"""Reasons why an unstable crystal was not followed: ``phonons.follow`` is reached; the imaginary modes need a larger
supercell than ``phonons.follow_atoms``, or lie at other wave vectors; no displaced crystal relaxes to lower energy."""
BAND_POINTS = 41
"""Number of points on each segment of the band path."""


@dataclass(frozen=True)
class Phonons:
    """Phonons of one crystal.

    Attributes:
        lowest: Lowest frequency over the mesh and the band path, THz.
        supercell: Repetitions of the edges of the conventional cell.
        n_displacements: Number of force calculations.
        solver: Phonopy's object with the force constants.
        bands: One row per point of the band path: segment, distance (1/angstrom), label ("" except at special points),
            and frequencies band_0, band_1, ... (THz), sorted.
    """

    lowest: float
    supercell: tuple[int, int, int]
    n_displacements: int
    bands: pd.DataFrame
    solver: Phonopy | None = None


def supercell_of(structure: Structure, length: float, max_atoms: int) -> tuple[int, int, int]:
    """Return the number of repetitions of each edge of the cell.

    Args:
        structure: The conventional cell.
        length: Minimum length of each edge of the supercell, angstrom.
        max_atoms: Maximum number of atoms. It takes precedence over ``length``, but a single cell is always allowed.
    """
    edges = np.array(structure.lattice.abc)
    repeats = np.maximum(1, np.ceil(length / edges - 1e-6)).astype(int)
    while repeats.prod() * len(structure) > max_atoms and repeats.max() > 1:
        repeats[np.argmax(np.where(repeats > 1, repeats * edges, 0))] -= 1
    return tuple(int(n) for n in repeats)


def compute_phonons(
    structure: Structure,
    calculator: Calculator,
    length: float = 10.0,
    max_atoms: int = 150,
    displacement: float = 0.02,
    mesh: float = 30.0,
    label: str = "phonons",
) -> Phonons:
    """Compute the phonons of a relaxed crystal.

    The supercell repeats the conventional cell. This cell has the full symmetry, which reduces the number of
    displacements.

    Args:
        structure: The crystal.
        calculator: Calculator of the forces.
        length: Minimum length of each edge of the supercell, angstrom.
        max_atoms: Maximum number of atoms of the supercell.
        displacement: Length of the displacements, angstrom.
        mesh: Density of the mesh for the lowest frequency, angstrom: about mesh |b_i| points along each axis.
        label: Label of the progress line.
    """
    cell = SpacegroupAnalyzer(structure, symprec=SYMPREC).get_refined_structure()
    repeats = supercell_of(cell, length, max_atoms)
    atoms = PhonopyAtoms(
        symbols=[site.specie.symbol for site in cell], cell=cell.lattice.matrix, scaled_positions=cell.frac_coords
    )
    phonon = Phonopy(atoms, supercell_matrix=np.diag(repeats), primitive_matrix="auto", symprec=SYMPREC)
    phonon.generate_displacements(distance=displacement)
    displaced = phonon.supercells_with_displacements
    phonon.forces = [_forces(supercell, calculator) for supercell in track(displaced, len(displaced), label)]
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    phonon.run_mesh(mesh)
    bands = _bands(phonon)
    frequencies = bands.filter(like="band_").to_numpy()
    lowest = min(float(phonon.mesh.frequencies.min()), float(frequencies.min()))
    return Phonons(lowest, repeats, len(displaced), bands, phonon)


def _forces(supercell: PhonopyAtoms, calculator: Calculator) -> np.ndarray:
    """Return the forces on a displaced supercell, (n_atoms, 3), eV/angstrom."""
    atoms = Atoms(supercell.symbols, cell=supercell.cell, scaled_positions=supercell.scaled_positions, pbc=True)
    atoms.calc = calculator
    return atoms.get_forces()


def _bands(phonon: Phonopy) -> pd.DataFrame:
    """Return the bands along the path of seekpath for the space group of the crystal, in the cell of ``phonon``."""
    special = seekpath.get_path_orig_cell(phonon.primitive.totuple(), symprec=SYMPREC)
    path, coords = special["path"], {name: np.array(point) for name, point in special["point_coords"].items()}
    connections = [end == start for (_, end), (start, _) in zip(path, path[1:], strict=False)] + [False]
    phonon.run_band_structure(
        [np.linspace(coords[start], coords[end], BAND_POINTS) for start, end in path], path_connections=connections
    )
    result = phonon.band_structure
    rows = []
    for segment, ends in enumerate(path):
        labels = [ends[0], *[""] * (BAND_POINTS - 2), ends[1]]
        points = zip(labels, result.distances[segment], result.frequencies[segment], strict=True)
        for label, distance, frequencies in points:
            row = {"segment": segment, "distance": distance, "label": label.replace("GAMMA", "Γ")}
            rows.append(row | {f"band_{number}": value for number, value in enumerate(np.sort(frequencies))})
    return pd.DataFrame(rows)


def dynamical_stability(crystal: Crystal, maker: StagedRelaxMaker, settings: dict) -> tuple[dict, pd.DataFrame]:
    """Test whether a candidate is a minimum of the energy; see :func:`stable_end`.

    Returns:
        A row with columns of COLUMNS, and the bands.
    """
    row, bands, _ = stable_end(crystal, maker, settings)
    return row, bands


def stable_end(crystal: Crystal, maker: StagedRelaxMaker, settings: dict) -> tuple[dict, pd.DataFrame, Crystal | None]:
    """Test whether a candidate is a minimum of the energy, and follow imaginary modes to lower crystals.

    The candidate is relaxed with tight tolerances and symmetrised before its phonons are computed. If it is unstable
    along a mode of a small supercell, it is displaced along that mode and relaxed; if the end has a lower energy, it
    replaces the crystal, at most ``follow`` times.

    Args:
        crystal: The candidate.
        maker: The engine.
        settings: Section ``phonons`` of the configuration, without ``top``.

    Returns:
        A row with columns of COLUMNS; the bands of the last crystal; and the last crystal, None if it is the candidate.
        It has the id of the candidate, and ``n_followed``, ``energy_change`` (eV/atom, relative to the tightly relaxed
        candidate) and ``first_frequency`` (THz). A crystal that does not relax has a status and a reason, but no bands.
    """
    row = {"id": crystal.id, "formula": crystal.formula, "scheme": crystal.info.get("scheme", "")}
    row |= {"e_above_hull": crystal.info.get("e_above_hull")}
    tight = replace(maker, fmax=settings["fmax"], max_steps=settings["max_steps"], displacement=0.0)
    relaxation = tight.relax(symmetrised(crystal.structure, settings["symprec"]))
    row |= {"status": relaxation.status, "reason": relaxation.reason, "engine": maker.label}
    if relaxation.status == "failed":
        return row, pd.DataFrame(), None
    first, last, followed, outcome = relaxation, relaxation, 0, ""
    phonons = _phonons_of(relaxation.structure, maker, settings, crystal.id)
    first_frequency = phonons.lowest
    while phonons.lowest <= -settings["tolerance"]:
        if followed >= settings.get("follow", 0):
            outcome = LIMIT
            break
        starts = displaced_along_mode(phonons.solver, settings["follow_atoms"], settings["tolerance"])
        lower = lower_crystal(starts, last.energy_per_atom, tight, settings["symprec"])
        if lower is None:
            outcome = NOT_LOWER if starts else NO_SMALL_SUPERCELL
            break
        followed, last = followed + 1, lower
        log.info(
            "%s: %.3f THz; the mode leads to a crystal of %d atoms that is lower by %.4f eV/atom",
            crystal.id,
            phonons.lowest,
            len(last.structure),
            first.energy_per_atom - last.energy_per_atom,
        )
        phonons = _phonons_of(last.structure, maker, settings, f"{crystal.id}, mode {followed}")
    change = {
        "first_frequency": first_frequency,
        "n_followed": followed,
        "energy_change": last.energy_per_atom - first.energy_per_atom,
    }
    row |= {
        "lowest_frequency": phonons.lowest,
        "dynamically_stable": phonons.lowest > -settings["tolerance"],
        "supercell": "x".join(map(str, phonons.supercell)),
        "n_displacements": phonons.n_displacements,
        "end_of_modes": outcome,
        **change,
    }
    end = replace(crystal, structure=symmetrised(last.structure, SYMPREC)).updated(**change)
    return row, phonons.bands.assign(id=crystal.id), end if followed else None


def _phonons_of(structure: Structure, maker: StagedRelaxMaker, settings: dict, label: str) -> Phonons:
    """Return the phonons of a relaxed crystal, symmetrised."""
    structure = symmetrised(structure, SYMPREC)
    calculator = maker.stages(structure)[-1].calculator
    length, max_atoms, displacement = (settings[name] for name in ("length", "max_atoms", "displacement"))
    return compute_phonons(structure, calculator, length, max_atoms, displacement, label=label)
