"""The learning curve of a training as CSV, written as it goes and whole after a kill and a resume."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from ccdcgan.utils.files import atomic_path


class History:
    """A CSV file whose first column is ``step``, one flushed row at a time.

    Rows after step ``done`` are of a run that was killed after its last checkpoint; they are cut off, so the
    curve of a resumed training equals that of one that was never killed.
    """

    def __init__(self, path: str | Path, columns: Sequence[str], done: int = 0) -> None:
        self.path = Path(path)
        rows: list[list[str]] = []
        if done and self.path.exists():
            with open(self.path, newline="") as handle:
                rows = [row for row in list(csv.reader(handle))[1:] if _step(row, len(columns)) <= done]
        with atomic_path(self.path) as temporary, open(temporary, "w", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows([list(columns), *rows])

    def append(self, row: Sequence[int | float | str]) -> None:
        """Add one row; floats are written with six digits."""
        with open(self.path, "a", newline="") as handle:
            values = [f"{value:.6g}" if isinstance(value, float) else value for value in row]
            csv.writer(handle, lineterminator="\n").writerow(values)
            handle.flush()
            os.fsync(handle.fileno())


def _step(row: list[str], n_columns: int) -> float:
    """Return the step of a row, infinity if it was torn by the kill."""
    return int(row[0]) if len(row) == n_columns and row[0].isdigit() else float("inf")
