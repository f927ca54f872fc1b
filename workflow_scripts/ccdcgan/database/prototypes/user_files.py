"""The source ``files``: crystals of the user in a folder, in any common format, compressed or not."""

import bz2
import fnmatch
import gzip
import logging
import lzma
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from pymatgen.core import Structure

from ccdcgan.database.prototypes.readers.cif import read_cif
from ccdcgan.database.prototypes.readers.documents import read_json, read_poscar
from ccdcgan.database.prototypes.readers.frames import read_database, read_extended_xyz
from ccdcgan.database.prototypes.source import Refusal, SourceEntry, SourceQuery
from ccdcgan.utils.errors import InputError

log = logging.getLogger(__name__)

PATTERNS = {
    "cif": ("*.cif", "*.mcif"),
    "extxyz": ("*.xyz", "*.extxyz"),
    "db": ("*.db",),
    "json": ("*.json",),
    "poscar": ("*.vasp", "*poscar*", "*contcar*"),
}
"""Format -> patterns of its file names in lower case. The first match decides. A name may also end in one of
:data:`PACKED`."""

PACKED = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
"""Ending of a compressed file -> function that opens it."""

BACKUPS = ("*~", "#*#", "*.bak", "*.orig", "*.old", "*.tmp", "*.swp", "*.part")
"""Patterns of names of backup files and incomplete downloads, which are not read."""

KINDS = (
    "CIF (*.cif), POSCAR (*.vasp, *POSCAR*), extended XYZ (*.xyz, *.extxyz), ASE database (*.db) or "
    "pymatgen JSON (*.json)"
)

MOST_BYTES = 500_000_000
"""Largest size of a file after decompression, bytes."""

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\x00\x00": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte-order mark -> encoding."""

READERS: dict[str, Callable[[str], Iterator[Callable[[], Structure]]]] = {
    "cif": read_cif,
    "poscar": read_poscar,
    "extxyz": read_extended_xyz,
    "json": read_json,
}
"""Format of text -> function that yields a function for each crystal of a file."""


def files_in(folder: str | Path) -> list[Path]:
    """Return the paths in a folder and its sub-folders that have the name of a structure file, sorted by name.

    Linked files and folders are included, each folder once. Hidden files and folders and backup files are left out.
    """
    return _walk(Path(folder))[0]


def shown_name(path: Path, folder: str | Path) -> str:
    """Return the name of a file relative to its folder, as text of one line in any encoding.

    Bytes that are not UTF-8 and control characters are written as escape sequences.
    """
    text = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")
    return re.sub(r"[^\S ]|[\x00-\x1f\x7f]", lambda found: found[0].encode("unicode_escape").decode(), text)


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the structure files of a folder and the other files, each sorted by name."""
    structures, others, seen = [], [], set()
    for parent, folders, files in os.walk(folder, onerror=_warn_of_folder, followlinks=True):
        status = os.stat(parent)
        if (status.st_dev, status.st_ino) in seen:  # a link to a folder that was read, or a circle of links
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in files:
            if not name.startswith("."):
                (structures if _format(name) else others).append(Path(parent) / name)
    return sorted(structures), sorted(others)


def _warn_of_folder(error: OSError) -> None:
    log.warning("a folder is skipped: %s", error)


def read_files(query: SourceQuery) -> Iterator[SourceEntry]:
    """Yield the crystals of the folder ``prototypes.files.folder``, file by file, sorted by name.

    A file, frame or data block that cannot be read is yielded with its problem, so that it is counted and the run
    continues. Files with other names are listed in the log.

    Args:
        query: Query with the settings.

    Raises:
        InputError: If the folder is missing or contains no structure file.
    """
    folder = Path(query.settings["files"]["folder"])
    if not folder.is_dir():
        raise InputError(f"prototypes.files.folder: {folder} is not a folder; name one with {KINDS} files.")
    paths, others = _walk(folder)
    if not paths:
        raise InputError(
            f"prototypes.files.folder: {folder} holds no {KINDS} file; put some there or choose another source."
        )
    if others:
        names = ", ".join(shown_name(path, folder) for path in others[:5]) + (", ..." if len(others) > 5 else "")
        log.warning("%d files in %s have no name of a structure file and are not read: %s", len(others), folder, names)
    for path in paths:
        yield from _entries(path, shown_name(path, folder))


def _entries(path: Path, name: str) -> Iterator[SourceEntry]:
    """Yield one entry for each crystal of a file, or for its problem; several are numbered from 0."""
    entries = []
    try:
        for read in _parts(path):
            entries.append(_entry(read, name))
    except Exception as error:  # the readers raise many types of errors
        entries.append(SourceEntry("", "files", None, *_problem(error, name)))
    if not entries:
        entries.append(SourceEntry("", "files", None, "unreadable", f"{name}: no crystal in it"))
    for number, entry in enumerate(entries):
        label = f"file-{name}" if len(entries) == 1 else f"file-{name}-{number}"
        yield SourceEntry(label, "files", entry.structure, entry.refused, entry.detail)


def _entry(read: Callable[[], Structure], name: str) -> SourceEntry:
    """Return the crystal that a reader's function returns, or its problem."""
    try:
        return SourceEntry("", "files", read(), detail=name)
    except Exception as error:  # the readers raise many types of errors
        return SourceEntry("", "files", None, *_problem(error, name))


def _problem(error: Exception, name: str) -> tuple[str, str]:
    """Return reason and detail of an error, with the name of the file."""
    if isinstance(error, Refusal):
        reason, text = error.reason, error.detail
    else:
        reason, text = "unreadable", f"{type(error).__name__}: {error}"
    text = " ".join(text.split())[:300]
    return reason, f"{name}: {text.encode('utf-8', 'backslashreplace').decode()}"


def _format(name: str) -> str:
    """Return the format of :data:`PATTERNS` that a file's name matches, "" for none; capitals do not matter."""
    name = name.lower()
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in BACKUPS):
        return ""
    for ending in PACKED:
        name = name.removesuffix(ending)
    matches = (
        kind for kind, patterns in PATTERNS.items() for pattern in patterns if fnmatch.fnmatchcase(name, pattern)
    )
    return next(matches, "")


def _parts(path: Path) -> Iterator[Callable[[], Structure]]:
    """Return an iterator over functions that read one crystal each."""
    if not path.exists():
        raise Refusal("unreadable", "a link to a file that does not exist")
    if not stat.S_ISREG(path.stat().st_mode):
        raise Refusal("unreadable", "not a regular file")
    with PACKED.get(path.suffix.lower(), open)(path, "rb") as handle:
        data = handle.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Refusal("unreadable", f"larger than {MOST_BYTES / 1e6:g} MB")
    kind = _format(path.name)
    return read_database(data) if kind == "db" else READERS[kind](_decoded(data))


def _decoded(data: bytes) -> str:
    """Return the text of bytes in UTF-8, UTF-16 or UTF-32 with a byte-order mark, or Latin-1, with plain line ends."""
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")
