"""Status of a run: finished jobs, progress of running jobs, failed crystals and samples, remaining time.

Finished and waiting jobs are determined by Snakemake (``--summary``, its evaluation of every output file), the progress
of a job by its state file. Neither needs a lock, so the status can be shown while the run is in progress.
"""

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.progress import clock, in_words


@dataclass
class RuleStatus:
    """Status of the jobs of one rule.

    Attributes:
        stage: Stage of the workflow.
        rule: Name of the rule.
        n_jobs: Number of jobs.
        n_done: Number of finished jobs.
        states: States of the jobs that were started, from their state files.
    """

    stage: str
    rule: str
    n_jobs: int = 0
    n_done: int = 0
    states: list[dict[str, Any]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the states of the given kinds (finished, running, silent, failed)."""
        return [state for state in self.states if state["state"] in kinds]

    @property
    def n_waiting(self) -> int:
        """Number of jobs that are neither finished nor running."""
        return max(self.n_jobs - self.n_done - len(self.of("running")), 0)

    def reached(self) -> str:
        """Return the progress in crystals, steps or samples as text; "" if the rule does not count any."""
        counted = [state["progress"] for state in self.states if state["progress"] and state["progress"]["unit"]]
        if not counted:
            return ""
        done, total = (sum(progress[key] for progress in counted) for key in ("done", "total"))
        about = ""
        if len(counted) < self.n_jobs:  # the jobs of one rule have similar sizes
            about, total = "about ", round(total * self.n_jobs / len(counted))
        return f"{done:,} of {about}{total:,} {counted[0]['unit']}"

    def lost(self) -> Counter[str]:
        """Return the number of failed items for each reason."""
        return sum((Counter(state["progress"]["lost"]) for state in self.states if state["progress"]), Counter())

    def seconds_left(self) -> float | None:
        """Return the remaining job time, s; None if it is unknown because no job of the rule has finished."""
        finished = [state["ended"] - state["started"] for state in self.of("finished")]
        mean = sum(finished) / len(finished) if finished else None
        left = 0.0
        for state in self.of("running"):
            progress = state["progress"]
            if progress and progress["left"] is not None:
                left += progress["left"]
            elif mean is None:
                return None
            else:
                left += mean / 2
        if self.n_waiting and mean is None:
            return None
        return left + self.n_waiting * (mean or 0.0)


def begun(targets: Mapping[str, str], states: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the optional targets whose first rule was started in this run.

    Args:
        targets: Target -> its first rule.
        states: States by output, from :func:`ccdcgan_workflow.job_states.read_states`.
    """
    ran = {state["rule"] for state in states.values()}
    return [target for target, rule in targets.items() if rule in ran]


def ask_snakemake(
    snakemake: Sequence[str], config: Mapping[str, Any], log: str | Path, targets: Sequence[str] = ()
) -> list[tuple[str, str, bool]]:
    """Return the status of every output that the targets need, as evaluated by Snakemake.

    Args:
        snakemake: Command that starts Snakemake on the workflow; it runs in the current folder, without a lock.
        config: Configuration of the run.
        log: File for the messages of Snakemake.
        targets: Targets of the run; empty: the default target.

    Returns:
        One tuple per output: path, rule and whether the output is up to date.

    Raises:
        InputError: Snakemake could not evaluate the outputs.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        options = ["--configfile", str(file), "--summary", "--nolock", "--quiet", "all"]
        asked = subprocess.run([*snakemake, *targets, *options], capture_output=True, text=True, check=False)
    Path(log).write_text(asked.stderr, encoding="utf-8")
    if asked.returncode:
        raise InputError(f"Snakemake could not determine the status of the run; the reason is in {log}.")
    rows = [line.split("\t") for line in asked.stdout.splitlines() if line.count("\t") >= 5]
    return [(row[0], row[2], row[4] == "ok" and row[5] == "no update") for row in rows[1:]]


def rule_statuses(
    outputs: Sequence[tuple[str, str, bool]],
    rules: Mapping[str, tuple[str, int]],
    states: Mapping[str, dict[str, Any]],
) -> list[RuleStatus]:
    """Return the status of every rule that the run needs.

    Args:
        outputs: Outputs from :func:`ask_snakemake`.
        rules: Rule -> its stage and the number of outputs of one job, in the order in which rules are shown.
        states: States by output, from :func:`ccdcgan_workflow.job_states.read_states`.
    """
    statuses = []
    for rule, (stage, n_outputs) in rules.items():
        mine = [(output, current) for output, name, current in outputs if name == rule]
        status = RuleStatus(stage, rule)
        for first in range(0, len(mine), n_outputs):  # the outputs of one job are adjacent
            part = mine[first : first + n_outputs]
            state = states.get(part[0][0])
            is_done = all(current for _, current in part)
            status.n_jobs += 1
            status.n_done += is_done
            # a job that finished with other settings is repeated and is not part of this run
            if state and (is_done or state["state"] != "finished"):
                status.states.append(state)
        if mine:
            statuses.append(status)
    return statuses


def describe(
    run: str, folder: str, statuses: Sequence[RuleStatus], notes: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return the status of a run as plain text.

    Args:
        run: Name of the run.
        folder: Folder of the run.
        statuses: Statuses from :func:`rule_statuses`.
        notes: What else is said of the run, each with its subject, e.g. the energy scheme.
    """
    n_jobs, n_done = sum(status.n_jobs for status in statuses), sum(status.n_done for status in statuses)
    running = [state for status in statuses for state in status.of("running")]
    stages = list(dict.fromkeys(status.stage for status in statuses))
    whole = [s for s in stages if all(status.n_done == status.n_jobs for status in statuses if status.stage == s)]
    lines = [
        f"Run {run} in {folder}: {n_done} of {n_jobs} jobs done, {len(running)} running, "
        f"{n_jobs - n_done - len(running)} waiting",
        f"Stages done: {', '.join(whole) or 'none yet'} ({len(whole)} of {len(stages)})",
        *(f"{subject}: {text}" for subject, text in notes.items()),
        "",
        f"{'stage':<15} {'rule':<24} {'jobs':>7}  reached",
    ]
    for status in statuses:
        lost = status.lost()
        why = "; failed: " + ", ".join(f"{n:,} {reason}" for reason, n in lost.most_common()) if lost else ""
        jobs = f"{status.n_done}/{status.n_jobs}"
        lines.append(f"{status.stage:<15} {status.rule:<24} {jobs:>7}  {status.reached()}{why}".rstrip())
    for title, kind in (("Running", "running"), ("Failed", "failed"), ("Killed or cut off", "silent")):
        states = [state for status in statuses for state in status.of(kind)]
        if states:
            lines += ["", title, *(f"  {_job_in_words(state)}" for state in states)]
    return "\n".join([*lines, "", _left_in_words(statuses)])


def _job_in_words(state: Mapping[str, Any]) -> str:
    name = " ".join([state["rule"], *state["wildcards"].values()])
    reached = in_words(state["progress"]) if state["progress"] else "progress not counted"
    match state["state"]:
        case "running":
            return f"{name} on {state['host']}: {reached}"
        case "failed":
            return f"{name}: {state['message']}"
        case _:
            return f"{name} on {state['host']}: {reached}; no update for {clock(state['quiet'])}"


def _left_in_words(statuses: Sequence[RuleStatus]) -> str:
    """Return the remaining job time, and the number of jobs for which it is unknown, as one sentence."""
    left = [(status, status.seconds_left()) for status in statuses if status.n_done < status.n_jobs]
    if not left:
        return "Nothing is left to do."
    known = [seconds for _, seconds in left if seconds is not None]
    unknown = sum(status.n_jobs - status.n_done for status, seconds in left if seconds is None)
    parts = []
    if known:
        parts.append(f"about {clock(sum(known))} of job time (less wall time if jobs run in parallel)")
    if unknown:
        jobs = "job" if unknown == 1 else "jobs"
        parts.append(f"{unknown} {jobs} of unknown duration (no job of the same rule has finished yet)")
    return f"Left: {' and '.join(parts)}."
