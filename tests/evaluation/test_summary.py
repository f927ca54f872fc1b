"""Formation energies, hull distances and the table of Long et al., compared with values calculated by hand."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition

from ccdcgan import quantities, reasons
from ccdcgan.candidates.ranking import rank_by_composition
from ccdcgan.candidates.selection import select
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.thermodynamics import convex_hull, formation_energy, hull_distance, lowest_references
from ccdcgan.evaluation.attrition import count_losses, database_counts, funnels
from ccdcgan.evaluation.best import classify, distinct_among
from ccdcgan.evaluation.novelty import find_repeats
from ccdcgan.evaluation.summary import evaluate_scheme
from ccdcgan.utils.errors import InputError
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt, zinc_blende

THRESHOLDS = {"stable": 0.1, "meta_stable": 0.15}
MATCHER = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0}


def test_formation_energy_of_bi2se3():
    energy = formation_energy(Composition("Bi2Se3"), -4.0, {"Bi": -3.9, "Se": -3.5})
    assert energy == pytest.approx(-4.0 + (2 * 3.9 + 3 * 3.5) / 5)


def test_hull_distances():
    hull = convex_hull([Composition("Bi2Se3"), Composition("BiSe")], [-0.4, -0.2], ["Bi", "Se"])
    assert hull_distance(hull, Composition("Bi2Se3"), -0.4) == pytest.approx(0)
    at_half = -0.4 * 0.5 / 0.6  # on the tie line from Bi to Bi2Se3
    assert hull_distance(hull, Composition("BiSe"), -0.2) == pytest.approx(-0.2 - at_half)
    assert hull_distance(hull, Composition("BiSe"), -0.5) < 0  # below a hull it is not part of


def reference(name: str, energy: float, status: str = "ok", element: str = "Bi") -> Crystal:
    structure = cesium_chloride()
    structure.replace_species({"Bi": element, "Se": element})
    return Crystal(name, structure, {"status": status, "energy_per_atom": energy, "prototype": name})


def test_lowest_reference_is_taken_and_failures_are_not():
    crystals = [reference("a", -3.0), reference("b", -3.5), reference("c", -9.0, status="failed")]
    table = lowest_references(crystals, ["Bi"])
    assert table.loc[0, ["id", "energy_per_atom", "n_relaxed"]].tolist() == ["b", -3.5, 2]
    with pytest.raises(InputError, match="no crystal of the element Se could be relaxed"):
        lowest_references(crystals, ["Bi", "Se"])


def test_diatomic_elements_are_recognised():
    """The reduced formula of oxygen is O2, that of its element O."""
    table = lowest_references([reference("o", -4.9, element="O")], ["O"])
    assert table.loc[0, "id"] == "o"


def test_classes_need_a_negative_formation_energy():
    energies = pd.Series([-0.1, -0.1, -0.1, 0.01, np.nan])
    distances = pd.Series([0.05, 0.12, 0.2, 0.05, np.nan])
    assert classify(energies, distances, THRESHOLDS).tolist() == ["stable", "meta-stable", "unstable", "unstable", ""]


def candidate(name: str, structure, energy: float, status: str = "ok") -> Crystal:
    return Crystal(name, structure, {"status": status, "formation_energy": energy})


def test_repeats_name_the_lowest_equal_crystal_for_any_order():
    candidates = [
        candidate("c1", rock_salt(), -0.1),
        candidate("c2", rock_salt(6.05), -0.2),
        candidate("c3", zinc_blende(), -0.3),
        candidate("c4", bi2se3(), -0.4, status="failed"),
    ]
    known = [Crystal("db", zinc_blende(6.35), {})]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        repeats, novel = find_repeats([candidates[i] for i in order], known, Uniqueness(MATCHER))
        found = {candidates[i].id: (r, n) for i, r, n in zip(order, repeats, novel, strict=True)}
        assert found == {"c1": ("c2", True), "c2": ("", True), "c3": ("db", False), "c4": ("", False)}


def placed_table() -> pd.DataFrame:
    """Six candidates: two of one kind, one in the database, one failed, two more kinds."""
    return pd.DataFrame(
        {
            "id": ["a", "b", "c", "d", "e", "f"],
            "status": ["ok", "ok", "ok", "failed", "ok", "ok"],
            "reason": ["", "", "", "not_converged", "", ""],
            "repeats": ["", "a", "db-1", "", "", ""],
            "novel": [True, True, False, False, True, True],
            "formation_energy": [-0.30, -0.29, -0.35, np.nan, 0.1, -0.05],
            "e_above_hull": [0.05, 0.06, 0.0, np.nan, 0.5, 0.12],
            "formula": ["BiSe", "BiSe", "Bi2Se3", "BiSe", "BiSe2", "Bi2Se"],
            "space_group": ["P1", "R-3m", "R-3m", "", "P1", "C2/m"],
            "known": ["", "", "oqmd-1", "", "", "oqmd-2"],
            "repaired": ["", "expanded", "", "", "", "expanded"],
            "rmsd": [0.1, 0.2, 0.3, np.nan, 0.4, 0.5],
        }
    )


PREDICTED = pd.DataFrame(
    {
        "id": ["a", "b", "c", "d", "e", "f", "g"],
        "formula": ["BiSe", "BiSe", "Bi2Se3", "BiSe", "BiSe2", "Bi2Se", "Bi2Se3"],
        "predicted_formation_energy": [0.9, -0.2, -0.3, 0, 0.1, 0.2, 0.0],
        "expected_formation_energy": [0.0, -0.1, -0.2, 0, 0.1, 0.1, 0.0],
    }
)
LOSSES = pd.DataFrame({"reason": ["", "too_close"], "count": [7, 93], "within_selection": [6, 74]})


def test_distinct_in_a_selection_finds_another_representative():
    table = placed_table()
    assert table.loc[distinct_among(table), "id"].tolist() == ["a", "e", "f"]
    without_a = table[table["id"] != "a"]
    assert without_a.loc[distinct_among(without_a), "id"].tolist() == ["b", "e", "f"]


def test_the_papers_table_by_hand():
    candidates, summary = evaluate_scheme("dcgan", placed_table(), PREDICTED, LOSSES, 0.3, THRESHOLDS)
    rows = summary.set_index(["scheme", "quantity"])[["numerator", "denominator"]]

    def ratio(scheme: str, quantity: str) -> tuple[int, int]:
        return tuple(rows.loc[(scheme, quantity)].astype(int))

    assert ratio("dcgan", quantities.SUCCESS_RATE) == (7, 100)
    assert ratio("dcgan", quantities.RELAXED) == (5, 6)
    assert ratio("dcgan", quantities.NEGATIVE) == (4, 5)
    assert ratio("dcgan", quantities.META_STABLE) == (4, 5)
    assert ratio("dcgan", quantities.STABLE) == (3, 5)
    assert ratio("dcgan", quantities.DISTINCT) == (3, 5)
    assert ratio("dcgan", quantities.DISTINCT_META_STABLE) == (2, 6)
    assert ratio("dcgan", quantities.DISTINCT_META_STABLE_PER_GRAPH) == (2, 80)  # images behind the relaxed ones
    assert ratio("dcgan+constraint", quantities.SUCCESS_RATE) == (6, 100)  # a is predicted too high
    assert ratio("dcgan+constraint", quantities.DISTINCT_META_STABLE) == (2, 5)  # b stands for its kind now
    assert set(candidates["scheme"]) == {"dcgan", "dcgan+constraint"}
    assert ratio("dcgan", quantities.SUN) == (1, 6)  # a; f is too far from the hull
    assert ratio("dcgan", quantities.SUN_PER_GRAPH) == (1, 80)
    assert ratio("dcgan", quantities.UNKNOWN) == (1, 2)  # a, not f
    assert ratio("dcgan", quantities.P1) == (2, 5)
    assert ratio("dcgan", quantities.COMPOSITIONS) == (4, 5)
    assert ratio("dcgan", quantities.REPAIRED) == (2, 6)
    values = summary.set_index(["scheme", "quantity"])["value"]
    assert values["dcgan", quantities.RMSD] == pytest.approx(0.3)
    constraint, similar = quantities.GUESSES
    assert values["dcgan", constraint] == pytest.approx((1.2 + 0.09 + 0.05 + 0.0 + 0.25) / 5)
    assert values["dcgan", similar] == pytest.approx((0.3 + 0.19 + 0.15 + 0.0 + 0.15) / 5)


def test_no_candidates_give_zero_of_and_no_value():
    empty = placed_table().iloc[:0]
    losses = pd.DataFrame({"reason": ["too_close"], "count": [50], "within_selection": [50]})
    _, summary = evaluate_scheme("ccdcgan", empty, PREDICTED.iloc[:0], losses, 0.3, THRESHOLDS)
    first = summary.set_index("quantity").loc[quantities.SUCCESS_RATE]
    assert (first["numerator"], first["denominator"], first["value"]) == (0, 50, 0)
    assert np.isnan(summary.set_index("quantity").loc[quantities.RELAXED, "value"])


def test_losses_of_samples_screen_and_relaxation():
    candidates, summary = evaluate_scheme("dcgan", placed_table(), PREDICTED, LOSSES, 0.3, THRESHOLDS)
    losses = count_losses(candidates, {"dcgan": LOSSES}, summary)
    found = losses.set_index(["scheme", "reason"])["count"].to_dict()
    assert found == {
        ("dcgan", "too_close"): 93,
        ("dcgan+constraint", "too_close"): 93,
        ("dcgan+constraint", "screened"): 1,
        ("dcgan", "not_converged"): 1,
        ("dcgan+constraint", "not_converged"): 1,
    }


def test_candidates_of_other_compositions_are_counted_and_not_relaxed():
    placed = placed_table()[lambda table: table["formula"] == "BiSe"]
    candidates, summary = evaluate_scheme("dcgan", placed, PREDICTED, LOSSES, 0.3, THRESHOLDS, ["BiSe"])
    asked = summary[summary["quantity"] == quantities.ASKED].set_index("scheme")[["numerator", "denominator"]]
    assert asked.loc["dcgan"].tolist() == [3, 7]
    assert asked.loc["dcgan+constraint"].tolist() == [2, 6]  # the screen refused one of BiSe
    losses = count_losses(candidates, {"dcgan": LOSSES}, summary)
    others = losses[losses["reason"] == "other_composition"].set_index("scheme")["count"]
    assert others.to_dict() == {"dcgan": 4, "dcgan+constraint": 4}
    for stages in funnels(summary, losses, candidates, 0.15).values():
        for above, stage in zip(stages, stages[1:], strict=False):
            assert above.left - stage.left == sum(count for _, count in stage.lost)


def test_selection_counts_the_images_behind_it():
    shards = [[Crystal("0-1", rock_salt()), Crystal("0-3", bi2se3())], [Crystal("1-0", rock_salt())]]
    samples = [
        pd.DataFrame({"status": ["failed", "ok", "failed", "ok"], "reason": ["too_close", "", "too_close", ""]}),
        pd.DataFrame({"status": ["ok", "failed"], "reason": ["", "bad_lattice"]}),
    ]
    for limit, ids, images in ((None, 3, 6), (3, 3, 6), (2, 2, 4), (1, 1, 2)):
        selected, counts = select(shards, samples, limit)
        assert len(selected) == ids
        assert counts["count"].sum() == 6
        assert counts["within_selection"].sum() == images
    selected, counts = select(shards, samples, 1, compositions=["Bi2Se3"])
    assert [crystal.id for crystal in selected] == ["0-3"]
    assert counts["within_selection"].sum() == 6  # no image is left that could have given another one
    selected, counts = select(shards, samples, 1, compositions=["BiSe"])
    assert [crystal.id for crystal in selected] == ["0-1"] and counts["within_selection"].sum() == 2
    assert select(shards, samples, None, compositions=["Bi2Se"])[0] == []


def test_the_most_promising_candidates_are_chosen_of_all_images():
    names = {"high": zinc_blende(), "again": rock_salt(), "low": rock_salt(), "other": bi2se3()}
    shards = [[Crystal(name, shape) for name, shape in names.items()]]
    samples = [pd.DataFrame({"status": ["ok", "failed", "ok", "ok", "ok"], "reason": ["", "too_close", "", "", ""]})]
    formulas = [crystal.formula for crystal in shards[0]]
    energies = np.array([-0.05, -0.1, -0.22, -0.25])
    hull = convex_hull([Composition("Bi2Se3")], [-0.5], ["Bi", "Se"])
    order = rank_by_composition(formulas, energies, hull)
    assert order == [2, 3, 1, 0]  # stable are BiSe below -0.42 + 0.1, Bi2Se3 below -0.5 + 0.1; then BiSe's others
    shallow = convex_hull([Composition("Bi2Se3")], [-0.05], ["Bi", "Se"])
    assert rank_by_composition(formulas, energies, shallow) == [3, 2, 1, 0]  # E_f has to be below 0 too
    equal = np.array([-0.3, -0.3 - 1e-12, -0.3 + 1e-12])  # one crystal drawn three times
    assert rank_by_composition(["Bi2Se3"] * 3, equal, hull) == [0, 1, 2]
    selected, counts = select(shards, samples, 3, uniqueness=Uniqueness(MATCHER), order=order)
    assert [crystal.id for crystal in selected] == ["low", "other", "high"]
    assert counts["within_selection"].sum() == 5  # every image was looked at
    assert counts.set_index("reason").loc[reasons.REPEAT, "count"] == 1
    selected, counts = select(shards, samples, 1, uniqueness=Uniqueness(MATCHER), compositions=["Bi2Se3"], order=order)
    assert [crystal.id for crystal in selected] == ["other"] and counts["within_selection"].sum() == 5


def test_repeats_are_left_out_before_relaxation_and_counted():
    shapes = {"known": rock_salt(), "new": cesium_chloride(), "again": cesium_chloride(), "other": zinc_blende()}
    shapes |= {"known-2": rock_salt(), "last": bi2se3()}
    shards = [[Crystal(name, shape) for name, shape in shapes.items()]]
    samples = [pd.DataFrame({"status": ["ok"] * 6 + ["failed"], "reason": [""] * 6 + ["too_close"]})]
    database = [Crystal("bismuth selenide", rock_salt())]
    for limit, expected, images, repeats in ((None, ["new", "other", "last"], 7, 3), (2, ["new", "other"], 4, 2)):
        selected, counts = select(shards, samples, limit, uniqueness=Uniqueness(MATCHER), database=database)
        assert [crystal.id for crystal in selected] == expected
        assert counts["within_selection"].sum() == images and counts["count"].sum() == 7
        assert counts.set_index("reason").loc[reasons.REPEAT, "count"] == repeats


def test_database_counts_include_rejected_crystals():
    prototypes = pd.DataFrame({"status": ["ok", "failed"], "reason": ["", "unreadable"]})
    substituted = pd.DataFrame({"status": ["ok", "ok", "failed"], "reason": ["", "", "duplicate"]})
    database = placed_table()[["status", "reason", "formation_energy", "e_above_hull"]]
    counts = database_counts(prototypes, substituted, database, THRESHOLDS).set_index(["stage", "outcome"])["count"]
    assert counts["prototypes", "unreadable"] == 1
    assert counts["substituted", "duplicate"] == 1
    assert counts["relaxed", "not_converged"] == 1
    assert counts["database", "meta-stable"] == 4
    assert counts["database", "on the hull"] == 1
    found = pd.DataFrame({"status": ["ok", "ok", "ok", "failed"], "reason": ["", "", "", "duplicate"]})
    rows = [("Bi2Se3", "ok", "", "", 0.0), ("BiSe", "ok", "", "c1", 0.1), ("Bi", "ok", "", "", 0.0)]
    known = pd.DataFrame(rows, columns=["formula", "status", "reason", "repeats", "e_above_hull"])
    counts = database_counts(prototypes, substituted, database, THRESHOLDS, (found, known))
    counts = counts.set_index(["stage", "outcome"])["count"]
    assert counts["known phases", "duplicate"] == 1 and counts["known phases, relaxed", "kept"] == 3
    of_compounds = [counts["known phases, relaxed", f"compounds{kind}"] for kind in ("", " not in the database")]
    assert of_compounds == [2, 1] and counts["known phases, relaxed", "compounds on the hull"] == 1
