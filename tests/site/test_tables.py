"""All tables of a run are documented, and their contents are consistent."""

import pandas as pd
import pytest

from ccdcgan import columns, quantities
from ccdcgan.reasons import REPEAT
from ccdcgan.utils.files import TEXT_COLUMNS, read_csv
from ccdcgan.utils.tables import is_true
from tables_page import PAGE, TABLES, tables_page
from tests.conftest import Workflow

WITHOUT_A_MEANING = {"outcome", "engine", "role", "label", "supercell"}
"""Columns of text that are not in COLUMNS, so the page does not describe them."""
WITHOUT_DIGITS = {"element", "latent", "pair", "quantity", "split", "test", "voxels_reason"}
"""Columns of names and reasons that never look like numbers; pandas reads them as text."""


def test_columns_of_text_are_read_as_text():
    text = {name for name, column in columns.COLUMNS.items() if column.kind == "text"}
    assert {column.kind for column in columns.COLUMNS.values()} == {"text", "number", "count", "flag"}
    assert not WITHOUT_A_MEANING & set(columns.COLUMNS) and text >= WITHOUT_DIGITS
    assert (text - WITHOUT_DIGITS) | WITHOUT_A_MEANING == TEXT_COLUMNS


def test_page_of_the_tables_is_current():
    assert PAGE.read_text(encoding="utf-8") == tables_page(), "run make docs"


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"scatter.csv"}))  # which only runs with other_seeds have
def test_every_column_is_documented(toy_run: Workflow, name: str):
    header = pd.read_csv(toy_run.folder / "results/toy" / name.format(round="round-1"), nrows=0)
    assert set(header) <= set(columns.COLUMNS)


def test_summary_and_losses_agree_with_the_candidates(toy_run: Workflow):
    results = toy_run.folder / "results/toy"
    candidates = read_csv(results / "candidates/candidates.csv")
    summary = read_csv(results / "summary.csv").set_index(["scheme", "quantity"])
    losses = read_csv(results / "candidates/losses.csv")
    assert set(summary.index.get_level_values("scheme")) == set(candidates["scheme"])
    for scheme, sent in candidates.groupby("scheme"):
        ratios = {quantity: tuple(summary.loc[(scheme, quantity), ["numerator", "denominator"]]) for quantity in (
            quantities.SUCCESS_RATE, quantities.RELAXED, quantities.NEGATIVE, quantities.META_STABLE, quantities.STABLE,
            quantities.DISTINCT, quantities.DISTINCT_META_STABLE, quantities.DISTINCT_STABLE,
        )}  # fmt: skip
        relaxed = sent[sent["status"] == "ok"]
        stable, meta = relaxed["stability"] == "stable", relaxed["stability"].isin(["stable", "meta-stable"])
        distinct = is_true(relaxed["distinct"])
        assert ratios[quantities.RELAXED] == (len(relaxed), len(sent))
        assert ratios[quantities.NEGATIVE] == ((relaxed["formation_energy"] < 0).sum(), len(relaxed))
        assert ratios[quantities.META_STABLE] == (meta.sum(), len(relaxed))
        assert ratios[quantities.STABLE] == (stable.sum(), len(relaxed))
        assert ratios[quantities.DISTINCT] == (distinct.sum(), len(relaxed))
        assert ratios[quantities.DISTINCT_META_STABLE] == ((distinct & meta).sum(), len(sent))
        assert ratios[quantities.DISTINCT_STABLE] == ((distinct & stable).sum(), len(sent))
        made, samples = ratios[quantities.SUCCESS_RATE]
        own = losses[losses["scheme"] == scheme]
        repeats = own.loc[own["reason"] == REPEAT, "count"].sum()  # of the database or a known phase, not relaxed
        assert own["count"].sum() == samples - made + repeats + len(sent) - len(relaxed)
