"""Where a run stands: which jobs are done, what the running ones have reached, what was lost, what is left.

What is done and what is left comes from Snakemake (``--summary``: its own judgement of every output); what a job
has reached comes from its state file. Neither needs a lock, so a run can be looked at while it goes on.
"""

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.progress import clock, in_words


@dataclass
class RuleStatus:
    """The jobs of one rule. ``states``: of those that ever ran, as read from their files."""

    stage: str
    rule: str
    n_jobs: int = 0
    n_done: int = 0
    states: list[dict[str, Any]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the states of these kinds (finished, running, silent, failed)."""
        return [state for state in self.states if state["state"] in kinds]

    @property
    def n_waiting(self) -> int:
        """Jobs that neither are done nor run now."""
        return max(self.n_jobs - self.n_done - len(self.of("running")), 0)

    def reached(self) -> str:
        """Return how many crystals, steps or samples are done, of how many; "" where none are counted."""
        counted = [state["progress"] for state in self.states if state["progress"] and state["progress"]["unit"]]
        if not counted:
            return ""
        done, total = (sum(progress[key] for progress in counted) for key in ("done", "total"))
        about = ""
        if len(counted) < self.n_jobs:  # jobs of one rule are of about one size
            about, total = "about ", round(total * self.n_jobs / len(counted))
        return f"{done:,} of {about}{total:,} {counted[0]['unit']}"

    def lost(self) -> Counter[str]:
        """Return how many items were lost for each reason."""
        return sum((Counter(state["progress"]["lost"]) for state in self.states if state["progress"]), Counter())

    def seconds_left(self) -> float | None:
        """Return the job time left, seconds; None where it cannot be known: nothing like it was ever done."""
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
    """Return those targets beyond the default one of which this run has begun the first rule.

    targets: target -> its first rule; states: by output, from :func:`ccdcgan_workflow.job_states.read_states`.
    """
    ran = {state["rule"] for state in states.values()}
    return [target for target, rule in targets.items() if rule in ran]


def ask_snakemake(
    snakemake: Sequence[str], config: Mapping[str, Any], log: str | Path, targets: Sequence[str] = ()
) -> list[tuple[str, str, bool]]:
    """Return (output, rule, up to date) of every output that the targets need with ``config``.

    snakemake: the command that starts Snakemake on the workflow; it runs in the current folder, without a lock; no
    targets: the default one;
    log: where its own words go. Raises InputError if it cannot answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        options = ["--configfile", str(file), "--summary", "--nolock", "--quiet", "all"]
        asked = subprocess.run([*snakemake, *targets, *options], capture_output=True, text=True, check=False)
    Path(log).write_text(asked.stderr, encoding="utf-8")
    if asked.returncode:
        raise InputError(f"Snakemake cannot say where the run stands; its reason is in {log}.")
    rows = [line.split("\t") for line in asked.stdout.splitlines() if line.count("\t") >= 5]
    return [(row[0], row[2], row[4] == "ok" and row[5] == "no update") for row in rows[1:]]


def rule_statuses(
    outputs: Sequence[tuple[str, str, bool]],
    rules: Mapping[str, tuple[str, int]],
    states: Mapping[str, dict[str, Any]],
) -> list[RuleStatus]:
    """Return the status of every rule that the workflow needs.

    outputs: from :func:`ask_snakemake`; rules: stage and number of outputs of one job of each rule, in the order
    to show; states: by output, from :func:`ccdcgan_workflow.job_states.read_states`.
    """
    statuses = []
    for rule, (stage, n_outputs) in rules.items():
        mine = [(output, current) for output, name, current in outputs if name == rule]
        status = RuleStatus(stage, rule)
        for first in range(0, len(mine), n_outputs):  # the outputs of one job stand together
            part = mine[first : first + n_outputs]
            state = states.get(part[0][0])
            is_done = all(current for _, current in part)
            status.n_jobs += 1
            status.n_done += is_done
            # what finished for other settings is to be done again and says nothing about this run
            if state and (is_done or state["state"] != "finished"):
                status.states.append(state)
        if mine:
            statuses.append(status)
    return statuses


def describe(run: str, folder: str, statuses: Sequence[RuleStatus]) -> str:
    """Return where the run stands as plain text."""
    n_jobs, n_done = sum(status.n_jobs for status in statuses), sum(status.n_done for status in statuses)
    running = [state for status in statuses for state in status.of("running")]
    stages = list(dict.fromkeys(status.stage for status in statuses))
    whole = [s for s in stages if all(status.n_done == status.n_jobs for status in statuses if status.stage == s)]
    lines = [
        f"Run {run} in {folder}: {n_done} of {n_jobs} jobs done, {len(running)} running, "
        f"{n_jobs - n_done - len(running)} waiting",
        f"Stages done: {', '.join(whole) or 'none yet'} ({len(whole)} of {len(stages)})",
        "",
        f"{'stage':<15} {'rule':<24} {'jobs':>7}  reached",
    ]
    for status in statuses:
        lost = status.lost()
        why = "; lost: " + ", ".join(f"{n:,} {reason}" for reason, n in lost.most_common()) if lost else ""
        jobs = f"{status.n_done}/{status.n_jobs}"
        lines.append(f"{status.stage:<15} {status.rule:<24} {jobs:>7}  {status.reached()}{why}".rstrip())
    for title, kind in (("Running", "running"), ("Failed", "failed"), ("Killed or cut off", "silent")):
        states = [state for status in statuses for state in status.of(kind)]
        if states:
            lines += ["", title, *(f"  {_job_in_words(state)}" for state in states)]
    return "\n".join([*lines, "", _left_in_words(statuses)])


def _job_in_words(state: Mapping[str, Any]) -> str:
    name = " ".join([state["rule"], *state["wildcards"].values()])
    reached = in_words(state["progress"]) if state["progress"] else "no progress to count"
    match state["state"]:
        case "running":
            return f"{name} on {state['host']}: {reached}"
        case "failed":
            return f"{name}: {state['message']}"
        case _:
            return f"{name} on {state['host']}: {reached}; no sign of life for {clock(state['quiet'])}"


def _left_in_words(statuses: Sequence[RuleStatus]) -> str:
    """Return the job time left where it is known, and how much cannot be known yet."""
    left = [(status, status.seconds_left()) for status in statuses if status.n_done < status.n_jobs]
    if not left:
        return "Nothing is left to do."
    known = [seconds for _, seconds in left if seconds is not None]
    unknown = sum(status.n_jobs - status.n_done for status, seconds in left if seconds is None)
    parts = []
    if known:
        parts.append(f"about {clock(sum(known))} of job time, less on the clock where jobs run side by side")
    if unknown:
        parts.append(f"{unknown} jobs of rules of which none has finished here, so that their time is not known")
    return f"Left: {'; and '.join(parts)}."
