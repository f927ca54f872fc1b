"""One Snakemake at a time on one run, with a lock that a killed process cannot leave behind."""

import fcntl
import os
from pathlib import Path
from typing import IO

from ccdcgan.utils.errors import InputError

_held: list[IO[str]] = []


def lock_run(folder: str | Path) -> None:
    """Hold ``folder``'s lock until this process ends, however it ends.

    Snakemake's own lock outlives a kill and then asks to be removed by hand, so the profile switches it off
    and this one, which the kernel drops with the process, stands in. Raises InputError if another process
    holds it.
    """
    path = Path(folder) / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - held open for the life of the process
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        handle.close()
        raise InputError(
            f"{folder} is being worked on by process {owner}; wait for it, end it, or set another `run` name."
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    _held.append(handle)
