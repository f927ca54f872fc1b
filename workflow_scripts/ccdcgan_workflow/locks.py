"""Lock that allows one Snakemake process per run; the kernel releases it when the process ends."""

import os
from pathlib import Path
from typing import IO

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.machine import lock_file

_held: list[IO[str]] = []


def lock_run(folder: str | Path) -> None:
    """Lock ``folder`` until this process ends, normally or not.

    Snakemake's own lock remains after a kill and must then be removed manually. The profile therefore switches it off
    and this lock replaces it.

    Args:
        folder: Folder of the run, ``results/{run}``.

    Raises:
        InputError: Another process holds the lock.
    """
    path = Path(folder) / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - stays open until the process ends
    try:
        lock_file(handle, wait=False)
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
