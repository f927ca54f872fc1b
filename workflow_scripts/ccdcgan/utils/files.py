"""Reading and writing of files; a file is either complete or absent, and concurrent access is locked.

A file is written under a temporary name, flushed to disk and then renamed.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ccdcgan.utils.machine import lock_file

log = logging.getLogger(__name__)

TEXT_COLUMNS = {
    "energy_scheme",
    "uncertainty_source",
    "id",
    "parent",
    "proposed_by",
    "prototype",
    "formula",
    "space_group",
    "status",
    "reason",
    "detail",
    "repeats",
    "variant",
    "same_as",
    "symmetrisation",
    "known",
    "source",
    "repaired",
    "scheme",
    "kept_by",
    "stability",
    "outcome",
    "unit",
    "engine",
    "role",
    "label",
    "supercell",
}
"""Columns of tables with text: an empty field is an empty text, and an id made of digits is a text."""

MISSING = ("", "NaN", "nan", "NA", "N/A", "null", "None")
"""Fields that mean a missing number. In a column of formulas, NaN is sodium nitride."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` with the same suffix, and rename it to ``path`` on success.

    On an exception the temporary file is removed and ``path`` is unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{''.join(path.suffixes[-1:])}")
    try:
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def safe_name(text: str) -> str:
    """Return a text that can be part of the name of a file: letters, digits, ``.``, ``_``, ``-`` and ``+`` only.

    If a character is replaced or the text is shortened, a hash is appended, so that different texts give different
    names.
    """
    kept = re.sub(r"[^\w.+-]", "_", text).lstrip(".").encode()[:150].decode(errors="ignore")
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return kept if kept and kept == text else f"{kept}-{digest[:8]}"


def write_text(path: str | Path, text: str) -> None:
    """Write a text (UTF-8) to a file."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a table without its index; empty text and missing numbers become empty fields."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False)


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a table written by :func:`write_csv`; missing text is ``""``, missing numbers are NaN."""
    names = pd.read_csv(path, nrows=0).columns
    missing = {name: [""] if name in TEXT_COLUMNS else MISSING for name in names}
    frame = pd.read_csv(path, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False, na_values=missing)
    for column in TEXT_COLUMNS.intersection(frame):
        frame[column] = frame[column].fillna("")
    return frame


def write_arrays(path: str | Path, **arrays: np.ndarray) -> None:
    """Write named arrays of numbers or fixed-width text, not of objects, as one compressed .npz file."""
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays written by :func:`write_arrays`."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def save_model(path: str | Path, model: Any) -> None:
    """Save a Keras model as one ``.keras`` file."""
    with atomic_path(path) as temporary:
        model.save(temporary)


@contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Hold a lock file; wait while another process on this machine holds it.

    The child process of a killed run may still be working. Without the lock its successor would write the same journal
    or checkpoint. The lock is released when the process ends, however it ends; the empty file remains.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        try:
            lock_file(handle, wait=False)
        except BlockingIOError:
            log.warning("another process holds %s: waiting until it ends", path)
            lock_file(handle, wait=True)
        except OSError as error:  # some network file systems do not support locks
            log.warning("%s cannot be locked (%s): continuing without a lock", path, error)
        yield
