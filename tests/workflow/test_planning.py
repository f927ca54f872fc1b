"""A run of the size of Long et al. takes few jobs and little memory to plan; the plan does not depend on the engine."""

import re

from benchmarks.planning import PLANS, plan
from tests.conftest import TOY, Workflow


def test_a_run_of_the_papers_size_has_few_jobs(tmp_path):
    jobs, _, _, memory = plan(PLANS["in batches"], tmp_path)
    assert 500 < jobs < 1500
    assert memory < 1000  # MB


def test_another_engine_changes_no_job(workflow: Workflow) -> None:
    """About four seconds a plan."""

    def jobs(engine: str) -> set[str]:
        settings = ("--config", f"relaxation={{engine: {engine}}}", "run=engines")
        lines = workflow.run("--dry-run", *TOY, *settings).stdout.splitlines()
        return {line for line in lines if re.match(r"Job \d+: ", line)}

    planned = jobs("classical")
    assert len(planned) > 30
    assert jobs("mlip") == jobs("gpaw") == planned
