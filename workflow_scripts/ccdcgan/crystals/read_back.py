"""Comparison of crystals with what pymatgen and ASE read from the files written of them.

A file format can store another crystal than was meant: a CIF has no orientation of the cell, so a left-handed cell is
read as the mirror image of the crystal; VASP needs a right-handed cell; symmetry operations can double atoms.
"""

import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifParser
from pymatgen.io.vasp import Poscar

from ccdcgan.crystals.structures import Crystal, read_set, to_atoms, write_set
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path

EXACT = 1e-4
"""Largest displacement (angstrom) of an atom or a cell vector in a file that stores numbers with all digits."""


def right_handed(structure: Structure) -> Structure:
    """Return the crystal in a right-handed cell; a left-handed one is replaced by its inverse, the same lattice.

    VASP needs such a cell. The crystal is not mirrored, as it is by a change of the sign of the cell alone.
    """
    if np.linalg.det(structure.lattice.matrix) > 0:
        return structure
    lattice = Lattice(-structure.lattice.matrix)
    return Structure(
        lattice, structure.species_and_occu, -structure.frac_coords, site_properties=structure.site_properties
    )


def written_cell(structure: Structure) -> Structure:
    """Return the crystal in the right-handed cell in which it is written, with all atoms inside and in the same order.

    Site properties and labels are dropped, and no coordinate is -0.

    Args:
        structure: Crystal in any cell.
    """
    cell = right_handed(structure)
    frac_coords = cell.frac_coords % 1
    frac_coords[frac_coords > 1 - 1e-12] = 0  # -1e-20 % 1 is 1
    return Structure(Lattice(cell.lattice.matrix + 0.0), cell.species, frac_coords + 0.0)


def difference(
    crystal: Structure,
    found: Structure,
    tolerance: float = EXACT,
    basis: np.ndarray | None = None,
    origin: np.ndarray | None = None,
) -> str:
    """Return in words how a crystal read from a file differs from the crystal that was written.

    Rotations and a change of the cell are no differences; a mirror image is one.

    Args:
        crystal: The crystal.
        found: What was read.
        tolerance: Largest displacement of an atom or a cell vector, angstrom.
        basis: Change to the cell of the file, shape (3, 3): fractional coordinates x become basis @ x + origin; None:
            the file has the cell of the crystal.
        origin: Fractional shift of the origin, shape (3,); None: 0.

    Returns:
        The difference, to follow the name of a program, such as "reads Bi8 Se12 in place of Bi3 Se4"; "" if there is
        none.
    """
    basis = np.eye(3) if basis is None else np.asarray(basis, dtype=float)
    origin = np.zeros(3) if origin is None else np.asarray(origin, dtype=float)
    if not found.is_ordered:
        return f"reads {found.composition.formula} with partial occupancies"
    numbers = [np.array([site.specie.Z for site in structure]) for structure in (crystal, found)]
    scale = 1 / abs(np.linalg.det(basis))  # cells of the crystal in the cell of the file
    expected = {element: count * scale for element, count in Counter(numbers[0].tolist()).items()}
    counts = Counter(numbers[1].tolist())
    if counts.keys() != expected.keys() or any(abs(counts[key] - expected[key]) > 1e-3 for key in counts):
        times = "" if abs(scale - 1) < 1e-3 else f" {scale:.3g} times"
        return f"reads {found.composition.formula} in place of{times} {crystal.composition.formula}"
    values = (crystal.lattice.matrix, crystal.frac_coords, found.lattice.matrix, found.frac_coords)
    if not all(np.isfinite(value).all() for value in values):
        return "reads numbers that are not finite"
    lattice = np.linalg.inv(basis).T @ crystal.lattice.matrix
    cell = found.lattice.matrix
    if np.linalg.det(lattice) * np.linalg.det(cell) <= 0:
        return "reads the mirror image of the crystal"
    stretch = np.linalg.norm(lattice @ _rotation(lattice, cell) - cell, axis=1).max()
    if stretch > tolerance:
        return f"reads a cell whose vectors differ by {stretch:.2g} angstrom"
    moved = _displacements(crystal, found, numbers, (basis, origin))
    return f"reads atoms displaced by {moved:.2g} angstrom" if moved > tolerance else ""


def _rotation(lattice: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the proper rotation that brings the rows of ``lattice`` closest to those of ``cell`` (Kabsch)."""
    left, _, right = np.linalg.svd(lattice.T @ cell)
    left[:, 2] *= np.sign(np.linalg.det(left @ right))
    return left @ right


def _displacements(
    crystal: Structure, found: Structure, numbers: list[np.ndarray], change: tuple[np.ndarray, np.ndarray]
) -> float:
    """Return the largest displacement between two crystals of equal density, angstrom.

    Compared are the atoms of the crystal with those of the file, the atoms of the file with those of the crystal, and
    the atoms of the file with their images by the translations of the crystal, which the file's cell need not contain.
    """
    basis, origin = change
    back = np.linalg.inv(basis)
    into = crystal.frac_coords @ basis.T + origin
    out = (found.frac_coords - origin) @ back.T
    largest = [
        _farthest(into, numbers[0], found, numbers[1]),
        _farthest(out, numbers[1], crystal, numbers[0]),
    ]
    for translation in basis.T:
        if np.abs(translation - np.round(translation)).max() > 1e-6:
            largest.append(_farthest(found.frac_coords + translation, numbers[1], found, numbers[1]))
    return max(largest)


def _farthest(coords: np.ndarray, numbers: np.ndarray, structure: Structure, others: np.ndarray) -> float:
    """Return the largest distance (angstrom) of any atom from the nearest atom of its element in a structure.

    Small distances are exact in all cells; larger ones may be overestimated in skewed cells.
    """
    offsets = coords[:, None] - structure.frac_coords
    offsets -= np.round(offsets)
    distances = np.linalg.norm(offsets @ structure.lattice.matrix, axis=2)
    return float(np.where(numbers[:, None] == others, distances, np.inf).min(axis=1).max())


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings of the readers: what they read is compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _only(structures: list[Structure]) -> Structure:
    """Return the only structure of a file."""
    (structure,) = structures
    return structure


CIF_READERS: Mapping[str, Callable[[str], Structure]] = {
    "pymatgen": lambda text: _only(CifParser.from_str(text).parse_structures(primitive=False)),
    "ASE": lambda text: AseAtomsAdaptor.get_structure(ase.io.read(io.StringIO(text), format="cif")),
}
"""Program -> the crystal that it reads from the text of a CIF."""

POSCAR_READERS: Mapping[str, Callable[[str], Structure]] = {
    "pymatgen": lambda text: Poscar.from_str(text).structure,
    "ASE": lambda text: AseAtomsAdaptor.get_structure(ase.io.read(io.StringIO(text), format="vasp")),
}
"""Program -> the crystal that it reads from the text of a POSCAR."""


def text_difference(
    readers: Mapping[str, Callable[[str], Structure]], text: str, compare: Callable[[Structure], str]
) -> str:
    """Return in words what is wrong with the text of a structure file.

    Args:
        readers: CIF_READERS or POSCAR_READERS.
        text: The file.
        compare: Difference of a crystal from the one that was written, as :func:`difference` returns it.

    Returns:
        The name of the first program that does not read the crystal and what it reads; "" if all of them read it.
    """
    for program, read in readers.items():
        try:
            with _quiet():
                found = read(text)
        except Exception as error:  # readers raise errors of many kinds
            return f"{program} cannot read it ({type(error).__name__}: {error})"
        wrong = compare(found)
        if wrong:
            return f"{program} {wrong}"
    return ""


def check_atoms(file: str, name: str, crystal: Structure, atoms: Atoms) -> None:
    """Check atoms that ASE has read from a file, also after pymatgen has converted them.

    Args:
        file: Name of the file.
        name: Id of the crystal.
        crystal: The crystal that was written.
        atoms: What was read.

    Raises:
        InputError: The atoms are another crystal.
    """
    wrong = difference(crystal, AseAtomsAdaptor.get_structure(atoms))
    if wrong:
        raise not_written(file, name, f"ASE {wrong}")


def write_checked_set(path: str | Path, crystals: Sequence[Crystal]) -> None:
    """Write a structure set as extended XYZ, read it back and compare it before it takes its name.

    Args:
        path: The file.
        crystals: The crystals.

    Raises:
        InputError: A crystal is read as another one, or its id or a property as another value.
    """
    file = Path(path).name
    with atomic_path(path) as temporary:
        write_set(temporary, crystals)
        found = read_set(temporary)
        if len(found) != len(crystals):
            raise InputError(f"{file} holds {len(found)} in place of {len(crystals)} crystals; start the run again.")
        for crystal, read in zip(crystals, found, strict=True):
            check_atoms(file, crystal.id, crystal.structure, to_atoms(read.structure))
            texts = {"id": crystal.id} | {key: value for key, value in crystal.info.items() if isinstance(value, str)}
            for key, value in texts.items():
                if (read_value := ({"id": read.id} | read.info).get(key, "")) != value:
                    raise not_written(file, crystal.id, f"ASE reads {key} {read_value!r} in place of {value!r}")


def poscar_text(structure: Structure, name: str = "") -> str:
    """Return the text of a POSCAR file with the atoms in the given order, after pymatgen and ASE have read it.

    Args:
        structure: Crystal in any cell; it is written in a right-handed one, which VASP needs.
        name: Id of the crystal for the message; "": its formula.

    Raises:
        InputError: The crystal cannot be written.
    """
    text = Poscar(written_cell(structure)).get_str()
    check_poscar(text, structure, name or structure.composition.formula)
    return text


def check_poscar(text: str, structure: Structure, name: str) -> None:
    """Check that pymatgen and ASE read a crystal from the text of a POSCAR.

    Args:
        text: The file.
        structure: The crystal.
        name: Id of the crystal for the message.

    Raises:
        InputError: The file holds another crystal.
    """
    cell = written_cell(structure)
    wrong = text_difference(POSCAR_READERS, text, lambda found: difference(cell, found))
    if wrong:
        raise not_written("POSCAR", name, wrong)


def not_written(file: str, name: str, wrong: str) -> InputError:
    """Return the error of a crystal that a file does not hold.

    Args:
        file: Name of the file or format.
        name: Id of the crystal.
        wrong: What is wrong, starting with the name of the program that reads it.
    """
    return InputError(
        f"the crystal {name} cannot be written as {file}, because {wrong}; it is not handed out in this format; "
        "please report its structure as a bug, from placed.extxyz or from the structure set that it is in."
    )
