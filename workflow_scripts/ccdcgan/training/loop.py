"""The loop around the steps of a training: checkpoints, learning curve, progress, and a clean end when asked to stop.

A training defines what its steps do. :class:`TrainingRun` says which steps come next and stores what they produced.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ccdcgan.training.checkpoints import load_checkpoint, save_checkpoint
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path, exclusive
from ccdcgan.utils.interruption import asked
from ccdcgan.utils.progress import Progress


@dataclass
class StepBlock:
    """Steps ``first`` to ``end`` - 1 of a training. The caller runs them, then sets ``row`` and ``note``.

    Attributes:
        label: Name of the training in messages.
        first: Number of the first step.
        end: Number of the step after the last one.
        checkpoint_due: Whether a checkpoint is written after this block.
        row: Values for the learning curve, without the step; empty: no row is written.
        note: End of the progress line.
    """

    label: str
    first: int
    end: int
    checkpoint_due: bool
    row: Sequence[float | str] = ()
    note: str = ""

    def check(self, losses: Sequence[float], keys: str) -> None:
        """Check that the losses of this block are finite.

        Args:
            losses: Losses of the block.
            keys: Configuration keys to lower if they are not.

        Raises:
            InputError: A loss is not finite.
        """
        if not np.all(np.isfinite(losses)):
            values = ", ".join(f"{loss:.3g}" for loss in losses)
            raise InputError(
                f"{self.label}: the training diverged before step {self.end} (loss {values}); lower {keys} and run "
                "again."
            )


@dataclass(frozen=True)
class TrainingRun:
    """How a training runs, as opposed to what it learns.

    Attributes:
        checkpoint: File (.npz) from which an interrupted training resumes, bit for bit.
        history: Learning curve (.csv), written while the training runs.
        label: Name of the training in log and progress lines.
        precision: Arithmetic of the training, the configuration's ``precision``.
        stop_after: Step at which the training stops as if it were killed, for tests; None: it runs to its end.
    """

    checkpoint: Path
    history: Path
    label: str
    precision: str = "float32"
    stop_after: int | None = None

    @classmethod
    def at(cls, checkpoint: str | Path, label: str, precision: str = "float32") -> "TrainingRun":
        """Return a run whose learning curve lies beside its checkpoint, with the ending .csv."""
        return cls(Path(checkpoint), Path(checkpoint).with_suffix(".csv"), label, precision)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock of the checkpoint; wait while another process works on the same training."""
        with exclusive(f"{self.checkpoint}.lock"):
            yield

    def blocks(
        self,
        steps: int,
        variables: Sequence[Any],
        identity: str,
        columns: Sequence[str],
        *,
        every: int,
        interval: int,
    ) -> Iterator[StepBlock]:
        """Yield the remaining steps of a training in blocks.

        After each block its row is appended to the learning curve. The variables and the number of steps are saved
        to the checkpoint at multiples of ``interval``, at the end, and when this process is asked to stop. A later
        call with the same identity resumes there.

        Args:
            steps: Number of steps of the whole training.
            variables: All state of the training, as for :func:`ccdcgan.training.checkpoints.save_checkpoint`.
            identity: Fingerprint of settings, seed and data; a checkpoint with another identity is not used.
            columns: Columns of the learning curve, the step first.
            every: Blocks end at multiples of this number of steps.
            interval: Number of steps between two checkpoints.
        """
        done = load_checkpoint(self.checkpoint, variables, identity, steps)
        curve = History(self.history, columns, done)
        progress = Progress(steps, self.label, done, unit="steps")
        while done < steps and (self.stop_after is None or done < self.stop_after):
            end = min(every * (done // every + 1), steps)
            block = StepBlock(self.label, done, end, end // interval > done // interval or end == steps)
            yield block
            if block.row:
                curve.append([end, *block.row])
            progress.advance(end - done, block.note)
            if block.checkpoint_due or asked():
                save_checkpoint(self.checkpoint, end, variables, identity)
            done = end


class History:
    """A learning curve: a CSV file whose first column is ``step``, one flushed row at a time.

    Rows after step ``done`` come from a process that was killed after its last checkpoint. They are removed, so that
    the curve of a resumed training equals that of an uninterrupted one.

    Args:
        path: The file.
        columns: Column names, the step first.
        done: Number of steps in the checkpoint from which the training resumes.
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
        """Append one row; floats are written with six digits."""
        with open(self.path, "a", newline="") as handle:
            values = [f"{value:.6g}" if isinstance(value, float) else value for value in row]
            csv.writer(handle, lineterminator="\n").writerow(values)
            handle.flush()
            os.fsync(handle.fileno())


def _step(row: list[str], n_columns: int) -> float:
    """Return the step of a row, infinity if the row is incomplete."""
    return int(row[0]) if len(row) == n_columns and row[0].isdigit() else float("inf")
