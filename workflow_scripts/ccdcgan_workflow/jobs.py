"""Context of every job: log file, errors in one sentence, limit of the number of threads."""

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
from ccdcgan_workflow.runs.code_state import check_code
from ccdcgan_workflow.system_errors import sentence as system_error


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script with logging to the log file of the job and to the terminal.

    Direct output of libraries to standard output and standard error, including C++ libraries, goes to the log file
    only. An InputError ends the job with its sentence. Any other exception writes its traceback to the log file and one
    sentence to the terminal. In both cases the exit status is 1, so that Snakemake does not start dependent jobs. The
    same holds for a job that receives SIGTERM, after it has saved its state, and for a job whose code changed since the
    start of the run. While the body runs, the state file of the
    job (:mod:`ccdcgan_workflow.job_states`) is kept up to date.

    Args:
        snakemake: Snakemake's object of that name in the script.
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
    # warnings of libraries go to the log file only
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").handlers = [record]
    logging.getLogger("py.warnings").propagate = False
    warnings.simplefilter("default")
    warnings.filterwarnings("ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning)  # issued by spglib at every call
    watch()
    try:
        with job_state(snakemake) as end:
            try:
                check_code()
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
    """Return one sentence about the error that ended a job, with the remedy if it is known.

    Args:
        error: Exception raised by the body of the script.
        log_file: Log file of the job, which contains the traceback.
    """
    if isinstance(error, InputError | Interrupted):
        return str(error)
    if text := system_error(error):
        return text
    if not isinstance(error, Exception):
        return f"stopped by {type(error).__name__}."
    return f"failed with {type(error).__name__}: {error}; the traceback is in {log_file}"


def _terminal() -> logging.StreamHandler:
    """Return the log handler for the terminal.

    If the main process draws a progress display (:mod:`ccdcgan_workflow.display`), lines are written to its file,
    without the progress lines that it draws itself. On another machine this file does not exist.
    """
    file = os.environ.get("CCDCGAN_TERMINAL", "")
    if not os.path.exists(file):
        return logging.StreamHandler(os.fdopen(os.dup(2), "w", encoding="utf-8", buffering=1))
    handler = logging.StreamHandler(open(file, "a", encoding="utf-8", buffering=1))  # noqa: SIM115
    handler.addFilter(lambda record: record.name != "ccdcgan.utils.progress")
    return handler


def _limit_threads(threads: int) -> None:
    """Limit numerical libraries that are imported afterwards to the number of threads of the job."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # the GPU may be shared with a potential
