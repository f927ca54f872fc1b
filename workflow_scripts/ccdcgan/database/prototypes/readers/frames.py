"""Crystals of extended XYZ files and ASE databases, frame by frame: a bad frame does not hide the others."""

import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from io import StringIO

import ase.db
import ase.io
from ase import Atoms
from pymatgen.core import Structure

from ccdcgan.crystals.structures import from_atoms
from ccdcgan.database.prototypes.checks import MOST_SITES, check_cell
from ccdcgan.database.prototypes.source import Refusal

MOST_COLUMNS = 1000
"""Largest number of columns of one property of an extended XYZ frame."""


def read_extended_xyz(text: str) -> Iterator[Callable[[], Structure]]:
    """Yield one function for each frame of an extended XYZ file; it returns the crystal or raises an error.

    A frame begins with a line that holds only its number of atoms. If another number of lines follows, the frame is
    refused, and reading continues at the next line with a number that is followed by a line with a cell.

    Args:
        text: Content of the file.
    """
    lines = text.rstrip().split("\n")
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        end, problem = _end_of_frame(lines, start)
        frame, line = lines[start:end], start + 1
        yield lambda frame=frame, line=line, problem=problem: _read_frame(frame, line, problem)
        start = end


def _end_of_frame(lines: list[str], start: int) -> tuple[int, str]:
    """Return the line after a frame, and a problem with the number of its lines or an empty text."""
    count = _count(lines[start])
    end = start + 2 + (count or 0)
    if count is not None:
        body = lines[start + 2 : end]
        while end < len(lines) and lines[end].startswith("VEC"):
            end += 1
        complete = end <= len(lines) and all(line.strip() and _count(line) is None for line in body)
        if complete and (end == len(lines) or not _may_be_atom(lines[end])):
            return end, ""
    begins = (
        n
        for n in range(start + 1, len(lines) - 1)
        if _count(lines[n]) is not None and re.search(r"lattice\s*=", lines[n + 1], re.IGNORECASE)
    )
    end = next(begins, len(lines))
    found = f"is followed by {sum(bool(line.strip()) for line in lines[start + 2 : end])} lines of atoms"
    return end, f"the number of atoms {lines[start].strip()[:40]!r} {found}"


def _count(line: str) -> int | None:
    """Return the number of a line that holds only a number of atoms."""
    return int(line) if re.fullmatch(r"\s*\d{1,9}\s*", line, re.ASCII) else None


def _may_be_atom(line: str) -> bool:
    """Tell whether a line can be an atom: a name and three coordinates."""
    return len(line.split()) >= 4 and "=" not in line


def _read_frame(frame: list[str], line: int, problem: str) -> Structure:
    """Return the crystal of the lines of one frame."""
    where = f"frame at line {line}"
    if problem:
        raise Refusal("unreadable", f"{where}: {problem}")
    if int(frame[0]) > MOST_SITES:
        raise Refusal("too_many_atoms", f"{where}: {int(frame[0])} atoms, at most {MOST_SITES}")
    if any(int(number[:9]) > MOST_COLUMNS for number in re.findall(r":(\d+)", frame[1])):
        raise Refusal("unreadable", f"{where}: more than {MOST_COLUMNS} columns")
    try:
        atoms = ase.io.read(StringIO("\n".join(frame) + "\n"), index=0, format="extxyz")
    except KeyError as error:
        raise Refusal("not_an_element", f"{where}: {error} is not an element") from None
    except Exception as error:  # ASE raises many types of errors
        raise Refusal("unreadable", f"{where}: {type(error).__name__}: {error}") from None
    return _from_periodic(atoms, where)


def _from_periodic(atoms: Atoms, where: str) -> Structure:
    """Return the crystal of ASE atoms; refuse atoms that are periodic in fewer than three directions."""
    try:
        check_cell(atoms.cell.array, len(atoms))
    except Refusal as refusal:
        raise Refusal(refusal.reason, f"{where}: {refusal.detail}") from None
    if not atoms.pbc.all():
        raise Refusal("not_three_dimensional", f"{where}: periodic in {atoms.pbc.sum()} of three directions")
    return from_atoms(atoms)


def read_database(data: bytes) -> Iterator[Callable[[], Structure]]:
    """Yield one function for each row of an ASE database; it returns the crystal or raises an error.

    Args:
        data: Content of the file, an SQLite database.
    """
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        file.write(data)
        file.flush()
        with closing(sqlite3.connect(file.name)) as connection:
            rows = [row for (row,) in connection.execute("SELECT id FROM systems ORDER BY id")]
        with ase.db.connect(file.name, type="db") as database:
            for row in rows:
                yield lambda row=row: _from_periodic(database.get(id=row).toatoms(), f"row {row}")
