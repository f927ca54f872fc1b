"""Tables of the discovery benchmark: what is published is what was measured."""

import importlib
import re

import pandas as pd
import pytest

from tests.conftest import ROOT


@pytest.fixture
def tables(monkeypatch):
    """The module, whose neighbours are imported as by a script in its folder."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("discovery_tables")


@pytest.fixture
def measured(tables, monkeypatch, tmp_path):
    """The module with an empty folder of what was measured."""
    monkeypatch.setattr(tables, "DATA", tmp_path)
    return tables


def rows(tables, method: str, seed: int, finds: str, system: str = "V-O") -> pd.DataFrame:
    n = len(finds)
    table = pd.DataFrame({"status": ["ok"] * n, "distinct": [sign == "+" for sign in finds]})
    table = table.assign(stability="meta-stable", formation_energy=-0.1, e_above_hull=0.12, formula="VO2")
    return pd.DataFrame([tables.measured_row(system, method, seed, table.assign(space_group="P1"), 0.15)])


def test_counts_and_factors_follow_from_the_relaxations(measured):
    random, campaign = rows(measured, "random", 1, "---+-+"), rows(measured, "campaign", 1, "+-++++")
    row = measured.with_factors(pd.concat([random, campaign])).iloc[1]
    assert (row["distinct_meta_stable"], row["distinct_stable"], row["p1"], row["compositions"]) == (5, 0, 5, 1)
    assert row["enhancement"] == 2.5
    assert row["acceleration"] == 2.0  # two finds after 3 relaxations in place of 6
    assert row["area"] == pytest.approx((1 + 1 + 2 + 3 + 4 + 5) / 21)


def test_a_row_replaces_the_earlier_one_of_its_name_and_no_other(measured):
    measured.keep("discovery", rows(measured, "campaign", 1, "--+"))
    measured.keep("discovery", rows(measured, "random", 1, "---", "Fe-Si"))
    measured.keep("discovery", rows(measured, "random", 2, "--+"))
    kept = measured.keep("discovery", rows(measured, "campaign", 1, "+++"))
    assert kept[["system", "method", "seed", "finds"]].to_numpy().tolist() == [
        ["V-O", "random", 2, "--+"],
        ["V-O", "campaign", 1, "+++"],
        ["Fe-Si", "random", 1, "---"],
    ]
    assert measured.with_factors(kept)["enhancement"].tolist()[0] == 1.0
    assert pd.isna(
        measured.with_factors(kept)["enhancement"][1:]
    ).all()  # no random crystals of the same seed with finds


def test_finds_per_processor_hour_are_of_the_seeds_whose_time_is_known(measured):
    known = rows(measured, "campaign", 1, "+-++").assign(minutes=6.0)
    table = pd.concat([known, rows(measured, "campaign", 2, "----"), rows(measured, "random", 1, "+++-")])
    head, _, *lines = measured.costs_as_markdown(table).splitlines()
    cells = [dict(zip(head.split(" | "), line.split(" | "), strict=True)) for line in lines]
    names = ("seeds", "processor minutes", "distinct meta-stable per processor hour")
    assert [[row[name] for name in names] for row in cells] == [["1", "6.0", "30"]]


@pytest.mark.parametrize("name", ["discovery", "rediscovery"])
def test_the_page_shows_what_was_measured(tables, name):
    kept = tables.read_csv(tables.DATA / f"{name}.csv")
    for part, as_text in tables.AS_MARKDOWN[name].items():
        page = re.search(rf"<!-- begin {part} -->\n(.*?)<!-- end {part} -->", tables.PAGE.read_text(), re.DOTALL)
        assert page[1].strip() == as_text(kept)


def test_rows_are_added_to_the_tables_of_the_page(measured, monkeypatch, tmp_path):
    monkeypatch.setattr(measured, "PAGE", tmp_path / "page.md")
    marks = "<!-- begin {0} -->\n\nold {0}\n\n<!-- end {0} -->\n"
    measured.PAGE.write_text("".join(["first\n", *(marks.format(part) for part in ("discovery", "costs")), "last\n"]))
    measured.publish("discovery", rows(measured, "campaign", 1, "+-++").assign(minutes=6.0))
    page = measured.PAGE.read_text()
    assert "old" not in page
    assert page.startswith("first\n")
    assert page.endswith("<!-- end costs -->\nlast\n")
    assert "| V-O | `campaign` | 1 | 6.0 | 30 | 0 |" in page
