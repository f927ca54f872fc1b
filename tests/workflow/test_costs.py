"""Costs of a run are added up correctly, and an estimate is the number of units of work times the cost of one."""

import json
from pathlib import Path

import pytest

from ccdcgan_workflow.costs import Work, costs, costs_in_words, estimate, estimate_in_words, finished_jobs, planned_work


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two finished batches and one training of a run, and a job that failed."""

    def job(name: str, rule: str, seconds: float, how: str = "finished", **more) -> None:
        log, tsv = tmp_path / f"one/logs/{name}.json", tmp_path / f"one/benchmarks/{name}.tsv"
        state = {"rule": rule, "state": how, "started": 0.0, "ended": seconds, "threads": 2, "gpus": 0}
        for path in (log, tsv):
            path.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(json.dumps(state | {"wildcards": {}, "progress": None} | more))
        tsv.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t{seconds / 10}\t{seconds / 2}\n")

    def crystals(fresh: int, seconds: float) -> dict:
        return {"unit": "crystals", "fresh": fresh, "seconds": seconds}

    job("relax_database/000", "relax_database", 3600, wildcards={"batch": "000"}, progress=crystals(10, 3000))
    job("relax_database/001", "relax_database", 7200, wildcards={"batch": "001"}, progress=crystals(20, 6000))
    job("train_generator/dcgan", "train_generator", 1800, wildcards={"scheme": "dcgan"}, gpus=4)
    job("draw_figures", "draw_figures", 99, how="failed")
    (tmp_path / "one/logs/torn.json").write_text('{"rule"')
    return tmp_path


def test_costs_add_up(results):
    table = costs(finished_jobs(results)).set_index("rule")
    assert list(table.index) == ["relax_database", "train_generator", "total"]
    assert table.loc["relax_database"].tolist() == [2, 3.0, 6.0, 1.5, 0.0, 2.0, 720.0]
    assert table.loc["total", ["jobs", "core_hours", "gpu_hours"]].tolist() == [3, 7.0, 2.0]
    assert "gpu_hours: hours x GPUs requested" in costs_in_words("one", table.reset_index())


def test_an_estimate_is_units_times_measured_seconds(results):
    work = [Work("relax_database", 8, "", 72), Work("train_generator", 1, "flow"), Work("draw_figures", 1)]
    table = estimate([*work, Work("relax_database", 8, "", None)], finished_jobs(results))
    assert table["hours"].tolist()[:2] == [72 * 300 / 3600, 0.5]
    assert table["core_hours"].tolist()[:2] == [12.0, 1.0]
    assert table["gpu_hours"].tolist()[:2] == [0.0, 2.0]
    assert table["hours"].isna().tolist() == [False, False, True, True]
    text = estimate_in_words("two", table, {"relax_database": "Count first."})
    assert "Total: 13 core-hours, 2 GPU-hours." in text
    assert "draw_figures, relax_database" in text and text.endswith("Count first.")


def test_work_is_counted_from_the_configuration_and_the_structures(tmp_path):
    sets = [str(tmp_path / "substituted.extxyz")]
    counts, units = {"train": 2, "relax": 4, "draw": 1}, [("train", "a", 100), ("train", "b", 200)]
    fixed = [Work("train", 1, "a", 100), Work("train", 1, "b", 200)]
    assert planned_work(counts, units, {"relax": sets}) == [*fixed, Work("relax", 4, "", None), Work("draw", 1)]
    Path(sets[0]).write_text('1\nLattice="1 0 0"\nCu 0 0 0\n' * 3)
    assert planned_work(counts, units, {"relax": sets})[2] == Work("relax", 4, "", 3)
