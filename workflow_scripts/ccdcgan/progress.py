"""Progress of long work as plain lines: how many of how many, since when, how much longer."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
log = logging.getLogger(__name__)


def _clock(seconds: float) -> str:
    """Return seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Progress:
    """Count finished items and log a line with an estimate at most every ``interval`` seconds.

    Lines, not a redrawn bar: several jobs share one terminal, and every line also stands in the job's log.
    ``done`` items finished in an earlier attempt do not count towards the speed.
    """

    def __init__(self, total: int, label: str, done: int = 0, interval: float = 15.0) -> None:
        self.total, self.label, self.done, self.interval = total, label, done, interval
        self._already, self._start, self._last = done, time.monotonic(), time.monotonic()

    def advance(self, n: int = 1, note: str = "") -> None:
        """Count ``n`` more items; ``note`` (a loss, a failure count) ends the line."""
        self.done += n
        now = time.monotonic()
        if self.done >= self.total or now - self._last >= self.interval:
            self._last = now
            elapsed = now - self._start
            fresh = self.done - self._already
            left = elapsed / fresh * (self.total - self.done) if fresh else float("nan")
            estimate = f", about {_clock(left)} left" if left > 0 else ""
            percent = 100 * self.done // max(self.total, 1)
            text = f"{self.label}: {self.done}/{self.total} ({percent} %), {_clock(elapsed)} gone{estimate}"
            log.info("%s%s", text, f"; {note}" if note else "")


def track(items: Iterable[Item], total: int, label: str) -> Iterator[Item]:
    """Yield ``items`` and log progress as each is finished."""
    progress = Progress(total, label)
    for item in items:
        yield item
        progress.advance()
