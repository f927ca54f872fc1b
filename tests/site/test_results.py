"""The numbers in the pages are those of a run's files."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.image import imread

from ccdcgan.report.formatting import NO_BREAK
from ccdcgan.report.tables import Table
from ccdcgan.utils.files import read_csv
from result_numbers import PAGES, SCREEN_SIZE, draw_screen, markdown, numbers_of, put_between_marks, schemes_table
from tests.conftest import Workflow


def test_every_page_has_a_place_for_its_numbers():
    for page in PAGES.values():
        new = put_between_marks(page.read_text(), "A | B \\1")
        assert new.count("A | B \\1") == 1 and put_between_marks(new, "A | B \\1") == new
    with pytest.raises(ValueError, match="no place for numbers"):
        put_between_marks("a page", "text")


def test_a_table_becomes_markdown():
    table = Table("Caption", ("name", "n"), [("a|b", "1")], frozenset({1}))
    assert markdown(table) == "Caption:\n\n| name | n |\n| --- | ---: |\n| a&#124;b | 1 |"
    assert markdown(Table("Caption", (), [])) == "Caption: none."


def test_numbers_of_a_toy_run(toy_run: Workflow):
    folder = toy_run.folder / "results/toy"
    texts = numbers_of(folder, "Cu-Au")
    summary = read_csv(folder / "summary.csv").set_index(["scheme", "quantity"])
    row = summary.loc["ccdcgan", "candidates per crystal graph (success rate)"]
    assert f"| {row['numerator']:.0f} / {row['denominator']:.0f} (" in texts["long"]
    assert f"CCDCGAN: {row['numerator']:.0f} candidates from 160 crystal graphs" in texts["long"]
    assert "*Run started on " in texts["long"] and "Hardware:" in texts["long"] and "| total |" in texts["long"]
    assert "reconstructed from crystal graphs" in texts["card"]
    assert f"| CCDCGAN | {row['numerator']:.0f} / {row['denominator']:.0f} (" in texts["readme"]


def test_the_table_of_schemes_has_controls_last_and_the_spread_over_seeds():
    quantity = "distinct meta-stable per relaxation"
    rows = [("random", quantity, 3, 48), ("ccdcgan", quantity, 6, 48), ("campaign", quantity, 24, 48)]
    summary = pd.DataFrame(rows, columns=["scheme", "quantity", "numerator", "denominator"])
    table = schemes_table(summary, None, ["random", "ccdcgan", "campaign"], paper=True)
    assert [row[0] for row in table.rows] == ["CCDCGAN", "campaign", "random crystals (control)"]
    assert "| CCDCGAN | – | 6 / 48 (12.5 %) | – | – | 90 / 3,106 (2.90 %) |" in markdown(table).replace(NO_BREAK, " ")
    assert table.rows[1][5] == "–" and table.caption == "One seed"
    spread = pd.DataFrame({"scheme": ["campaign"], "quantity": [quantity], "n_runs": 3})
    spread = spread.assign(mean=0.5, standard_deviation=0.025)
    table = schemes_table(summary, spread, ["random", "campaign"], paper=False)
    assert table.rows[0][2] == "50.0 ± 2.5 %" and "over 3 seeds" in table.caption and len(table.heads) == 5


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs the package chromium")
def test_the_first_screen_of_a_report_replaces_what_was_there(tmp_path: Path):
    (tmp_path / "page.html").write_text("<body style='background: red'>a report")
    (tmp_path / "other.png").write_text("another picture")
    (tmp_path / "screen.png").symlink_to(tmp_path / "other.png")
    draw_screen(tmp_path / "page.html", tmp_path / "screen.png")
    assert imread(tmp_path / "screen.png").shape[:2] == SCREEN_SIZE[::-1]
    assert (tmp_path / "other.png").read_text() == "another picture"
