"""Structure files of all candidates for other programs: extended XYZ, an archive of CIF files, an ASE database.

Each file contains the crystals in the order of the table (:func:`ccdcgan.exports.tables.export_table`). A failed
candidate has the last geometry of its relaxation and no energy.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.db.row import AtomsRow
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from ccdcgan.columns import COLUMNS
from ccdcgan.crystals.structures import Crystal, to_atoms, write_set
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path

CIF_SYMPREC = 0.1
"""Tolerance (angstrom) of the symmetry search for CIF files of relaxed candidates."""

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
    """
    write_set(path, crystals)


def cif_name(place: int, crystal: Crystal) -> str:
    """Return the name of the CIF file of a crystal.

    Args:
        place: Number of its row in the table, from 1.
        crystal: The crystal.
    """
    return f"{place:05d}-{crystal.formula}-{crystal.id}.cif"


def write_cif_archive(path: str | Path, crystals: Sequence[Crystal]) -> None:
    """Write a ZIP archive with one CIF file per crystal.

    The files list all atoms, in space group P1. The archive has no time stamps: equal crystals give equal bytes.

    Args:
        path: The archive.
        crystals: Crystals from :func:`in_table_order`.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, crystal in enumerate(crystals, start=1):
            entry = zipfile.ZipInfo(cif_name(place, crystal))  # dated 1980-01-01 by default
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, str(CifWriter(crystal.structure)))


def write_ase_database(path: str | Path, crystals: Sequence[Crystal], title: str) -> None:
    """Write an ASE database (SQLite), one row per crystal.

    A row has the energy (eV) and the columns of the table as keys. Keys that ASE reserves are renamed by ASE_NAMES.
    Units are in the metadata of the database, which ``ase db`` and its web page show.

    Args:
        path: The database.
        crystals: Crystals from :func:`in_table_order`.
        title: Title of the database.
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
                database.write(row, key_value_pairs=values, data=texts)
            database.metadata = {
                "title": title,
                "key_descriptions": {
                    ASE_NAMES.get(column.name, column.name): (column.label, column.meaning, column.unit)
                    for column in described
                },
            }


def cif_text(structure: Structure) -> str:
    """Return the text of a CIF file, with the symmetry found within CIF_SYMPREC."""
    return str(CifWriter(structure, symprec=CIF_SYMPREC))


def poscar_text(structure: Structure) -> str:
    """Return the text of a POSCAR file, with sites sorted by element."""
    return Poscar(structure.get_sorted_structure()).get_str()
