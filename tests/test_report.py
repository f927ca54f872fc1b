"""The figures draw what the tables hold, and the page says it, without a network and whatever is missing."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pymatgen.core import Lattice, Structure

from ccdcgan import columns, figures
from ccdcgan.errors import InputError
from ccdcgan.funnel import funnels
from ccdcgan.metrics import parity_metrics, summarise
from ccdcgan.neighbours import nearest_known
from ccdcgan.report import FIGURES, LARGEST_PAGE, render_report
from ccdcgan.report_plots import hull_plot
from ccdcgan.report_provenance import rule_times
from ccdcgan.report_tables import PAPER, best_candidates
from ccdcgan.structures import Crystal

PAPER_SCHEMES = ("dcgan", "dcgan+constraint", "ccdcgan")
ELEMENTS = ("Bi", "Se")
FORMULAS = {0.2: "Bi4Se", 0.5: "BiSe", 0.6: "Bi2Se3", 0.75: "BiSe3"}


def hull(fraction):
    return np.interp(fraction, [0, 0.5, 0.6, 1], [0, -0.24, -0.39, 0])


@pytest.fixture
def database() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    fraction = np.array([0.6, 0.5, *rng.choice(list(FORMULAS), 48)])
    distance = np.array([0, 0, *rng.gamma(2, 0.1, 48)])
    frame = pd.DataFrame(
        {
            "id": [f"db-{i:03d}" for i in range(50)],
            "formula": [FORMULAS[x] for x in fraction],
            "fraction": fraction,
            "formation_energy": hull(fraction) + distance,
            "e_above_hull": distance,
            "status": "ok",
            "reason": "",
        }
    )
    failed = frame.index[-5:]
    frame.loc[failed, ["status", "reason"]] = ["failed", "not_converged"]
    frame.loc[failed, ["formation_energy", "e_above_hull"]] = np.nan
    return frame


@pytest.fixture
def candidates() -> pd.DataFrame:
    """Four of dcgan, two of which passed the screen, and three of ccdcgan, one below the hull."""
    rows = [
        ("dcgan", "d0", 0.6, 0.05, True, "stable", "R-3m"),
        ("dcgan", "d1", 0.2, 0.12, True, "unstable", "P1"),
        ("dcgan", "d2", 0.5, 0.11, False, "meta-stable", "C2/m"),
        ("dcgan", "d3", 0.5, np.nan, None, "", None),
        ("dcgan+constraint", "d0", 0.6, 0.05, True, "stable", "R-3m"),
        ("dcgan+constraint", "d2", 0.5, 0.11, False, "meta-stable", "C2/m"),
        ("ccdcgan", "c0", 0.6, -0.0125, True, "stable", "R-3m"),
        ("ccdcgan", "c1", 0.75, 0.149, True, "meta-stable", "Pnma"),
        ("ccdcgan", "c2", 0.2, 0.4, True, "unstable", "P1"),
    ]
    names = ["scheme", "id", "fraction", "e_above_hull", "distinct", "stability", "space_group"]
    frame = pd.DataFrame(rows, columns=names)
    frame["formula"] = frame["fraction"].map(FORMULAS)
    frame["formation_energy"] = hull(frame["fraction"]) + frame["e_above_hull"]
    frame["status"] = np.where(frame["formation_energy"].notna(), "ok", "failed")
    frame["reason"] = np.where(frame["formation_energy"].notna(), "", "wall_clock")
    return frame.assign(known="", repaired="", rmsd=0.2)


@pytest.fixture
def summary(candidates) -> pd.DataFrame:
    made = {"dcgan": 2397, "dcgan+constraint": 1998, "ccdcgan": 3106}
    rows = []
    for scheme, n in made.items():
        sent = candidates[candidates["scheme"] == scheme].assign(distinct=lambda f: columns.is_true(f["distinct"]))
        rows += [{"scheme": scheme} | row for row in summarise(sent, 12000, n, 1200, 0.1)]
    return pd.DataFrame(rows)


@pytest.fixture
def losses() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "scheme": ["dcgan", "ccdcgan", "dcgan"],
            "reason": ["too_close", "too_close", "wall_clock"],
            "count": [9603, 8894, 1],
        }
    )


@pytest.fixture
def parity() -> pd.DataFrame:
    true = np.array([-0.4, -0.2, 0.0, 0.2, -0.3, 0.1])
    error = np.array([0.01, -0.01, 0.01, -0.01, 0.1, 0.1])
    split = ["train"] * 4 + ["held_out"] * 2
    return pd.DataFrame({"id": list("abcdef"), "split": split, "formation_energy": true, "predicted": true + error})


def history(n: int = 300) -> pd.DataFrame:
    step = np.arange(1, n + 1)
    names = ["d_loss_real", "d_loss_fake", "d_accuracy", "g_loss", "constraint_term"]
    return pd.DataFrame({"step": step} | {name: 0.5 + 0.1 * np.sin(step + i) for i, name in enumerate(names)})


def graphs(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, 28, 28, 1)).astype(np.float32)


def texts(figure: Figure) -> str:
    """Return all words of a figure, drawn once so that a mistake in a label shows."""
    figure.canvas.draw()
    found = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(found)


def n_points(axes) -> list[int]:
    return [len(points.get_offsets()) for points in axes.collections if hasattr(points, "get_offsets")]


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
    settings = {
        "system": "Bi-Se",
        "elements": ELEMENTS,
        "engine": "mlip (7net-0)",
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
        "parity": parity,
        "figures": {},
        "provenance": {"seed": 7, "config": {"system": "Bi-Se"}, "versions": {"numpy": "2.4"}},
    }
    return render_report(**(settings | changes))


def test_hull_vertices_are_the_compounds_on_the_hull(database):
    vertices = figures.hull_vertices(database)
    assert list(vertices["formula"]) == ["BiSe", "Bi2Se3"]
    assert list(vertices["id"]) == ["db-001", "db-000"]


def test_every_crystal_with_an_energy_is_a_point_and_hull_vertices_are_named(database, candidates):
    figure = figures.formation_energies(database, candidates, ELEMENTS, PAPER_SCHEMES)
    panels = figure.axes
    assert [axes.get_title() for axes in panels] == ["DCGAN", "DCGAN + constraint", "CCDCGAN"]
    assert [n_points(axes) for axes in panels] == [[45, 3, 1], [45, 2, 1], [45, 3, 2]]
    words = texts(figure)
    assert "Bi$_{2}$Se$_{3}$" in words and "BiSe" in words and "atomic fraction of Se" in words
    assert "formation energy (eV/atom)" in words
    hidden = re.search(r"↑ (\d+) above", words)
    high = pd.concat([database["formation_energy"], candidates["formation_energy"]]) > panels[0].get_ylim()[1]
    assert high.sum() == 0 or hidden


def test_more_than_two_elements_are_drawn_against_hull_distance(database, candidates):
    figure = figures.formation_energies(database, candidates, ("Mg", "Mn", "O"), ("ccdcgan",))
    assert figure.axes[0].get_xlabel() == "hull distance (eV/atom)"
    assert n_points(figure.axes[0])[:3] == [45, 3, 2]


def test_histogram_bars_are_shares_that_sum_to_one_hundred(database, candidates):
    figure = figures.energy_histograms(database, candidates, PAPER_SCHEMES)
    for axes in figure.axes:
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(100)
    assert "Database (n = 45)" in texts(figure)


def test_parity_metrics_by_hand(parity):
    train, held_out = parity_metrics(parity).to_dict("records")
    assert (train["n"], held_out["n"]) == (4, 2)
    assert train["mae"] == pytest.approx(0.01) and train["r2"] == pytest.approx(1 - 4e-4 / 0.2)
    assert held_out["mae"] == pytest.approx(0.1) and held_out["r2"] == pytest.approx(1 - 0.02 / 0.08)
    assert held_out["baseline_mae"] == pytest.approx(0.2)
    words = texts(figures.constraint_parity(parity))
    assert "R² = 0.998, MAE = 0.010 eV/atom" in words and "held out (n = 2)" in words


def test_parity_without_held_out_crystals_says_so(parity):
    figure = figures.constraint_parity(parity[parity["split"] == "train"])
    assert "held out: no crystals" in texts(figure)


def test_latent_map_projects_onto_the_database_and_has_one_sign():
    database, generated = graphs(40), graphs(30, 1)
    figure = figures.latent_map(database, {"dcgan": generated, "ccdcgan": graphs(0)})
    assert n_points(figure.axes[0]) == [40, 30]
    assert "no candidates" in texts(figure)
    mean, axes, shares = figures.principal_axes(database)
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-9)
    assert shares[0] >= shares[1] > 0
    np.testing.assert_allclose(figures.principal_axes(database[::-1])[1], axes, atol=1e-6)
    many = graphs(30).reshape(-1, 2, 2, 1)  # more crystal graphs than latents
    wide = figures.principal_axes(many)
    flat = many.reshape(-1, 4) - wide[0]
    np.testing.assert_allclose(((flat @ wide[1].T) ** 2).sum(0) / (flat**2).sum(), wide[2], rtol=1e-6)
    for n in (1, 2):
        assert texts(figures.latent_map(graphs(n), {"dcgan": graphs(1)}))
    projected = (database.reshape(40, -1) - mean) @ axes.T
    np.testing.assert_allclose(figure.axes[0].collections[0].get_offsets(), projected, atol=1e-9)


def test_learning_curves_show_the_all_zero_output():
    steps = np.arange(1, 5) * 500
    curve = pd.DataFrame(
        {
            "step": steps,
            "loss": 1.0 / steps,
            "loss_all_zero": 0.1,
            "held_out_loss": "",
            "held_out_all_zero": "",
        }
    )
    figure = figures.learning_curves(curve, curve.iloc[:0])
    words = texts(figure)
    assert "all-zero output, training" in words and "no crystals held out" in words
    assert "no training steps recorded" in words
    assert len(figure.axes[0].lines) == 2


def test_generator_curves_of_each_scheme():
    plain = history().assign(constraint_term=0.0)
    figure = figures.generator_curves({"dcgan": plain, "ccdcgan": history()}, "exp")
    words = texts(figure)
    assert "not in this scheme's loss" in words and "(no unit)" in words and len(figure.axes) == 8
    assert "not probed" in words


def test_curves_of_a_scheme_without_a_discriminator():
    flow = pd.DataFrame({"step": [50, 100], "loss": [1.0, 0.5], "success_rate": [np.nan, 0.7]})
    figure = figures.generator_curves({"flow": flow})
    losses, _, _, probe = figure.axes
    assert list(losses.lines[0].get_ydata()) == [1.0, 0.5]
    assert list(probe.lines[0].get_ydata()) == [70.0]
    assert "no discriminator" in texts(figure)


def test_examples_are_the_lowest_of_different_compositions(database):
    chosen = figures.choose_examples(database, list(database["id"]))
    assert chosen[:2] == ["db-000", "db-001"]
    assert database.set_index("id").loc[chosen, "formula"].nunique() == 4


def test_examples_show_the_crystal_beside_its_graph():
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.9), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystal = Crystal("a", structure, {"formation_energy": -0.1606})
    picture = graphs(1)
    figure = figures.example_crystals([crystal], picture, ELEMENTS, latent_sites=200)
    assert "−0.161 eV/atom" in texts(figure)
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), picture[0, ..., 0])
    # 4 Bi on corners and faces become 14, 4 Se on edges and in the middle 13
    circles = [patch for patch in figure.axes[0].patches if hasattr(patch, "get_radius")]
    assert len(circles) == 27


def test_losses_count_every_stage(summary, losses):
    stages = figures.stage_counts(summary)
    dcgan = stages[stages["scheme"] == "dcgan"].set_index("stage")["count"]
    assert list(dcgan) == [12000, 2397, 4, 3, 2, 2, 1]
    words = texts(figures.losses_by_reason(summary, losses))
    assert "9,603" in words and "2,397" in words and "two atoms too close" in words


def test_everything_empty_still_gives_figures_that_say_so(tmp_path):
    nothing = pd.DataFrame()
    drawn = [
        figures.formation_energies(nothing, nothing, ELEMENTS),
        figures.formation_energies(nothing, nothing, ("Mg", "Mn", "O")),
        figures.energy_histograms(nothing, nothing),
        figures.losses_by_reason(nothing, nothing),
        figures.learning_curves(nothing, nothing),
        figures.example_crystals([], graphs(0), ELEMENTS),
        figures.latent_map(graphs(0), {}),
        figures.constraint_parity(nothing),
        figures.generator_curves({}),
    ]
    for figure in drawn:
        assert re.search(r"\b(no|nothing)\b", texts(figure))
    assert figures.choose_examples(nothing, []) == []


def test_saved_figures_are_the_same_each_time(tmp_path, parity):
    first = figures.save_figure(figures.constraint_parity(parity), tmp_path / "a" / "parity.v1")
    second = figures.save_figure(figures.constraint_parity(parity), tmp_path / "b" / "parity.v1")
    assert [path.name for path in first] == ["parity.v1.png", "parity.v1.pdf"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(list((tmp_path / "a").iterdir())) == 2


def test_best_candidates_are_listed_once_nearest_first(candidates):
    best = best_candidates(candidates)
    assert list(best["id"]) == ["c0", "d0", "c1"]
    assert list(best["scheme"]) == ["CCDCGAN", "DCGAN, DCGAN + constraint", "CCDCGAN"]


def test_page_has_the_numbers(database, candidates, summary, losses, parity):
    page = page_of(database, candidates, summary, losses, parity, cif_paths={"c0": "cif/c 0.cif"})
    for expected in (
        "2,397 / 12,000 (20.0 %)",
        "1 / 1,200 (0.08 %)",
        "45 / 50 (90.0 %)",
        "Bi<sub>2</sub>Se<sub>3</sub>",
        "9,603",
        "2 / 2 (100.0 %)",
        "another crystal came back",
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


def test_page_asks_no_network_and_every_image_has_a_text(database, candidates, summary, losses, parity, tmp_path):
    png, _ = figures.save_figure(figures.constraint_parity(parity), tmp_path / "parity")
    page = page_of(database, candidates, summary, losses, parity, figures=dict.fromkeys(FIGURES, png))
    parsed = Page(page)
    assert parsed.links and all(link.startswith(("data:", "#", "./")) for link in parsed.links)
    head = page[: page.index("</head>")]
    assert "url(" not in head and "@import" not in head and "default-src 'none'" in head
    assert not {"link", "iframe"} & set(parsed.tags)
    assert len(page) < LARGEST_PAGE
    assert len(parsed.alts) == len(FIGURES) and all(parsed.alts)
    assert parsed.tags.count("h1") == 1 and "caption" in parsed.tags and "main" in parsed.tags


def test_funnel_loses_at_every_stage_what_the_stage_above_has_more(candidates, summary):
    made = summary[summary["quantity"] == columns.IMAGES].set_index("scheme")
    missing = (made["denominator"] - made["numerator"]).astype(int)
    failed = pd.DataFrame({"scheme": ["dcgan"], "reason": ["wall_clock"], "count": [1]})
    losses = pd.DataFrame({"scheme": missing.index, "reason": "too_close", "count": missing.to_numpy()})
    found = funnels(summary, pd.concat([losses, failed]), candidates, 0.15)
    assert list(found) == list(PAPER_SCHEMES)
    for stages in found.values():
        for above, stage in zip(stages, stages[1:], strict=False):
            assert above.left - stage.left == sum(count for _, count in stage.lost)
    assert found["dcgan"][3].lost == (("relaxation took too long", 1),)


def test_nearest_known_structure_is_of_the_same_kind_whatever_cell_and_origin():
    rocksalt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.9), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])
    other = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.7), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])
    known = [Crystal("cscl", other, {"status": "ok"}), Crystal("nacl", rocksalt, {"status": "ok"})]
    moved = rocksalt.get_primitive_structure().scale_lattice(50.0)
    moved.translate_sites(range(len(moved)), [0.1, 0.2, 0.3])
    nearest, unlike = nearest_known(moved, known, ELEMENTS)
    assert nearest.id == "nacl" and unlike == pytest.approx(0, abs=1e-6)
    assert nearest_known(moved, known[:1], ELEMENTS)[1] > 0.05
    assert nearest_known(moved, [], ELEMENTS) is None


def test_hull_of_three_elements_is_a_triangle_with_every_crystal(database, candidates):
    ternary = database.assign(formula=["MgMnO3", "MnO", "MgO"] * 16 + ["Mg", "Mn"])
    made = candidates.assign(formula="Mg2MnO4")
    figure = hull_plot(ternary, made, ("Mg", "Mn", "O"), PAPER_SCHEMES, 0.15)
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert all(trace.type == "scatterternary" for trace in figure.data)
    assert sum(len(trace.a) for trace in points) == 45 + 8
    assert np.allclose([sum(abc) for trace in points for abc in zip(trace.a, trace.b, trace.c, strict=True)], 1)


def test_more_elements_are_plotted_against_hull_distance(database, candidates):
    figure = hull_plot(database, candidates, ("Li", "Mg", "Mn", "O"), PAPER_SCHEMES, 0.15)
    assert figure.layout.xaxis.title.text == "hull distance (eV/atom)"


def test_times_of_rules_are_summed_over_their_jobs(tmp_path):
    (tmp_path / "relax").mkdir()
    head = "s\th:m:s\tmax_rss\tcpu_time\n"
    (tmp_path / "relax/000.tsv").write_text(head + "60\t0:01:00\t500\t30\n")
    (tmp_path / "relax/001.tsv").write_text(head + "120\t0:02:00\t700\t-\n")
    rows = rule_times(tmp_path).rows
    assert rows == [("relax", "2", "3.0", "0.5", "700"), ("all", "2", "3.0", "0.5", "700")]


def test_figures_have_captions_under_the_names_of_their_functions():
    assert all(hasattr(figures, name) for name in FIGURES)


def test_a_figure_that_is_no_png_is_refused(database, candidates, summary, losses, parity):
    with pytest.raises(InputError, match="generator_curves"):
        page_of(database, candidates, summary, losses, parity, figures={"generator_curves": b"GIF89a"})


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


def test_page_of_an_empty_run_says_so():
    nothing = pd.DataFrame()
    page = page_of(nothing, nothing, nothing, nothing, nothing, reconstruction=nothing, references=nothing)
    for expected in (
        "it is empty",
        "gave no candidates",
        "No candidate is both",
        "not trained",
        "no crystal was",
    ):
        assert expected in page


def test_other_systems_are_not_compared_with_the_paper(database, candidates, summary, losses, parity):
    page = page_of(database, candidates, summary, losses, parity, elements=("V", "O"), engine="VASP, PBE")
    assert "<small>paper:" not in page and "not from DFT" not in page


def test_paper_ratios_are_the_paper_s():
    share = {key: numerator / denominator for key, (numerator, denominator) in PAPER.items()}
    assert share[columns.IMAGES, "ccdcgan"] == pytest.approx(0.239, abs=5e-4)
    assert share[columns.DISTINCT_META_STABLE, "dcgan+constraint"] == pytest.approx(0.0175, abs=5e-5)


def test_quantities_are_those_of_the_summary(summary):
    asked = {quantity for quantity, _ in PAPER} | {columns.RELAXED, columns.MEAN_ENERGY}
    assert asked <= set(summary["quantity"])
