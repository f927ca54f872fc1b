"""The figures show the numbers of the tables, or a note for an empty table."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from pymatgen.core import Lattice, Structure

from ccdcgan.columns import scheme_label
from ccdcgan.crystals.structures import Crystal
from ccdcgan.database.thermodynamics import hull_vertices
from ccdcgan.evaluation.attrition import stage_counts
from ccdcgan.evaluation.constraint_accuracy import parity_metrics
from ccdcgan.figures.attrition import losses_by_reason
from ccdcgan.figures.crystals import choose_examples, example_crystals
from ccdcgan.figures.discovery import discovery_curves
from ccdcgan.figures.energies import energy_histograms, formation_energies
from ccdcgan.figures.latent import latent_map, principal_axes
from ccdcgan.figures.reconstruction import reconstruction_examples
from ccdcgan.figures.style import save_figure
from ccdcgan.figures.training import constraint_parity, generator_curves, learning_curves
from ccdcgan.representation.reconstruction_examples import Examples, load_examples, save_examples
from ccdcgan.representation.reconstruction_examples import choose_examples as choose_reconstructions
from ccdcgan.schemes import SCHEMES
from tests.report.conftest import ELEMENTS, PAPER_SCHEMES


def history(n: int = 300) -> pd.DataFrame:
    step = np.arange(1, n + 1)
    names = ["d_loss_real", "d_loss_fake", "d_accuracy", "g_loss", "constraint_term"]
    return pd.DataFrame({"step": step} | {name: 0.5 + 0.1 * np.sin(step + i) for i, name in enumerate(names)})


def graphs(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, 28, 28, 1)).astype(np.float32)


def texts(figure: Figure) -> str:
    """Return all texts of a figure, which is drawn once so that invalid labels raise an error."""
    figure.canvas.draw()
    found = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(found)


def n_points(axes) -> list[int]:
    return [len(points.get_offsets()) for points in axes.collections if hasattr(points, "get_offsets")]


def test_hull_vertices_are_the_compounds_on_the_hull(database):
    vertices = hull_vertices(database)
    assert list(vertices["formula"]) == ["BiSe", "Bi2Se3"]
    assert list(vertices["id"]) == ["db-001", "db-000"]


def test_every_crystal_with_an_energy_is_a_point_and_hull_vertices_are_named(database, candidates):
    figure = formation_energies(database, candidates, ELEMENTS, PAPER_SCHEMES)
    panels = figure.axes
    titles = [axes.get_title().split("\n") for axes in panels]
    assert [name for name, _ in titles] == ["DCGAN", "DCGAN + constraint", "CCDCGAN"]
    assert titles[2][1] == "2 of 3 distinct meta-stable"
    assert [n_points(axes)[:3] for axes in panels] == [[45, 3, 1], [45, 2, 1], [45, 3, 2]]
    words = texts(figure)
    assert "Bi$_{2}$Se$_{3}$" in words and "BiSe" in words and "atomic fraction of Se" in words
    assert "formation energy (eV/atom)" in words
    hidden = re.search(r"↑ (\d+) above", words)
    high = pd.concat([database["formation_energy"], candidates["formation_energy"]]) > panels[0].get_ylim()[1]
    assert high.sum() == 0 or hidden


def test_known_phases_have_their_own_marker_and_join_the_hull(database, candidates, known):
    figure = formation_energies(database, candidates, ELEMENTS, ("ccdcgan",), known=known)
    axes = figure.axes[0]
    assert n_points(axes)[:4] == [45, 3, 3, 2]
    words = texts(figure)
    assert "known phases (n = 3)" in words and "Bi$_{4}$Se$_{3}$" in words
    hull = next(line for line in axes.lines if line.get_label() == "convex hull")
    assert len(hull.get_xdata()) == 5  # both elements, BiSe, Bi2Se3 and the known Bi4Se3
    figure = formation_energies(database, candidates, ("Mg", "Bi", "Se"), ("ccdcgan",), known=known)
    assert n_points(figure.axes[0])[:4] == [45, 3, 3, 2]


def test_more_than_two_elements_are_drawn_against_hull_distance(database, candidates):
    figure = formation_energies(database, candidates, ("Mg", "Mn", "O"), ("ccdcgan",))
    assert figure.axes[0].get_xlabel() == "hull distance (eV/atom)"
    assert n_points(figure.axes[0])[:3] == [45, 3, 2]


@pytest.mark.parametrize("n", [1, 3, 8])
def test_figures_are_as_wide_as_a_page_for_any_number_of_schemes(database, candidates, summary, losses, n):
    schemes = [*SCHEMES][:n]
    drawn = [
        formation_energies(database, candidates, ELEMENTS, schemes),
        latent_map(graphs(5), dict.fromkeys(schemes, graphs(3))),
        losses_by_reason(summary, losses, schemes),
        generator_curves(dict.fromkeys(schemes, history(4))),
        energy_histograms(database, candidates, schemes),
    ]
    for figure in drawn:
        words = texts(figure)
        assert figure.get_size_inches()[0] <= 7.3 and figure.get_size_inches()[1] <= 14
        for legend in figure.legends:
            left, _, right, _ = legend.get_window_extent(figure.canvas.get_renderer()).extents
            assert right - left <= figure.bbox.width
        assert all(scheme_label(scheme) in words for scheme in schemes)


def test_examples_of_reconstruction_are_the_best_a_typical_one_and_the_worst(tmp_path):
    table = pd.DataFrame(
        {
            "id": list("abcdefg"),
            "split": ["train", "held_out", "train", "train", "held_out", "train", "train"],
            "matched": [True, True, True, True, False, False, False],
            "rms": [0.02, 0.01, 0.03, 0.04, np.nan, np.nan, np.nan],
            "sites_error": [1e-4, 1e-4, 2e-4, 2e-4, 3e-4, 9e-4, np.nan],
            "reason": ["", "", "", "", "not_matched", "missing_element", "outside_box"],
        }
    )
    roles = choose_reconstructions(table)
    assert roles == {"best": "b", "typical": "d", "typical of those held out": "e", "worst": "f"}
    assert choose_reconstructions(table[:1]) == {"best": "a"} and choose_reconstructions(table[:0]) == {}
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.9), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])
    shown = [Crystal(name, salt, {"side": "before"}) for name in roles.values()]
    shown += [Crystal(name, salt, {"side": "after"}) for name in "bde"]
    slices = np.random.default_rng(0).uniform(size=(4, 2, 2, 8, 8)).astype(np.float32)
    names = np.array(list(roles.values())), np.array(list(roles))
    save_examples(
        tmp_path / "a.npz", tmp_path / "a.extxyz", Examples(*names, slices[:, :, 0], slices, ELEMENTS, 13.0, shown)
    )
    examples = load_examples(tmp_path / "a.npz", tmp_path / "a.extxyz")
    figure = reconstruction_examples(examples, table)
    words = texts(figure)
    assert "best (held out)\nreconstructed, rms 0.0100" in words
    assert "worst (training)\nnot reconstructed: an element is missing" in words and words.count("no crystal") == 1
    pictures = [axes.images[0].get_array() for axes in figure.findobj(lambda artist: getattr(artist, "images", None))]
    assert len(pictures) == 4 * 2 * 3
    assert any(np.array_equal(picture, slices[3, 1, 1].T) for picture in pictures)


def test_histogram_bars_are_shares_that_sum_to_one_hundred(database, candidates):
    figure = energy_histograms(database, candidates, PAPER_SCHEMES)
    for axes in figure.axes:
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(100)
    assert "Database (n = 45)" in texts(figure)


def test_parity_metrics_by_hand(parity):
    train, held_out = parity_metrics(parity).to_dict("records")
    assert (train["n"], held_out["n"]) == (4, 2)
    assert train["mae"] == pytest.approx(0.01) and train["r2"] == pytest.approx(1 - 4e-4 / 0.2)
    assert held_out["mae"] == pytest.approx(0.1) and held_out["r2"] == pytest.approx(1 - 0.02 / 0.08)
    assert held_out["baseline_mae"] == pytest.approx(0.2)
    words = texts(constraint_parity(parity))
    assert "R² = 0.998, MAE = 0.010 eV/atom" in words and "held out (n = 2)" in words


def test_parity_without_held_out_crystals_has_a_note(parity):
    figure = constraint_parity(parity[parity["split"] == "train"])
    assert "held out: no crystals" in texts(figure)


def test_latent_map_projects_onto_the_database_and_has_one_sign():
    database, generated = graphs(40), graphs(30, 1)
    figure = latent_map(database, {"dcgan": generated, "ccdcgan": graphs(0)})
    assert n_points(figure.axes[0]) == [40, 30]
    assert "no candidates" in texts(figure)
    mean, axes, shares = principal_axes(database)
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-9)
    assert shares[0] >= shares[1] > 0
    np.testing.assert_allclose(principal_axes(database[::-1])[1], axes, atol=1e-6)
    many = graphs(30).reshape(-1, 2, 2, 1)  # more crystal graphs than latents
    wide = principal_axes(many)
    flat = many.reshape(-1, 4) - wide[0]
    np.testing.assert_allclose(((flat @ wide[1].T) ** 2).sum(0) / (flat**2).sum(), wide[2], rtol=1e-6)
    for n in (1, 2):
        assert texts(latent_map(graphs(n), {"dcgan": graphs(1)}))
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
    figure = learning_curves(curve, curve.iloc[:0])
    words = texts(figure)
    assert "all-zero output, training" in words and "no crystals held out" in words
    assert "no training steps recorded" in words
    assert len(figure.axes[0].lines) == 2


def test_generator_curves_of_each_scheme():
    plain = history().assign(constraint_term=0.0)
    figure = generator_curves({"dcgan": plain, "ccdcgan": history()}, "exp")
    words = texts(figure)
    assert "not in this\nscheme's loss" in words and "(no unit)" in words and len(figure.axes) == 8
    assert "not probed" in words


def test_curves_of_a_scheme_without_a_discriminator():
    flow = pd.DataFrame({"step": [50, 100], "loss": [1.0, 0.5], "success_rate": [np.nan, 0.7]})
    figure = generator_curves({"flow": flow})
    losses, _, _, probe = figure.axes
    assert list(losses.lines[0].get_ydata()) == [1.0, 0.5]
    assert list(probe.lines[0].get_ydata()) == [70.0]
    assert "no discriminator" in texts(figure)


def test_examples_are_the_lowest_of_different_compositions(database):
    chosen = choose_examples(database, list(database["id"]))
    assert chosen[:2] == ["db-000", "db-001"]
    assert database.set_index("id").loc[chosen, "formula"].nunique() == 4


def test_examples_show_the_crystal_beside_its_graph():
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.9), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystal = Crystal("a", structure, {"formation_energy": -0.1606})
    picture = graphs(1)
    figure = example_crystals([crystal], picture, ELEMENTS, latent_sites=200)
    assert "−0.161 eV/atom" in texts(figure)
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), picture[0, ..., 0])
    # 4 Bi on corners and faces become 14, 4 Se on edges and in the middle 13
    circles = [patch for patch in figure.axes[0].patches if hasattr(patch, "get_radius")]
    assert len(circles) == 27


def test_losses_count_every_stage(summary, losses):
    stages = stage_counts(summary)
    dcgan = stages[stages["scheme"] == "dcgan"].set_index("stage")["count"]
    assert list(dcgan) == [12000, 2397, 4, 3, 2, 2, 1]
    words = texts(losses_by_reason(summary, losses))
    assert "9,603" in words and "2,397" in words and "two atoms too close" in words


def test_discovery_curves_count_finds_in_the_order_of_relaxation(candidates):
    figure = discovery_curves(candidates, ("dcgan", "ccdcgan", "random"))
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["DCGAN"].get_ydata().tolist() == [0, 1, 1, 1, 1]
    assert lines["CCDCGAN"].get_ydata().tolist() == [0, 1, 2, 2]
    words = texts(figure)
    assert "DCGAN (1 of 4)" in words and "CCDCGAN (2 of 3)" in words and "random" not in words


def test_names_at_the_ends_of_discovery_curves_do_not_overlap():
    names = [name for name in SCHEMES if SCHEMES[name].family != "screen"]
    rows = pd.concat([pd.DataFrame({"scheme": name, "distinct": True, "stability": ["stable"] * 5}) for name in names])
    figure = discovery_curves(rows, names)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    boxes = [Text.get_window_extent(note, renderer) for note in figure.axes[0].texts]
    boxes.sort(key=lambda box: box.y0)
    assert len(boxes) == len(names)
    assert all(low.y1 <= high.y0 + 1 for low, high in zip(boxes, boxes[1:], strict=False))
    assert all(box.y0 >= 0 and box.y1 <= figure.bbox.height for box in boxes)


def test_empty_tables_give_figures_with_a_note(tmp_path):
    nothing = pd.DataFrame()
    drawn = [
        formation_energies(nothing, nothing, ELEMENTS),
        formation_energies(nothing, nothing, ("Mg", "Mn", "O")),
        energy_histograms(nothing, nothing),
        discovery_curves(nothing),
        losses_by_reason(nothing, nothing),
        learning_curves(nothing, nothing),
        example_crystals([], graphs(0), ELEMENTS),
        latent_map(graphs(0), {}),
        constraint_parity(nothing),
        generator_curves({}),
    ]
    for figure in drawn:
        assert re.search(r"\b(no|nothing)\b", texts(figure))
    assert choose_examples(nothing, []) == []


def test_saved_figures_are_the_same_each_time(tmp_path, parity):
    first = save_figure(constraint_parity(parity), tmp_path / "a" / "parity.v1")
    second = save_figure(constraint_parity(parity), tmp_path / "b" / "parity.v1")
    assert [path.name for path in first] == ["parity.v1.png", "parity.v1.pdf"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(list((tmp_path / "a").iterdir())) == 2
