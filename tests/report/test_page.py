"""The report page shows the values of the tables, without a network and with missing tables."""

import re
from importlib import import_module
from pkgutil import iter_modules

import pandas as pd
import pytest

from ccdcgan import figures, quantities
from ccdcgan.database.thermodynamics import hull_phases
from ccdcgan.figures.style import save_figure
from ccdcgan.figures.training import constraint_parity
from ccdcgan.report.formatting import NO_BREAK
from ccdcgan.report.page import LARGEST_PAGE
from ccdcgan.report.pictures import ALTERNATIVES, CAPTIONS, caption
from ccdcgan.report.plots import hull_plot
from ccdcgan.report.tables import hull_table
from ccdcgan.utils.errors import InputError
from tests.report.conftest import ELEMENTS, PAPER_SCHEMES
from tests.report.pages import Page, page_of


def test_page_has_the_numbers(database, candidates, summary, losses, parity):
    page = page_of(database, candidates, summary, losses, parity, cif_paths={"c0": "cif/c 0.cif"})
    page = page.replace(NO_BREAK, " ")
    for expected in (
        "2,397 / 12,000 (20.0 %)",
        "1 / 1,200 (0.08 %)",
        "45 / 50 (90.0 %)",
        "Bi<sub>2</sub>Se<sub>3</sub>",
        "9,603",
        "2 / 2 (100.0 %)",
        "decoded to another crystal",
        "noise of 5 %",
        "93 / 100 (93.0 %)",
        "50 % of the way to another crystal",
        "1.23 %",
        "−3.9123",
        "0.998",
        "−0.013",
        "./cif/c%200.cif",
        "below the hull",
        "system: Bi-Se",
        "paper: 2,397 / 13,000 (18.4 %)",
    ):
        assert expected in page, expected
    assert "nan" not in re.sub(r"<[^>]+>", " ", page.lower()).split()


def test_known_phases_stand_in_the_page(database, candidates, summary, losses, parity, known):
    page = page_of(database, candidates, summary, losses, parity, known=known).replace(NO_BREAK, " ")
    for expected in (
        "The hull includes 3 known compounds of oqmd, relaxed with the same engine. The substitution database lacks 2",
        "Bi<sub>4</sub>Se<sub>3</sub> (R-3m, on the hull), BiSe (Fm-3m, 0.110 eV/atom above it).",
        "Compounds on the convex hull: Bi<sub>4</sub>Se<sub>3</sub>, BiSe, Bi<sub>2</sub>Se<sub>3</sub>.",
        "and 3 known compounds.",
        "Known compounds, relaxed with the same engine",
        "not relaxed: relaxation did not converge",
        "known phases (3)",
    ):
        assert expected in page, expected
    everything = known.assign(repeats="db-000")
    page = page_of(database, candidates, summary, losses, parity, known=everything)
    assert "The substitution database has all of them." in page
    page = page_of(database, candidates, summary, losses, parity)
    assert "The hull includes" not in page and "known phases (3)" not in page


def test_the_table_of_the_hull_marks_known_phases(database, known):
    rows = hull_table(hull_phases(database.assign(known=""), known), ELEMENTS).rows
    assert [row[-2:] for row in rows] == [("oqmd-1", "oqmd-1"), ("db-001", "–"), ("db-000", "–")]
    own = database.assign(known=["oqmd-3"] + [""] * 49)
    assert hull_table(hull_phases(own, known), ELEMENTS).rows[-1][-2:] == ("db-000", "oqmd-3")


def test_page_asks_no_network_and_every_image_has_a_text(database, candidates, summary, losses, parity, tmp_path):
    png, _ = save_figure(constraint_parity(parity), tmp_path / "parity")
    page = page_of(database, candidates, summary, losses, parity, figures=dict.fromkeys(ALTERNATIVES, png))
    parsed = Page(page)
    assert parsed.links and all(link.startswith(("data:", "#", "./")) for link in parsed.links)
    head = page[: page.index("</head>")]
    assert "url(" not in head and "@import" not in head and "default-src 'none'" in head
    assert not {"link", "iframe"} & set(parsed.tags)
    assert len(page) < LARGEST_PAGE
    assert len(parsed.alts) == len(ALTERNATIVES) and all(parsed.alts)
    assert parsed.tags.count("h1") == 1 and "caption" in parsed.tags and "main" in parsed.tags


def test_every_figure_has_one_caption_for_both_reports():
    assert {path.stem for path in CAPTIONS.glob("*.rst")} == set(ALTERNATIVES)
    modules = [import_module(f"ccdcgan.figures.{module.name}") for module in iter_modules(figures.__path__)]
    assert all(
        any(hasattr(module, name) for module in modules) and caption(name).endswith(".") for name in ALTERNATIVES
    )


def test_a_figure_that_is_no_png_is_refused(database, candidates, summary, losses, parity):
    with pytest.raises(InputError, match="generator_curves"):
        page_of(database, candidates, summary, losses, parity, figures={"generator_curves": b"GIF89a"})


def test_a_candidate_of_two_schemes_is_listed_once(database, candidates, summary, losses, parity):
    page = page_of(database, candidates, summary, losses, parity)
    assert page.count('data-schemes="DCGAN|DCGAN + constraint"') == 2
    assert page.count("<tr data-schemes=") == 7
    figure = hull_plot(database, candidates, ELEMENTS, PAPER_SCHEMES, 0.15)
    marks = [point[0] for trace in figure.data if trace.mode == "markers" for point in trace.customdata]
    assert sorted(name for name in marks if not name.startswith("db")) == ["c0", "c1", "c2", "d0", "d1", "d2"]


def test_the_page_states_the_reliability_of_the_candidates(database, candidates, summary, losses, parity):
    verified = pd.DataFrame(
        {
            "role": ["candidate", "candidate", "element"],
            "id": ["c0", "d0", "ref-1"],
            "formula": ["Bi2Se3", "Bi2Se3", "Bi"],
            "formation_energy": [-0.4, -0.34, 0.0],
            "verified_formation_energy": [-0.3, -0.18, 0.0],
            "e_above_hull": [-0.0125, 0.05, 0.0],
            "verified_e_above_hull": [0.1, 0.22, 0.0],
            "difference": [0.1, 0.16, 0.0],
            "volume_change": [0.02, 0.03, 0.0],
            "same_structure": [True, False, True],
            "verified_engine": "gpaw",
            "status": "ok",
            "reason": "",
        }
    )
    phonons = pd.DataFrame({"id": ["c0"], "lowest_frequency": [-1.5], "dynamically_stable": [False], "status": "ok"})
    energies = candidates["formation_energy"]
    sure = candidates.assign(e_above_hull_uncertainty=0.04, uncorrected_formation_energy=energies - 0.056)
    page = page_of(database, sure, summary, losses, parity, verified=verified, phonons=phonons).replace(NO_BREAK, " ")
    for expected in (
        "1 / 2 (50.0 %) are meta-stable with it, too",
        "differ by 0.130 eV/atom on average",
        "0 / 1 (0.0 %) without an imaginary frequency",
        "0.050 ± 0.040",
        "2 / 3 (66.7 %) stay meta-stable",
        "the mean correction of these candidates is 0.056 eV/atom",
        "For generated crystals its error is larger; the table of schemes states it.",
        "hull distance, verified (eV/atom)",
        "2.0 %",
    ):
        assert expected in page, expected
    mixed = {"energy_scheme": "MP2020 (V, O)", "uncertainty_source": "benchmark: oxides of metals with U"}
    other = page_of(database, sure.assign(**mixed), summary, losses, parity).replace(NO_BREAK, " ")
    assert "contain the corrections MP2020 (V, O) of the Materials Project" in other
    assert "from the benchmark: oxides of metals with U, known compounds of other systems" in other
    assert (
        "learned from DFT points, if there are any: 0.056 eV/atom" in other and "mean correction of these" not in other
    )
    there = verified.assign(same_structure=None, volume_change=None)
    page_there = page_of(database, sure, summary, losses, parity, verified=there).replace(NO_BREAK, " ")
    assert "gpaw computed 2 / 2 (100.0 %) of the candidates in the geometry of the first engine" in page_there
    assert "keep their structure" in page and "keep their structure" not in page_there
    assert "snakemake verified" in page_of(database, candidates, summary, losses, parity)
    assert "snakemake verified" not in page


def test_names_are_escaped(database, candidates, summary, losses, parity):
    evil = "<script>alert('1')</script>"
    candidates.loc[candidates["id"] == "c0", ["id", "formula", "space_group"]] = [evil, evil, evil]
    losses.loc[0, "reason"] = evil
    page = page_of(
        database, candidates, summary, losses, parity,
        system=evil, engine=evil, provenance={evil: evil, "config": {evil: [evil]}},
        cif_paths={evil: "//elsewhere/" + evil},
    )  # fmt: skip
    assert "<script>alert" not in page and "&lt;script" in page and "\\u003cscript" in page
    assert all(link.startswith(("#", "./")) for link in Page(page).links)


def test_the_page_of_an_empty_run_has_notes():
    nothing = pd.DataFrame()
    page = page_of(
        nothing,
        nothing,
        nothing,
        nothing,
        nothing,
        reconstruction=nothing,
        references=nothing,
        latents=nothing,
        latent_tests=nothing,
    )
    for expected in (
        "it is empty",
        "has no candidates",
        "No candidate is both",
        "not trained",
        "no crystal was",
    ):
        assert expected in page


def test_other_systems_are_not_compared_with_the_paper(database, candidates, summary, losses, parity):
    page = page_of(database, candidates, summary, losses, parity, elements=("V", "O"), engine="VASP, PBE")
    assert "<small>paper:" not in page and "not from DFT" not in page


def test_the_accuracy_of_the_constraint_is_shown_if_it_was_measured(database, candidates, summary, losses, parity):
    rows = [("random", "constraint", 0.031), ("prototype", "constraint", 0.042), ("random", "gradient boosting", 0.033)]
    metrics = pd.DataFrame(rows, columns=["held_out_by", "method", "mae"]).assign(split="held_out", n=18, r2=0.9)
    metrics = pd.concat([metrics, metrics.assign(split="train", mae=0.001)])
    page = page_of(database, candidates, summary, losses, parity, constraint_metrics=metrics)
    assert "Constraint and baselines" in page and "0.0420" in page and "gradient boosting" in page
    assert "0.0010" not in page
    assert "Constraint and baselines" not in page_of(database, candidates, summary, losses, parity)


def test_a_screen_that_rejected_nothing_gets_one_sentence(database, candidates, summary, losses, parity):
    page = page_of(database, candidates, summary, losses, parity)
    assert "DCGAN + constraint" in page and "the screen rejected no candidate" not in page
    made = summary["quantity"] == quantities.SUCCESS_RATE
    number = summary.loc[made & (summary["scheme"] == "dcgan"), "numerator"].iloc[0]
    idle = summary.assign(numerator=summary["numerator"].mask(made & (summary["scheme"] != "ccdcgan"), number))
    page = page_of(database, candidates, idle, losses, parity)
    text = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "DCGAN + constraint equals DCGAN and is not shown, since the screen rejected no candidate." in text
    assert text.count("DCGAN + constraint") == 1
