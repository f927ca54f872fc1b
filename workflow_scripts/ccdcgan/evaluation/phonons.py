"""Dynamical stability: phonons from symmetric finite displacements, with phonopy.

Frequencies are in THz. Imaginary frequencies are negative numbers, as in phonopy. A crystal with an imaginary frequency
beyond the tolerance is a saddle point: a displacement along that mode lowers its energy.
"""

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
from ccdcgan.relaxation.ase_relaxation import StagedRelaxMaker
from ccdcgan.utils.progress import track

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
)
"""Columns of the table of phonons."""
BAND_POINTS = 41
"""Number of points on each segment of the band path."""


@dataclass(frozen=True)
class Phonons:
    """Phonons of one crystal.

    Attributes:
        lowest: Lowest frequency over the mesh and the band path, THz.
        supercell: Repetitions of the edges of the conventional cell.
        n_displacements: Number of force calculations.
        bands: One row per point of the band path: segment, distance (1/angstrom), label ("" except at special points),
            and frequencies band_0, band_1, ... (THz), sorted.
    """

    lowest: float
    supercell: tuple[int, int, int]
    n_displacements: int
    bands: pd.DataFrame


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
    return Phonons(lowest, repeats, len(displaced), bands)


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
    """Test whether a candidate is a minimum of the energy.

    The candidate is relaxed with tight tolerances and symmetrised before its phonons are computed.

    Args:
        crystal: The candidate.
        maker: The engine.
        settings: Section ``phonons`` of the configuration.

    Returns:
        A row with COLUMNS, and the bands. A crystal that does not relax has a status and a reason, but no bands.
    """
    row = {"id": crystal.id, "formula": crystal.formula, "scheme": crystal.info.get("scheme", "")}
    row |= {"e_above_hull": crystal.info.get("e_above_hull")}
    tight = replace(maker, fmax=settings["fmax"], max_steps=settings["max_steps"])
    relaxation = tight.relax(symmetrised(crystal.structure, settings["symprec"]))
    row |= {"status": relaxation.status, "reason": relaxation.reason, "engine": maker.label}
    if relaxation.status == "failed":
        return row, pd.DataFrame()
    structure = symmetrised(relaxation.structure, SYMPREC)
    calculator = maker.stages(structure)[-1].calculator
    phonons = compute_phonons(
        structure,
        calculator,
        settings["length"],
        settings["max_atoms"],
        settings["displacement"],
        label=crystal.id,
    )
    row |= {
        "lowest_frequency": phonons.lowest,
        "dynamically_stable": phonons.lowest > -settings["tolerance"],
        "supercell": "x".join(map(str, phonons.supercell)),
        "n_displacements": phonons.n_displacements,
    }
    return row, phonons.bands.assign(id=crystal.id)
