"""Progress of long tasks: finished and total items, elapsed and remaining time, failures by reason.

Progress is logged as plain lines at a low rate. :func:`current_snapshot` returns it for the job's state file, which
``snakemake status`` and the terminal display read.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
log = logging.getLogger(__name__)

_latest: list["Progress"] = []


def current_snapshot() -> dict[str, Any] | None:
    """Return the snapshot of the latest task of this process; None if there was no task."""
    return _latest[0].snapshot() if _latest else None


def clock(seconds: float) -> str:
    """Format seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def in_words(snapshot: dict[str, Any]) -> str:
    """Format a snapshot as one line, e.g. ``12/25 crystals (48 %), 4:33 gone, about 4:50 left; 1 failed``."""
    done, total, left = snapshot["done"], snapshot["total"], snapshot["left"]
    unit = f" {snapshot['unit']}" if snapshot["unit"] else ""
    estimate = f", about {clock(left)} left" if left and left >= 1 else ""
    note = f"; {snapshot['note']}" if snapshot["note"] else ""
    percent = 100 * done // max(total, 1)
    return f"{done}/{total}{unit} ({percent} %), {clock(snapshot['seconds'])} gone{estimate}{note}"


class Progress:
    """Counter of finished items that logs a line with an estimate at most once per interval.

    It logs lines instead of redrawing a bar, because several jobs share one terminal and every line is also written to
    the log of the job.

    Args:
        total: Number of items.
        label: Name of the task.
        done: Items finished in an earlier attempt; they do not count towards the speed.
        interval: Time between lines, s.
        unit: Name of the items (crystals, steps, samples).
    """

    def __init__(self, total: int, label: str, done: int = 0, interval: float = 15.0, unit: str = "") -> None:
        self.total, self.label, self.done, self.interval, self.unit = total, label, done, interval, unit
        self.note = ""
        self.lost: Counter[str] = Counter()
        self._already, self._start = done, time.monotonic()
        self._last = self._now = self._start
        _latest[:] = [self]

    def advance(self, n: int = 1, note: str = "", lost: Iterable[str] = ()) -> None:
        """Count finished items.

        Args:
            n: Number of further items.
            note: Text at the end of the line, e.g. a loss.
            lost: Reason of each failed or rejected item.
        """
        self.done += n
        self.note = note
        self.lost.update(lost)
        self._now = time.monotonic()
        if n and (self.done >= self.total or self._now - self._last >= self.interval):
            self._last = self._now
            log.info("%s: %s", self.label, in_words(self.snapshot()))

    def snapshot(self) -> dict[str, Any]:
        """Return the state after the last :meth:`advance`, times in s; ``left`` is None where no speed is known."""
        elapsed, fresh = self._now - self._start, self.done - self._already
        left = elapsed / fresh * max(self.total - self.done, 0) if fresh > 0 else None
        return {
            "label": self.label,
            "unit": self.unit,
            "done": self.done,
            "total": self.total,
            "fresh": fresh,
            "seconds": round(elapsed, 1),
            "left": None if left is None else round(left, 1),
            "note": self.note,
            "lost": dict(self.lost),
        }


def track(items: Iterable[Item], total: int, label: str, unit: str = "") -> Iterator[Item]:
    """Yield items and log progress as each is finished.

    Args:
        items: Items.
        total: Number of items.
        label: Name of the task.
        unit: Name of the items.
    """
    progress = Progress(total, label, unit=unit)
    for item in items:
        yield item
        progress.advance()
