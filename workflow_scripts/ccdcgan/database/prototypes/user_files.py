"""The source ``files``: crystals of the user in a folder, in any common format, compressed or not."""

import fnmatch
import gzip
import json
import lzma
import tempfile
from bz2 import decompress as unpack_bz2
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ase.db
import ase.io
from pymatgen.core import Structure
from pymatgen.io.cif import CifParser

from ccdcgan.crystals.structures import from_atoms
from ccdcgan.database.prototypes.source import SourceEntry, SourceQuery
from ccdcgan.utils.errors import InputError

PATTERNS = {
    "cif": ("*.cif", "*.mcif"),
    "poscar": ("*.vasp", "*.poscar", "*POSCAR*", "*CONTCAR*"),
    "extxyz": ("*.xyz", "*.extxyz"),
    "db": ("*.db",),
    "json": ("*.json",),
}
"""Format -> patterns of its file names. The first match decides. A name may also end in one of :data:`PACKED`."""

PACKED = {".gz": gzip.decompress, ".bz2": unpack_bz2, ".xz": lzma.decompress}
"""Ending of a compressed file -> function that decompresses its bytes."""

KINDS = (
    "CIF (*.cif), POSCAR (*.vasp, *POSCAR*), extended XYZ (*.xyz, *.extxyz), ASE database (*.db) or "
    "pymatgen JSON (*.json)"
)


def files_in(folder: str | Path) -> list[Path]:
    """Return the files of a folder and its sub-folders that have the name of a structure file, sorted by name."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file() and _format(path))


def read_files(query: SourceQuery) -> Iterator[SourceEntry]:
    """Yield the crystals of the folder ``prototypes.files.folder``, file by file, sorted by name.

    A file that cannot be read is yielded with its problem, so that it is counted and the run continues.

    Args:
        query: Query with the settings.

    Raises:
        InputError: If the folder is missing or contains no structure file.
    """
    folder = Path(query.settings["files"]["folder"])
    if not folder.is_dir():
        raise InputError(f"prototypes.files.folder: {folder} is not a folder; name one with {KINDS} files.")
    paths = files_in(folder)
    if not paths:
        raise InputError(
            f"prototypes.files.folder: {folder} holds no {KINDS} file; put some there or choose another source."
        )
    for path in paths:
        name = f"file-{path.relative_to(folder).as_posix()}"
        try:
            structures = _read(path)
        except Exception as error:  # the readers raise many types of errors
            detail = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
            yield SourceEntry(name, "files", None, detail=detail)
            continue
        for number, structure in enumerate(structures):
            yield SourceEntry(name if len(structures) == 1 else f"{name}-{number}", "files", structure)


def _format(path: Path) -> str:
    """Return the format of :data:`PATTERNS` that a file's name matches; "" for no match and for hidden files."""
    name = path.name.removesuffix(path.suffix) if path.suffix in PACKED else path.name
    matches = (
        kind for kind, patterns in PATTERNS.items() for pattern in patterns if fnmatch.fnmatchcase(name, pattern)
    )
    return "" if name.startswith(".") else next(matches, "")


def _read(path: Path) -> list[Structure]:
    """Return every crystal of one file; raises ValueError if it contains no crystal."""
    kind, data = _format(path), path.read_bytes()
    if path.suffix in PACKED:
        data = PACKED[path.suffix](data)
    structures = READERS[kind](data)
    if not structures:
        raise ValueError("no crystal in it")
    return structures


def _read_cif(data: bytes) -> list[Structure]:
    return CifParser.from_str(data.decode()).parse_structures(primitive=False)


def _read_poscar(data: bytes) -> list[Structure]:
    return [Structure.from_str(data.decode(), fmt="poscar")]


def _read_extxyz(data: bytes) -> list[Structure]:
    return [from_atoms(atoms) for atoms in _from_temporary(data, ".extxyz")]


def _read_database(data: bytes) -> list[Structure]:
    return [from_atoms(atoms) for atoms in _from_temporary(data, ".db")]


def _from_temporary(data: bytes, ending: str) -> list[Any]:
    """Return the atoms of every frame that ASE reads from a temporary file with these bytes."""
    with tempfile.NamedTemporaryFile(suffix=ending) as file:
        file.write(data)
        file.flush()
        if ending == ".db":
            with ase.db.connect(file.name, type="db") as database:
                return [row.toatoms() for row in database.select(include_data=False)]
        return ase.io.read(file.name, index=":", format="extxyz")


def _read_json(data: bytes) -> list[Structure]:
    """Return all structures in a JSON document of pymatgen, at any depth of its objects and lists."""
    return list(_structures_in(json.loads(data)))


def _structures_in(value: Any) -> Iterable[Structure]:
    if isinstance(value, dict):
        if {"lattice", "sites"} <= set(value):
            yield Structure.from_dict(value)
        else:
            for part in value.values():
                yield from _structures_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _structures_in(part)


READERS = {
    "cif": _read_cif,
    "poscar": _read_poscar,
    "extxyz": _read_extxyz,
    "db": _read_database,
    "json": _read_json,
}
"""Format -> function that reads the crystals from the bytes of a file."""
