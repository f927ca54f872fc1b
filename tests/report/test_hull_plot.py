"""The interactive plot of the hull: every crystal once, marks that differ, axes where the data are."""

import numpy as np
import pandas as pd
import pytest

from ccdcgan.columns import scheme_label
from ccdcgan.figures.energies import energy_limits
from ccdcgan.figures.style import scheme_style
from ccdcgan.report.plots import KNOWN_STYLE, SYMBOLS, hull_plot
from ccdcgan.schemes import SCHEMES
from tests.report.conftest import ELEMENTS, PAPER_SCHEMES


def test_the_hull_is_drawn_for_the_database_alone(database, candidates):
    figure = hull_plot(database, candidates.head(0), ELEMENTS, PAPER_SCHEMES, 0.15)
    names = [trace.name for trace in figure.data]
    assert any(name.startswith("database (") for name in names)
    assert not any(name.startswith(scheme_label(scheme)) for name in names for scheme in PAPER_SCHEMES)


def test_hull_of_three_elements_is_a_triangle_with_every_crystal(database, candidates):
    ternary = database.assign(formula=["MgMnO3", "MnO", "MgO"] * 16 + ["Mg", "Mn"])
    made = candidates.assign(formula="Mg2MnO4")
    figure = hull_plot(ternary, made, ("Mg", "Mn", "O"), PAPER_SCHEMES, 0.15)
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert all(trace.type == "scatterternary" for trace in figure.data)
    assert sum(len(trace.a) for trace in points) == 45 + 6  # two candidates are of two schemes, one failed
    assert np.allclose([sum(abc) for trace in points for abc in zip(trace.a, trace.b, trace.c, strict=True)], 1)


@pytest.mark.parametrize("elements", [("Bi", "Se"), ("Bi", "Se", "Te"), ("Bi", "Mn", "Se", "Te")])
def test_known_phases_are_plotted_and_join_the_hull_of_any_system(database, candidates, known, elements):
    with_known = hull_plot(database, candidates, elements, PAPER_SCHEMES, 0.15, known)
    without = hull_plot(database, candidates, elements, PAPER_SCHEMES, 0.15)
    assert {trace.name for trace in with_known.data} - {trace.name for trace in without.data} == {"known phases (3)"}
    [phases] = [trace for trace in with_known.data if trace.name == "known phases (3)"]
    assert {data[0] for data in phases.customdata} == {"oqmd-1", "oqmd-2", "oqmd-3"}
    if len(elements) == 3:
        ends = [{x for trace in f.data if trace.mode == "lines" for x in trace.a} for f in (with_known, without)]
        assert [4 / 7 in found for found in ends] == [True, False]  # tie lines to the known Bi4Se3


def test_more_elements_are_plotted_against_hull_distance(database, candidates):
    figure = hull_plot(database, candidates, ("Li", "Mg", "Mn", "O"), PAPER_SCHEMES, 0.15)
    assert figure.layout.xaxis.title.text == "hull distance (eV/atom)"


def test_no_two_schemes_share_a_marker_or_a_colour():
    styles = [scheme_style(scheme) for scheme in SCHEMES]
    assert len({colour for colour, _ in styles}) == len({marker for _, marker in styles}) == len(SCHEMES)
    symbols = {SYMBOLS[marker] for _, marker in styles}
    assert len(symbols) == len(SCHEMES) and not symbols & {"circle", KNOWN_STYLE[1].removesuffix("-open")}


def test_the_best_candidates_carry_the_numbers_of_their_cards(database, candidates):
    figure = hull_plot(database, candidates, ELEMENTS, PAPER_SCHEMES, 0.15)
    assert [note.text for note in figure.layout.annotations] == ["<b>1</b>", "<b>2</b>", "<b>3</b>"]
    first = candidates[candidates["id"] == "c0"].iloc[0]
    assert (figure.layout.annotations[0].x, figure.layout.annotations[0].y) == (0.6, first["formation_energy"])
    listed = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert "CCDCGAN (2 of 3)" in listed and len(listed) == len(set(listed))  # one entry for filled and open marks
    ternary = hull_plot(database.assign(formula="MgMnO3"), candidates.assign(formula="Mg2MnO4"), ("Mg", "Mn", "O"),
                        PAPER_SCHEMES, 0.15)  # fmt: skip
    [numbers] = [trace for trace in ternary.data if trace.mode == "text"]
    assert list(numbers.text) == ["<b>1</b>", "<b>2</b>", "<b>3</b>"]


def test_the_energy_axis_ends_where_the_data_are():
    near = np.linspace(-0.4, 0.1, 95)
    low, high = energy_limits(pd.Series([*near, *np.full(5, 3.0)]))
    assert -0.5 < low < -0.4 and 0.1 < high < 0.25
    low, high = energy_limits(pd.Series([-0.4, -0.3, -0.2]))
    assert 0 < high < 0.1 and low > -0.5  # zero is shown, but nothing far above it
