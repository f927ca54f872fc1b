"""Statistics over runs with different seeds: the table, and refused input."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccdcgan import columns, quantities
from ccdcgan.evaluation.seed_statistics import scatter
from ccdcgan.report.data import ReportData
from ccdcgan.report.reliability import trust
from ccdcgan.report.tables import scatter_table
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_csv
from tests.conftest import TOY, Workflow


def table(*shares: tuple[str, float, float], images: int = 4000) -> pd.DataFrame:
    """A summary: scheme, distinct meta-stable per relaxation, mean formation energy (eV/atom)."""
    rows = []
    for scheme, share, energy in shares:
        rows += [
            (scheme, quantities.SUCCESS_RATE, images // 2, images, 0.5, ""),
            (scheme, quantities.DISTINCT_META_STABLE, np.nan if np.isnan(share) else 48 * share, 48, share, ""),
            (scheme, quantities.MEAN_ENERGY, np.nan, 47, energy, "eV/atom"),
        ]
    return pd.DataFrame(rows, columns=["scheme", "quantity", "numerator", "denominator", "value", "unit"])


def test_mean_and_standard_deviation_of_a_single_run():
    runs = {"a": table(("flow", 0.5, -0.10)), "b": table(("flow", 0.3, -0.12)), "c": table(("flow", 0.4, -0.11))}
    rows = scatter(runs).set_index("quantity")
    row = rows.loc[quantities.DISTINCT_META_STABLE]
    assert row["n_runs"] == 3 and row["lowest"] == 0.3 and row["highest"] == 0.5
    assert row["mean"] == pytest.approx(0.4) and row["standard_deviation"] == pytest.approx(0.1)
    cells = dict(scatter_table(rows.reset_index(), ["flow", "vae"]).rows[i][:2] for i in range(3))
    assert cells[quantities.DISTINCT_META_STABLE].replace("\u00a0", " ") == "40.0 ± 10.0 % (30.0 to 50.0)"
    assert cells[quantities.MEAN_ENERGY].replace("\u00a0", " ") == "−0.110 ± 0.010 eV/atom (−0.120 to −0.100)"
    assert scatter_table(rows.reset_index(), ["vae"]).rows[0][1] == "–"
    small = scatter({"a": table(("flow", 0.0052, 0)), "b": table(("flow", 0.0068, 0))})
    assert scatter_table(small, ["flow"]).rows[1][1].replace("\u00a0", " ") == "0.60 ± 0.11 % (0.52 to 0.68)"


def test_summaries_of_earlier_versions_are_accepted():
    summaries = {}
    for run, names in (("new", quantities.EARLIER_QUANTITIES.values()), ("earlier", quantities.EARLIER_QUANTITIES)):
        rows = table(("flow", 0.5, -0.1)).iloc[:1]
        renamed = [rows.assign(quantity=name, value=1.0) for name in names]
        summaries[run] = pd.concat(renamed, ignore_index=True)
    assert (scatter(summaries)["n_runs"] == 2).all()


def test_a_run_without_a_value_is_not_counted():
    rows = scatter({"a": table(("flow", 0.5, -0.1)), "b": table(("flow", np.nan, -0.1)), "c": table(("flow", 0.3, 0))})
    row = rows.set_index("quantity").loc[quantities.DISTINCT_META_STABLE]
    assert row["n_runs"] == 2 and row["mean"] == pytest.approx(0.4)
    assert scatter_table(rows, ["flow"]).rows[1][1].endswith("(30.0 to 50.0, 2 runs)")


def test_schemes_of_other_runs_only_are_passed_over():
    rows = scatter({"a": table(("flow", 0.5, 0)), "b": table(("vae", 0.1, 0), ("flow", 0.5, 0))})
    assert set(rows["scheme"]) == {"flow"} and (rows["n_runs"] == 2).all()


@pytest.mark.parametrize(
    "other, found",
    [(table(("flow", 0.5, 0), images=2000), "generated 2000"), (table(("vae", 0.5, 0)), "generated no")],
)
def test_runs_of_other_configurations_are_refused(other: pd.DataFrame, found: str):
    with pytest.raises(
        InputError, match=f"other_seeds names 'b', which {found} crystal graphs with flow; 'a' generated"
    ):
        scatter({"a": table(("flow", 0.5, 0)), "b": other})


def test_campaigns_may_draw_different_numbers_of_proposals():
    rows = scatter({"a": table(("campaign", 0.5, 0)), "b": table(("campaign", 0.7, 0), images=2000)})
    assert (rows["n_runs"] == 2).all()
    with pytest.raises(InputError, match="generated no crystal graphs with campaign"):
        scatter({"a": table(("campaign", 0.5, 0)), "b": table(("flow", 0.5, 0))})


def test_the_report_names_differences_that_are_not_significant(toy_run: Workflow):
    results = toy_run.folder / "results/toy"
    rows = scatter({"a": table(("flow", 0.5, -0.1)), "b": table(("flow", 0.3, -0.1))})
    data = ReportData(database=read_csv(results / "database/database.csv"), scatter=rows)
    answers = trust(data, ["flow"], 0.15)
    answer = dict(answers)["Differences between schemes"].replace("\u00a0", " ")
    assert "over 2 runs" in answer and "flow 40.0 % ± 14.1 %" in answer


@pytest.fixture
def other(toy_run: Workflow) -> Iterator[Path]:
    """Where another run's summary is put, gone afterwards with all that is made of it."""
    folder = toy_run.folder / "results/toy-seed"
    folder.mkdir()
    yield folder / "summary.csv"
    shutil.rmtree(folder)
    (toy_run.folder / "results/toy/scatter.csv").unlink(missing_ok=True)


def test_a_report_shows_the_scatter_of_named_runs(toy_run: Workflow, other: Path):
    summary = read_csv(toy_run.folder / "results/toy/summary.csv")
    summary.assign(value=summary["value"] / 2).to_csv(other, index=False)
    toy_run.run("--cores", "2", "report", *TOY, "--config", "other_seeds=[toy-seed]")
    page = (toy_run.folder / "results/toy/report/index.html").read_text(encoding="utf-8")
    rows = read_csv(toy_run.folder / "results/toy/scatter.csv")
    assert set(rows) <= set(columns.COLUMNS)
    rows = rows.set_index(["scheme", "quantity"])
    row, value = rows.loc["dcgan", quantities.SUCCESS_RATE], summary.loc[0, "value"]
    assert row["n_runs"] == 2 and row["highest"] == value and row["mean"] == pytest.approx(0.75 * value)
    assert "Mean and standard deviation of 2 runs" in page and f"{75 * value:.1f}" in page
    toy_run.run("--cores", "2", "report", *TOY)
    assert "standard deviation of" not in (toy_run.folder / "results/toy/report/index.html").read_text(encoding="utf-8")


def test_runs_that_are_not_there_end_in_a_sentence(workflow: Workflow):
    done = workflow.run("--dry-run", "report", *TOY, "--config", "other_seeds=[nobody]", check=False)
    assert done.returncode != 0
    assert "other_seeds names 'nobody', but there is no other run with results/nobody/summary.csv" in done.stdout
