"""Faults of the machine that a user can mend, as one sentence each."""

import errno
import os
from pathlib import Path

from ccdcgan.utils.errors import InputError

MENDABLE = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EROFS: "this place cannot be written to; work elsewhere (--directory FOLDER)",
    errno.EACCES: "you may not read or write there; mend the permissions, or work elsewhere (--directory FOLDER)",
    errno.EPERM: "you may not write there; work elsewhere (--directory FOLDER)",
}


def sentence(error: BaseException) -> str | None:
    """Return what is wrong and what to do, None if the error is none that a user can mend."""
    if not isinstance(error, OSError) or error.errno not in MENDABLE:
        return None
    what, _, cure = MENDABLE[error.errno].partition("; ")
    place = f" ({error.filename})" if error.filename else ""
    return f"{what}{place}; {cure}, then start the same command again."


def check_folder(folder: str | Path) -> None:
    """Raise InputError if Snakemake cannot keep its notes in ``folder``."""
    try:
        os.makedirs(Path(folder) / ".snakemake", exist_ok=True)
    except OSError as error:
        text = sentence(error)
        if text is None:
            raise
        raise InputError(text) from None
