"""A run of the paper's size is planned in seconds, with a number of jobs that a scheduler bears."""

from benchmarks.planning import PLANS, plan


def test_a_run_of_the_papers_size_is_planned_in_seconds(tmp_path):
    jobs, _, processor, memory = plan(PLANS["in batches"], tmp_path)
    assert 500 < jobs < 1500
    assert processor < 10  # s
    assert memory < 1000  # MB
