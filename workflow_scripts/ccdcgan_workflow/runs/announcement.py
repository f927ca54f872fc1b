"""One line before the first job of a run, also in a dry run: which finished results are made again, and why."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from ccdcgan_workflow.runs.record import describe_changes


@dataclass(frozen=True)
class MadeAgain:
    """Planned jobs whose results exist already.

    jobs: number of jobs; rules: number of rules; stages: names of their rule files, in the order of the Snakefile;
    provenance: whether a setting, the code or the set of inputs of a job changed.
    """

    jobs: int
    rules: int
    stages: tuple[str, ...]
    provenance: bool


class Planned(logging.Handler):
    """Handler of Snakemake's log that calls a function once, when the jobs are planned and none has started."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self._call, self._called = call, False

    def emit(self, record: logging.LogRecord) -> None:
        """Call the function at the first table of jobs."""
        if not self._called and getattr(record, "event", None) == LogEvent.RUN_INFO:
            self._called = True
            self._call()


def made_again(dag: Any, stages: Iterable[str]) -> MadeAgain:
    """Return what a run is about to make again.

    Args:
        dag: Snakemake's graph of jobs.
        stages: Names of all rule files, in the order of the Snakefile.
    """
    jobs = [job for job in dag.needrun_jobs() if any(os.path.exists(path) for path in job.output)]
    found = {Path(job.rule.snakefile).stem for job in jobs} - {"Snakefile"}
    return MadeAgain(
        len(jobs),
        len({job.rule.name for job in jobs}),
        tuple(stage for stage in stages if stage in found),
        any(dag.reason(job).is_provenance_triggered() for job in jobs),
    )


def announcement(folder: str, again: MadeAgain, changed: Mapping[str, tuple[Any, Any]], keep: str) -> str | None:
    """Return the line about results that are made again; None if no setting and no code changed.

    Args:
        folder: Folder of the run.
        again: What is made again.
        changed: Changed settings, from :func:`ccdcgan_workflow.runs.record.changed_settings`.
        keep: Command that leaves the results of this run as they are.
    """
    if not again.jobs or not (changed or again.provenance):
        return None
    reason = describe_changes(changed) or "other settings or code than those that its results were made with"
    jobs = "1 finished job" if again.jobs == 1 else f"{again.jobs} finished jobs of {again.rules} rules"
    return (
        f"{folder}: {reason}. {jobs} will be made again, with new results in place of the old ones: "
        f"{', '.join(again.stages)}. To keep the old results, give the new run another name: {keep}"
    )
