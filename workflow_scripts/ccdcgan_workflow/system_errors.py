"""System errors that a user can fix, as one sentence each."""

import errno
import os
from pathlib import Path

from ccdcgan.utils.errors import InputError

FIXABLE = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EROFS: "this place cannot be written to; work elsewhere (--directory FOLDER)",
    errno.EACCES: "you may not read or write there; fix the permissions, or work elsewhere (--directory FOLDER)",
    errno.EPERM: "you may not write there; work elsewhere (--directory FOLDER)",
}
"""Error number -> the problem and its remedy, separated by "; "."""


def sentence(error: BaseException) -> str | None:
    """Return the problem and its remedy as one sentence; None if it is not a system error that a user can fix."""
    if not isinstance(error, OSError) or error.errno not in FIXABLE:
        return None
    problem, _, remedy = FIXABLE[error.errno].partition("; ")
    place = f" ({error.filename})" if error.filename else ""
    return f"{problem}{place}; {remedy}, then start the same command again."


def check_folder(folder: str | Path) -> None:
    """Create the folder in which Snakemake keeps its metadata.

    Args:
        folder: Working folder of the run.

    Raises:
        InputError: The folder cannot be written to, for a reason that a user can fix.
    """
    try:
        os.makedirs(Path(folder) / ".snakemake", exist_ok=True)
    except OSError as error:
        text = sentence(error)
        if text is None:
            raise
        raise InputError(text) from None
