"""The loop around the steps of every training: checkpoints, learning curve, progress, the end of a killed run.

What a training does in its steps is its own; this says which steps come next and keeps what they left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ccdcgan.training.checkpoints import load_checkpoint, save_checkpoint
from ccdcgan.training.history import History
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.interruption import asked
from ccdcgan.utils.progress import Progress


@dataclass
class Stretch:
    """Steps ``first`` to ``end`` - 1 of a training, to be done at once by who gets it, who then fills in the rest.

    full: a checkpoint follows; row: what the learning curve has of it, without the step, empty for nothing; note: what
    the line of progress ends with.
    """

    first: int
    end: int
    full: bool
    row: Sequence[float | str] = ()
    note: str = ""

    def check(self, losses: Sequence[float], label: str, remedy: str) -> None:
        """Raise InputError if a loss is not finite; remedy: the keys to lower then."""
        if not np.all(np.isfinite(losses)):
            values = ", ".join(f"{loss:.3g}" for loss in losses)
            raise InputError(f"{label} diverged before step {self.end} (loss {values}); lower {remedy} and run again.")


def stretches(
    label: str,
    steps: int,
    variables: Sequence[Any],
    identity: str,
    columns: Sequence[str],
    *,
    every: int,
    interval: int,
    checkpoint: str | Path,
    history: str | Path,
    stop_after: int | None = None,
) -> Iterator[Stretch]:
    """Yield what is left of a training of ``steps`` steps, cut at multiples of ``every`` and at its end.

    After each stretch its row goes to history, a CSV of ``columns``, the first of which is the step; the variables and
    the number of steps to checkpoint (.npz) whenever a multiple of ``interval`` was reached, at the end, and when this
    process was asked to end. The next call with the same identity goes on from there. stop_after: stop at this step as
    a killed run would (tests).
    """
    done = load_checkpoint(checkpoint, variables, identity, steps)
    curve = History(history, columns, done)
    progress = Progress(steps, label, done, unit="steps")
    while done < steps and (stop_after is None or done < stop_after):
        end = min(every * (done // every + 1), steps)
        stretch = Stretch(done, end, end // interval > done // interval or end == steps)
        yield stretch
        if stretch.row:
            curve.append([end, *stretch.row])
        progress.advance(end - done, stretch.note)
        if stretch.full or asked():
            save_checkpoint(checkpoint, end, variables, identity)
        done = end
