"""Structure files for other programs: CIF, POSCAR, and all candidates as extended XYZ, CIF archive and ASE database.

Files of all candidates contain the crystals in the order of the table (:func:`ccdcgan.exports.tables.export_table`). A
failed candidate has the last geometry of its relaxation and no energy. Every file is read back by pymatgen and ASE and
compared with the crystals before it is handed out.

A relaxed crystal often has a symmetry that holds only within a tolerance. A CIF is written with the highest symmetry
that moves no atom by more than CIF_TOLERANCE, and otherwise lists all atoms (P1).
"""

import hashlib
import logging
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import spglib
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.db.core import convert_str_to_int_float_bool_or_str
from ase.db.row import AtomsRow
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from ccdcgan.columns import COLUMNS
from ccdcgan.crystals import read_back
from ccdcgan.crystals.read_back import difference, not_written, text_difference, written_cell
from ccdcgan.crystals.structures import Crystal, to_atoms
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path, safe_name

log = logging.getLogger(__name__)

CIF_SYMPRECS = (0.1, 0.05, 0.02, 0.01, 0.001)
"""Tolerances (angstrom) of the symmetry search, in the order in which they are tried."""
CIF_TOLERANCE = 0.02
"""Largest displacement (angstrom) of an atom or a cell vector by the symmetry of a CIF."""
_OPERATIONS = 1e-4
"""Tolerance (angstrom) of the search for the operations of a cell that is already symmetric."""
_ROUNDED = 1e-4
"""Fraction of a cell vector by which pymatgen moves an atom when it reads a CIF: 0.66670 becomes 2/3."""

ASE_NAMES: Mapping[str, str] = {"id": "name", "fmax": "largest_force"}
"""Column -> key in the ASE database, in which some names are reserved."""
_ASE_HAS = ("formula", "n_atoms")
_FREE_TEXT = ("detail",)


def in_table_order(table: pd.DataFrame, crystals: Iterable[Crystal]) -> list[Crystal]:
    """Return the crystals of the rows of a table.

    Args:
        table: Table from :func:`ccdcgan.exports.tables.export_table`.
        crystals: Relaxed candidates, in any order.

    Returns:
        The crystals in the order of the rows. Their properties are the entries of the row that are not missing.

    Raises:
        InputError: The structure of a row is missing.
    """
    structures = {crystal.id: crystal.structure for crystal in crystals}
    missing = [name for name in table["id"] if name not in structures]
    if missing:
        raise InputError(
            f"{missing[0]} is in candidates.csv but not in any placed.extxyz; rename candidates.csv and run again."
        )
    return [
        Crystal(row["id"], structures[row["id"]], {key: value for key, value in row.items() if key != "id"})
        for row in (_present(row) for row in table.to_dict("records"))
    ]


def _present(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a row of a table that are neither missing nor empty."""
    return {str(key): value for key, value in row.items() if not pd.isna(value) and value != ""}


def write_extxyz(path: str | Path, crystals: Sequence[Crystal]) -> None:
    """Write all crystals to one extended XYZ file.

    Args:
        path: The file.
        crystals: Crystals from :func:`in_table_order`; their properties are written to the comment lines.

    Raises:
        InputError: A crystal or its properties do not round-trip.
    """
    read_back.write_checked_set(path, crystals)


def cif_name(place: int, crystal: Crystal) -> str:
    """Return the name of the CIF file of a crystal.

    Args:
        place: Number of its row in the table, from 1.
        crystal: The crystal.
    """
    return f"{place:05d}-{crystal.formula}-{safe_name(crystal.id)}.cif"


def write_cif_archive(path: str | Path, crystals: Sequence[Crystal]) -> None:
    """Write a ZIP archive with one CIF file per crystal.

    The files list all atoms, in space group P1. A crystal that a CIF cannot store, such as one with two atoms in one
    place, is left out with a warning. The archive has no time stamps: equal crystals give equal bytes.

    Args:
        path: The archive.
        crystals: Crystals from :func:`in_table_order`.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, crystal in enumerate(crystals, start=1):
            try:
                text = cif_text_p1(crystal.structure, crystal.id)
            except InputError as error:
                log.warning("%s: %s", Path(path).name, error)
                continue
            entry = zipfile.ZipInfo(cif_name(place, crystal))  # dated 1980-01-01 by default
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text)


def write_ase_database(path: str | Path, crystals: Sequence[Crystal], title: str) -> None:
    """Write an ASE database (SQLite), one row per crystal.

    A row has the energy (eV) and the columns of the table as keys. Keys that ASE reserves are renamed by ASE_NAMES.
    Texts that ASE would take for a number or a truth value, such as the id "1" or "NaN", are in ``row.data``. Units are
    in the metadata of the database, which ``ase db`` and its web page show.

    Args:
        path: The database.
        crystals: Crystals from :func:`in_table_order`.
        title: Title of the database.

    Raises:
        InputError: A crystal does not round-trip.
    """
    keys = sorted({key for crystal in crystals for key in crystal.info} | {"id"})
    described = [COLUMNS[key] for key in keys if key in COLUMNS and key not in (*_ASE_HAS, *_FREE_TEXT)]
    with atomic_path(path) as temporary:
        temporary.unlink(missing_ok=True)  # left by a killed job; ASE would append to it
        with connect(temporary, type="db", use_lock_file=False) as database:
            for crystal in crystals:
                atoms = to_atoms(crystal.structure)
                if "energy_per_atom" in crystal.info:
                    atoms.calc = SinglePointCalculator(atoms, energy=crystal.info["energy_per_atom"] * len(atoms))
                row = AtomsRow(atoms)  # ASE would add the name of the user and a random id
                row.ctime, row.user = 0.0, ""
                row.unique_id = hashlib.sha256(crystal.id.encode()).hexdigest()[:32]
                values = {"name": crystal.id} | {
                    ASE_NAMES.get(key, key): value
                    for key, value in crystal.info.items()
                    if key not in (*_ASE_HAS, *_FREE_TEXT)
                }
                texts = {key: crystal.info[key] for key in _FREE_TEXT if key in crystal.info}
                texts |= {key: value for key, value in values.items() if _is_misread(value)}
                values = {key: value for key, value in values.items() if key not in texts}
                database.write(row, key_value_pairs=values, data=texts)
            database.metadata = {
                "title": title,
                "key_descriptions": {
                    ASE_NAMES.get(column.name, column.name): (column.label, column.meaning, column.unit)
                    for column in described
                },
            }
            for crystal, row in zip(crystals, database.select(), strict=True):
                read_back.check_atoms(Path(path).name, crystal.id, crystal.structure, row.toatoms())


def _is_misread(value: Any) -> bool:
    """Return whether ASE refuses a text, because its database would return it as a number or a truth value."""
    return isinstance(value, str) and not isinstance(convert_str_to_int_float_bool_or_str(value), str)


def cif_text(structure: Structure, name: str = "") -> str:
    """Return the text of a CIF file with the symmetry of the crystal, or without symmetry if that moves atoms.

    Args:
        structure: Crystal in any cell.
        name: Id of the crystal for the message; "": its formula.

    Raises:
        InputError: The crystal cannot be written; see :func:`cif_text_p1`.
    """
    cell = written_cell(structure)
    numbers = [site.specie.Z for site in cell]
    tried = set()
    for symprec in CIF_SYMPRECS:
        try:
            found = spglib.get_symmetry_dataset((cell.lattice.matrix, cell.frac_coords, numbers), symprec=symprec)
        except spglib.SpglibError:  # atoms that are closer than the tolerance; older versions return None
            continue
        if found is None or found.number == 1 or (found.hall_number, len(found.std_types)) in tried:
            continue
        tried.add((found.hall_number, len(found.std_types)))
        text = _with_symmetry(cell, found)
        if text:
            return text
    return cif_text_p1(cell, name)


def cif_text_p1(structure: Structure, name: str = "") -> str:
    """Return the text of a CIF file that lists all atoms, in their order, in space group P1.

    Args:
        structure: Crystal in any cell; it is written in a right-handed one, since a CIF has no handedness.
        name: Id of the crystal for the message; "": its formula.

    Raises:
        InputError: The crystal cannot be written: pymatgen or ASE reads another one from the CIF.
    """
    cell = written_cell(structure)
    text = _text(cell, None)
    tolerance = read_back.EXACT + _ROUNDED * sum(cell.lattice.abc)
    wrong = text_difference(read_back.CIF_READERS, text, lambda found: difference(cell, found, tolerance))
    if wrong:
        raise not_written("CIF", name or structure.composition.formula, wrong)
    return text


def poscar_text(structure: Structure, name: str = "") -> str:
    """Return the text of a POSCAR file, with sites sorted by element.

    Args:
        structure: Crystal in any cell; it is written in a right-handed one.
        name: Id of the crystal for the message; "": its formula.

    Raises:
        InputError: The crystal cannot be written.
    """
    return read_back.poscar_text(structure.get_sorted_structure(), name)


def _with_symmetry(cell: Structure, dataset: spglib.SpglibDataset) -> str:
    """Return a CIF in the standard cell of a symmetry, "" if that is another crystal than ``cell``."""
    coords, origin = _symmetrised(cell, dataset)
    symmetric = Structure(Lattice(dataset.std_lattice), dataset.std_types, coords)
    change = (dataset.transformation_matrix, origin)
    if difference(cell, symmetric, CIF_TOLERANCE, *change):
        return ""
    text = _text(written_cell(symmetric), _OPERATIONS)
    readers = read_back.CIF_READERS
    wrong = text_difference(readers, text, lambda found: difference(cell, found, CIF_TOLERANCE, *change))
    if wrong:
        log.info("%s is not written in %s: %s", cell.composition.formula, dataset.international, wrong)
    return "" if wrong else text


def _symmetrised(cell: Structure, dataset: spglib.SpglibDataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the symmetric crystal nearest to a crystal, in the standard cell of spglib.

    spglib places an orbit by one of its atoms. Here the displacements of all atoms are averaged over the operations, so
    that no atom moves farther than needed.

    Args:
        cell: The crystal.
        dataset: Its symmetry within a tolerance.

    Returns:
        Fractional coordinates, shape (n_atoms of the standard cell, 3), and the origin, for :func:`difference`.
    """
    basis, sites = dataset.transformation_matrix, dataset.std_positions
    before = (sites - dataset.origin_shift) @ np.linalg.inv(basis).T @ cell.lattice.matrix
    same = dataset.std_mapping_to_primitive[:, None] == dataset.mapping_to_primitive
    offsets = (cell.cart_coords - before[:, None]) @ np.linalg.inv(dataset.primitive_lattice)
    offsets = (offsets - np.round(offsets)) @ dataset.primitive_lattice @ np.linalg.inv(cell.lattice.matrix) @ basis.T
    moves = np.where(same[..., None], offsets, 0).sum(axis=1) / same.sum(axis=1)[:, None]
    operations = spglib.get_symmetry_from_database(dataset.hall_number)
    images = sites @ operations["rotations"].transpose(0, 2, 1) + operations["translations"][:, None]
    apart = images[:, :, None] - sites
    image = np.abs(apart - np.round(apart)).max(axis=3).argmin(axis=2)
    averaged = np.mean(moves[image] @ np.linalg.inv(operations["rotations"]).transpose(0, 2, 1), axis=0)
    return sites + averaged, dataset.origin_shift - np.mean(moves - averaged, axis=0)


def _text(cell: Structure, symprec: float | None) -> str:
    """Return pymatgen's CIF of a cell as it is, with the operations found within ``symprec`` (angstrom)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(CifWriter(cell, symprec=symprec, refine_struct=False))
