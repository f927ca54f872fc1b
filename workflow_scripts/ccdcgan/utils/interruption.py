"""SIGTERM, with which batch systems announce a time limit or a cancellation: save what is done, then leave.

A job that has nothing to save leaves at once. A training that has looked for its checkpoint (see
:mod:`ccdcgan.training.checkpoints`) goes on to the end of its current step, saves itself, and leaves then.
"""

import signal
from dataclasses import dataclass


class Interrupted(BaseException):
    """This attempt was asked to end; the next one goes on where it stopped.

    No Exception, so that nobody who expects a relaxation to fail takes it for that.
    """


@dataclass
class _State:
    """What this process was asked; signals belong to a process, and so does this."""

    asked: bool = False
    deferred: bool = False


_state = _State()


def watch() -> None:
    """Answer SIGTERM from here on; for the main thread of a job."""
    signal.signal(signal.SIGTERM, _answer)


def defer() -> None:
    """From here on only remember that an end is asked for, for :func:`asked` to say."""
    _state.deferred = True


def asked() -> bool:
    """Return whether this process was asked to end."""
    return _state.asked


def leave_if_asked() -> None:
    """Raise Interrupted if this process was asked to end."""
    if _state.asked:
        raise Interrupted("was asked to end (SIGTERM); what is finished is saved, and the next attempt goes on there")


def _answer(number: int, frame: object) -> None:
    """Remember the signal; leave at once where nothing has to be saved first."""
    _state.asked = True
    if not _state.deferred:
        leave_if_asked()
