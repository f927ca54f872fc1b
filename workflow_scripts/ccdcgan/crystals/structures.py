"""Crystals, structure sets as extended XYZ, the standard cell, and interatomic distances."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import spglib
from ase import Atoms
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict
from pymatgen.core import Lattice, Structure

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path

SYMPREC = 0.01
"""Tolerance (angstrom) of the symmetry search for the primitive cell."""


@dataclass(frozen=True)
class Crystal:
    """One crystal of a structure set.

    Args:
        id: Name, unique in its set.
        structure: Cell and sites, angstrom.
        info: Flat dictionary of provenance and results (``parent``, ``prototype``, ``stage``, ``status``, ``reason``,
            energies), with values of type str, int, float or bool.
    """

    id: str
    structure: Structure
    info: dict[str, Any] = field(default_factory=dict)

    def updated(self, **info: Any) -> "Crystal":
        """Return a copy with entries of ``info`` added or replaced."""
        return replace(self, info={**self.info, **info})

    @property
    def formula(self) -> str:
        """Reduced formula."""
        return self.structure.composition.reduced_formula


def to_atoms(structure: Structure) -> Atoms:
    """Convert a structure to ASE atoms, without site properties."""
    return Atoms(
        numbers=[site.specie.Z for site in structure],
        cell=structure.lattice.matrix,
        positions=structure.cart_coords,
        pbc=True,
    )


def from_atoms(atoms: Atoms) -> Structure:
    """Convert ASE atoms to a structure, without wrapping the sites into the cell."""
    return Structure(
        Lattice(atoms.cell.array), atoms.get_chemical_symbols(), atoms.positions, coords_are_cartesian=True
    )


def write_set(path: str | Path, crystals: Iterable[Crystal]) -> None:
    """Write a structure set as extended XYZ, one frame per crystal in order; an empty set gives an empty file."""
    frames = []
    for crystal in crystals:
        atoms = to_atoms(crystal.structure)
        info = {key: _plain(value) for key, value in crystal.info.items()}
        texts = {key: _as_text(value) if isinstance(value, str) else value for key, value in info.items()}
        atoms.info = {"id": _as_text(crystal.id)} | {key: value for key, value in texts.items() if value != ""}
        frames.append(atoms)
    with atomic_path(path) as temporary:
        if frames:
            ase.io.write(temporary, frames, format="extxyz")
        else:
            temporary.touch()


def read_set(path: str | Path) -> list[Crystal]:
    """Read a structure set written by :func:`write_set`.

    Raises:
        InputError: If the file is not extended XYZ or a frame has no ``id``.
    """
    path = Path(path)
    if path.stat().st_size == 0:
        return []
    try:
        frames = ase.io.read(path, index=":", format="extxyz")
    except Exception as error:
        raise InputError(f"{path} cannot be read as extended XYZ ({error}); rename it and run again.") from error
    crystals = []
    for number, atoms in enumerate(frames):
        if "id" not in atoms.info:
            raise InputError(f"{path}: frame {number} has no id; every crystal of a set needs one.")
        info = {"reason": ""} | {key: _plain(value) for key, value in atoms.info.items() if key != "id"}
        if atoms.calc is not None:  # ASE moves entries with the names of energies to a calculator
            info |= {key: float(value) for key, value in atoms.calc.results.items() if np.ndim(value) == 0}
        crystals.append(Crystal(str(atoms.info["id"]), from_atoms(atoms), info))
    return crystals


def _as_text(value: str) -> str:
    """Return a text as ASE has to be given it to return it unchanged from extended XYZ.

    ASE reads texts such as NaN, InF, 007, "1 2" and T as numbers, arrays or truth values, drops backslashes when it
    reads, and does not escape the end of a line when it writes. Such texts are written in its notation of JSON.
    """
    if not value:
        return value
    if value.isprintable() and "=" not in value:
        read = key_val_str_to_dict(key_val_dict_to_str({"text": value})).get("text")
        if isinstance(read, str) and read == value:
            return value
    return "_JSON " + json.dumps(value).replace("\\", "\\\\")


def _plain(value: Any) -> Any:
    """Convert a numpy scalar to a Python scalar, and None to an empty text.

    Extended XYZ has no empty texts; :func:`write_set` omits such entries.
    """
    if value is None:
        return ""
    return value.item() if isinstance(value, np.generic) else value


def spglib_cell(structure: Structure) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return lattice, fractional coordinates and atomic numbers of a crystal, as spglib expects them."""
    return structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure]


def standard_cell(structure: Structure, primitive: bool = True, symprec: float = SYMPREC) -> Structure:
    """Return the crystal in its primitive, Niggli-reduced, right-handed cell with a along x and b in the xy plane.

    Only proper rotations are applied, so the handedness of the crystal is preserved.

    Args:
        structure: Crystal in any cell.
        primitive: Whether to reduce to the primitive cell; False: only Niggli reduction and rotation.
        symprec: Tolerance of the symmetry search, angstrom.

    Raises:
        InputError: If there is no Niggli cell, which happens for cells with almost no volume.
    """
    cell = spglib_cell(structure)
    found = spglib.find_primitive(cell, symprec=symprec) if primitive else None
    lattice, frac_coords, numbers = found if found is not None else cell
    cart_coords = np.asarray(frac_coords) @ np.asarray(lattice)
    reduced = spglib.niggli_reduce(lattice)
    if reduced is None:
        raise InputError(f"no Niggli cell for {structure.composition.formula}: its cell is degenerate.")
    if np.linalg.det(reduced) < 0:
        reduced = -reduced
    frac_coords = cart_coords @ np.linalg.inv(reduced)
    a, b, c, alpha, beta, gamma = Lattice(reduced).parameters
    frame = lattice_from_parameters(a, b, c, alpha, beta, gamma)
    return Structure(frame, numbers, frac_coords, to_unit_cell=True)


def symmetrised(structure: Structure, symprec: float) -> Structure:
    """Return the crystal in its primitive, Niggli-reduced cell with exactly symmetric cell and sites.

    Orientation and order of the sites may change.

    Args:
        structure: Crystal in any cell.
        symprec: Tolerance of the symmetry search, angstrom.

    Returns:
        The symmetrised crystal, or ``structure`` itself if spglib finds no symmetry.
    """
    found = spglib.standardize_cell(spglib_cell(structure), to_primitive=True, no_idealize=False, symprec=symprec)
    return structure if found is None else standard_cell(Structure(Lattice(found[0]), found[2], found[1]), False)


def lattice_from_parameters(a: float, b: float, c: float, alpha: float, beta: float, gamma: float) -> Lattice:
    """Return the right-handed lattice with a along x and b in the xy plane with positive y component.

    Args:
        a: Length of the first edge, angstrom.
        b: Length of the second edge, angstrom.
        c: Length of the third edge, angstrom.
        alpha: Angle between b and c, degree.
        beta: Angle between a and c, degree.
        gamma: Angle between a and b, degree.
    """
    cos_alpha, cos_beta, cos_gamma = np.cos(np.radians([alpha, beta, gamma]))
    sin_gamma = np.sqrt(1 - cos_gamma**2)
    c_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    c_z = np.sqrt(max(1 - cos_beta**2 - c_y**2, 0.0))
    return Lattice([[a, 0, 0], [b * cos_gamma, b * sin_gamma, 0], [c * cos_beta, c * c_y, c * c_z]])


def compact_positions(structure: Structure) -> np.ndarray:
    """Return the Cartesian positions of a compact basis, shape (n_atoms, 3), angstrom, with its centroid at the origin.

    For each atom in turn the nearest image of every other atom is taken. The basis with the smallest sum of squared
    distances from its centroid is returned, so that the faces of the cell do not divide it. A basis with fractional
    coordinates from 0 to 1 can be larger than the box of a voxel grid.
    """
    images = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    frac = structure.frac_coords
    offsets = frac[None, :, :] - frac[:, None, :]
    offsets -= np.round(offsets)
    cart = (offsets[:, :, None, :] + images[None, None]) @ structure.lattice.matrix
    nearest = np.argmin(np.round((cart**2).sum(-1), 6), axis=2)
    gathered = np.take_along_axis(cart, nearest[:, :, None, None], axis=2)[:, :, 0, :]
    gathered -= gathered.mean(axis=1, keepdims=True)
    spread = np.round((gathered**2).sum((1, 2)), 6)
    return gathered[int(np.argmin(spread))]


def shortest_distance(structure: Structure) -> float:
    """Return the shortest interatomic distance (angstrom), periodic images of one atom included.

    The cell may be skewed and need not be reduced.
    """
    lattice = structure.lattice
    distances = structure.distance_matrix[np.triu_indices(len(structure), k=1)]
    # A cell edge is the shortest lattice vector of a reduced cell; in other cells a combination of them may be shorter.
    combinations = np.array([numbers for numbers in np.ndindex(5, 5, 5) if numbers != (2, 2, 2)]) - 2
    translation = float(np.linalg.norm(combinations @ lattice.get_lll_reduced_lattice().matrix, axis=1).min())
    edge = min(lattice.abc)
    return float(min([translation if translation < (1 - 1e-9) * edge else edge, *distances]))
