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

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.interruption import Interrupted, watch
from ccdcgan_workflow.job_states import job_state
from ccdcgan_workflow.system_errors import sentence as system_error


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run a script's body with logging to the job's log file and to the terminal.

    What libraries write to standard output and error themselves, from C++ too, goes to the log file only.
    An InputError ends the job with its sentence; any other exception leaves its traceback in the log file and
    one sentence in the terminal. Both exit with status 1, so Snakemake stops what depends on the job; so does
    a job that is asked to end (SIGTERM), once it has saved itself.
    The job's state file (:mod:`ccdcgan_workflow.job_states`) says meanwhile what it is doing.
    """
    log_file = Path(snakemake.log[0]).resolve()
    log_file.parent.mkdir(parents=True, exist_ok=True)
    _limit_threads(snakemake.threads)
    terminal = _terminal()
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
    warnings.filterwarnings("ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning)  # spglib's, at every call
    watch()
    try:
        with job_state(snakemake) as end:
            try:
                yield
            except BaseException as error:
                sentence = failure_in_words(error, snakemake.log[0])
                end("failed", sentence)
                if not isinstance(error, Exception | Interrupted):
                    raise
                if not isinstance(error, InputError | Interrupted):
                    record.stream.write(traceback.format_exc())
                    record.flush()
                log.error("%s", sentence)
                sys.exit(1)
            end("finished")
    finally:
        for handler in log.handlers:
            handler.flush()


def failure_in_words(error: BaseException, log_file: str) -> str:
    """Return one sentence about what ended a job: what is wrong and, where that can be said, what to do."""
    if isinstance(error, InputError | Interrupted):
        return str(error)
    if text := system_error(error):
        return text
    if not isinstance(error, Exception):
        return f"stopped by {type(error).__name__}."
    return f"failed with {type(error).__name__}: {error}; the traceback is in {log_file}"


def _terminal() -> logging.StreamHandler:
    """Return the handler of what the user sees at once.

    Where the driver draws progress (:mod:`ccdcgan_workflow.display`) lines go to it, without those that it draws;
    a job on another machine does not find its file.
    """
    file = os.environ.get("CCDCGAN_TERMINAL", "")
    if not os.path.exists(file):
        return logging.StreamHandler(os.fdopen(os.dup(2), "w", encoding="utf-8", buffering=1))
    handler = logging.StreamHandler(open(file, "a", encoding="utf-8", buffering=1))  # noqa: SIM115
    handler.addFilter(lambda record: record.name != "ccdcgan.utils.progress")
    return handler


def _limit_threads(threads: int) -> None:
    """Hold numerical libraries imported from here on to the job's threads."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # a potential may share the GPU
