"""The frame of every job: its log file, its one-sentence errors, its share of the processor."""

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run a script's body with logging to the job's log file and to the terminal.

    What libraries write to standard output and error themselves, from C++ too, goes to the log file only.
    An InputError ends the job with its sentence; any other exception leaves its traceback in the log file and
    one sentence in the terminal. Both exit with status 1, so Snakemake stops what depends on the job; so does
    a job that is asked to end (SIGTERM), once it has saved itself.
    """
    log_file = Path(snakemake.log[0]).resolve()
    log_file.parent.mkdir(parents=True, exist_ok=True)
    _limit_threads(snakemake.threads)
    terminal = logging.StreamHandler(os.fdopen(os.dup(2), "w", encoding="utf-8", buffering=1))
    terminal.setFormatter(logging.Formatter(f"[{snakemake.rule}] %(message)s"))
    log_file.write_bytes(b"")
    record = logging.FileHandler(log_file, mode="a", encoding="utf-8")
    for stream in (1, 2):
        os.dup2(record.stream.fileno(), stream)
    record.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    log = logging.getLogger("ccdcgan")
    log.setLevel(logging.INFO)
    log.handlers = [terminal, record]
    log.propagate = False
    # libraries warn about their own future; the log keeps it, the terminal does not
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").handlers = [record]
    logging.getLogger("py.warnings").propagate = False
    warnings.simplefilter("default")
    from ccdcgan.errors import InputError
    from ccdcgan.interruption import Interrupted, watch

    watch()
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError | Interrupted):
            log.error("%s", error)
        else:
            record.stream.write(traceback.format_exc())
            record.flush()
            log.error("failed with %s: %s; the traceback is in %s", type(error).__name__, error, snakemake.log[0])
        sys.exit(1)
    finally:
        for handler in log.handlers:
            handler.flush()


def _limit_threads(threads: int) -> None:
    """Hold numerical libraries imported from here on to the job's threads."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
