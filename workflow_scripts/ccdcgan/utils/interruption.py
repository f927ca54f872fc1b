"""Handling of SIGTERM, with which batch systems announce a time limit or a cancellation.

A job without state to save ends at once. A training that uses a checkpoint (see :mod:`ccdcgan.training.checkpoints`)
finishes its current step, saves its state and then ends.
"""

import signal
from dataclasses import dataclass


class Interrupted(BaseException):
    """This process was asked to end; the next attempt resumes where it stopped.

    Derives from BaseException so that ``except Exception`` around a relaxation does not catch it.
    """


@dataclass
class _State:
    """State of the signal handling of this process.

    Args:
        asked: Whether the process was asked to end.
        deferred: Whether the process decides itself when to end.
    """

    asked: bool = False
    deferred: bool = False


_state = _State()


def watch() -> None:
    """Install the handler of SIGTERM; to be called from the main thread of a job."""
    signal.signal(signal.SIGTERM, _answer)


def defer() -> None:
    """Only record later signals, for :func:`asked`, instead of ending at once."""
    _state.deferred = True


def asked() -> bool:
    """Return whether this process was asked to end."""
    return _state.asked


def leave_if_asked() -> None:
    """Raise Interrupted if this process was asked to end."""
    if _state.asked:
        raise Interrupted("was asked to end (SIGTERM); finished work is saved, and the next attempt resumes there")


def _answer(number: int, frame: object) -> None:
    """Record the signal, and end at once unless that is deferred."""
    _state.asked = True
    if not _state.deferred:
        leave_if_asked()
