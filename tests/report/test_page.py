"""The report page shows the values of the tables, without a network and with missing tables."""

import re
from dataclasses import fields
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Structure

from ccdcgan import figures, quantities
from ccdcgan.columns import scheme_label
from ccdcgan.crystals.structures import Crystal, read_set
from ccdcgan.database.thermodynamics import hull_phases
from ccdcgan.evaluation.best import best_candidates
from ccdcgan.exports.best_candidates import write_best
from ccdcgan.figures.style import save_figure
from ccdcgan.figures.training import constraint_parity
from ccdcgan.report.candidates import candidate_rows, views
from ccdcgan.report.data import ReportData, ReportMedia, RunInfo
from ccdcgan.report.formatting import NO_BREAK, describe_phonons
from ccdcgan.report.page import LARGEST_PAGE, render_report
from ccdcgan.report.pictures import ALTERNATIVES, CAPTIONS, caption
from ccdcgan.report.plots import hull_plot
from ccdcgan.report.sentences import findings
from ccdcgan.report.tables import hull_table
from ccdcgan.representation.latent_tests import RANGE_COLUMNS, TEST_COLUMNS
from ccdcgan.utils.errors import InputError
from tests.report.conftest import ELEMENTS, PAPER_SCHEMES
from tests.support.crystals import bi2se3


class Page(HTMLParser):
    """What a page links to, its tags, and its images' alternative texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.tags, self.alts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attrs = dict(attrs)
        self.links += [attrs[name] for name in ("src", "href", "srcset", "action") if name in attrs]
        if tag == "img":
            self.alts.append(attrs.get("alt", ""))


def page_of(database, candidates, summary, losses, parity, **changes) -> str:
    run = {
        "system": "Bi-Se",
        "elements": ELEMENTS,
        "engine": "mlip (7net-0)",
        "choice": "All were relaxed.",
        "schemes": PAPER_SCHEMES,
        "provenance": {"seed": 7, "config": {"system": "Bi-Se"}, "versions": {"numpy": "2.4"}},
    }
    tables = {
        "database": database,
        "references": pd.DataFrame(
            {"element": ["Bi"], "id": ["ref-1"], "prototype": ["A_hR2"], "energy_per_atom": [-3.9123]}
        ),
        "candidates": candidates,
        "summary": summary,
        "losses": losses,
        "reconstruction": pd.DataFrame(
            {
                "id": ["a", "b", "c"],
                "split": ["train", "train", "held_out"],
                "matched": [True, True, False],
                "rms": [0.01, 0.03, np.nan],
                "reason": ["", "", "not_matched"],
                "voxels_matched": [True, True, True],
            }
        ),
        "latents": pd.DataFrame(
            [["lattice", 120, 25, -0.9, 0.8, 0.2, 0.0, 1], ["Bi", 120, 200, -1.0, 1.0, 0.3, 0.0123, 0]],
            columns=RANGE_COLUMNS,
        ),
        "latent_tests": pd.DataFrame(
            [["noise", 0.05, 100, 99, 97, 93, 0.02], ["between", 0.5, 100, 81, 40, 0, np.nan]], columns=TEST_COLUMNS
        ),
        "parity": parity,
    }
    parts = []
    for kind, default in ((RunInfo, run), (ReportData, tables), (ReportMedia, {})):
        names = {field.name for field in fields(kind)}
        parts.append(kind(**default | {name: changes.pop(name) for name in names & set(changes)}))
    assert not changes
    return render_report(*parts)


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


def test_the_hull_is_drawn_for_the_database_alone(database, candidates):
    figure = hull_plot(database, candidates.head(0), ELEMENTS, PAPER_SCHEMES, 0.15)
    names = [trace.name for trace in figure.data]
    assert any(name.startswith("database (") for name in names)
    assert not any(name.startswith(scheme_label(scheme)) for name in names for scheme in PAPER_SCHEMES)


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
    made = summary["quantity"] == quantities.IMAGES
    number = summary.loc[made & (summary["scheme"] == "dcgan"), "numerator"].iloc[0]
    idle = summary.assign(numerator=summary["numerator"].mask(made & (summary["scheme"] != "ccdcgan"), number))
    page = page_of(database, candidates, idle, losses, parity)
    text = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "DCGAN + constraint equals DCGAN and is not shown, since the screen rejected no candidate." in text
    assert text.count("DCGAN + constraint") == 1


def test_what_is_dynamically_unstable_is_said_in_the_first_line(candidates, tmp_path: Path):
    best = best_candidates(candidates)
    first, second = best["id"].tolist()[:2]
    rows = {
        "id": [first, second],
        "status": ["ok", "ok"],
        "lowest_frequency": [-0.89, -0.01],
        "dynamically_stable": [False, True],
        "first_frequency": [-0.89, -1.2],
        "n_followed": [0, 1],
        "energy_change": [0.0, -0.004],
        "becomes": ["", "oqmd-7"],
    }
    phonons = pd.DataFrame(rows)
    sentences = findings("Bi-Se", ReportData(candidates=candidates, phonons=phonons), [])
    [nearest] = [str(text) for text in sentences if "Nearest to the hull" in text]
    assert "dynamically unstable (saddle point), lowest frequency −0.89 THz" in nearest
    words = describe_phonons(phonons.iloc[1].to_dict())
    assert words.startswith("dynamically stable") and "oqmd-7" in words and "4.0 meV/atom" in words
    info = {"status": "ok", "formation_energy": -0.3, "e_above_hull": 0.01, "energy_per_atom": -4.0}
    crystals = [Crystal(name, bi2se3(), info) for name in best["id"]]
    crystals[1] = crystals[1].updated(n_followed=1, energy_change=-0.004)
    names = write_best(candidates, crystals, tmp_path, tmp_path / "best.extxyz", phonons)
    texts = [(tmp_path / names[name]).read_text() for name in (first, second)]
    assert texts[0].startswith("# dynamically unstable") and "-0.89 THz" in texts[0].splitlines()[0]
    assert "unstable" not in texts[1]
    assert len(Structure.from_str(texts[0], fmt="cif")) == len(Structure.from_str(texts[1], fmt="cif"))
    written = {crystal.id: crystal.info for crystal in read_set(tmp_path / "best.extxyz")}
    assert written[first]["dynamically_stable"] is False and written[first]["formation_energy"] == -0.3
    assert written[second]["e_above_hull"] == pytest.approx(0.006)
    shown = views(best, {c.id: c for c in crystals}, {}, [], ("Bi", "Se"), phonons=phonons)
    assert shown[0]["label"].endswith("dynamically unstable") and "unstable" not in shown[1]["label"]


def test_variants_are_named_in_the_table_and_counted_in_a_sentence(candidates):
    marked = candidates.assign(distinct_by_matcher=candidates["distinct"], variant="")
    marked.loc[marked["id"] == "c1", ["distinct", "variant"]] = [False, "db-000"]
    sentences = " ".join(map(str, findings("Bi-Se", ReportData(candidates=marked), [])))
    assert "One is a near-duplicate" in sentences
    _, rows, _ = candidate_rows(marked, [], None, None)
    [row] = [row for row in rows if row.id == "c1"]
    assert "variant of db-000" in [cell.content for cell in row.cells] and not row.best
