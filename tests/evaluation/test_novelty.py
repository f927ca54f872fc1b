"""Novelty relative to the sources, and displacement of atoms during relaxation."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, standard_cell
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.crystals.variants import VariantLimits
from ccdcgan.database.energies import hull_of, with_hull_distances
from ccdcgan.evaluation.best import distinct_among
from ccdcgan.evaluation.novelty import find_known, known_phases_table, known_structures, with_variants
from ccdcgan.evaluation.placement import count_rediscovered, displacement, place_candidates
from tests.crystals.test_variants import layers
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt

MATCHER = Uniqueness({"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0})


def test_candidates_that_a_source_knows_are_named():
    other, element = rock_salt(), cesium_chloride()
    other.replace_species({"Bi": "Pb", "Se": "Te"})
    element.replace_species({"Se": "Bi"})
    prototypes = [Crystal("foreign", other), Crystal("bismuth", element), Crystal("known", rock_salt(5.9))]
    known = known_structures(prototypes, ["Bi", "Se"])
    assert [crystal.id for crystal in known] == ["known"]
    candidates = [
        Crystal("a", rock_salt(), {"status": "ok"}),
        Crystal("b", bi2se3(), {"status": "ok"}),
        Crystal("c", rock_salt(6.1), {"status": "ok"}),
        Crystal("d", rock_salt(), {"status": "failed"}),
    ]
    assert find_known(candidates, known, MATCHER) == ["known", "", "known", ""]


def test_displacements_do_not_depend_on_drift_images_and_the_cell():
    generated = Structure(Lattice.cubic(6), ["Bi", "Se"], [[0.98, 0.5, 0.5], [0.5, 0.5, 0.0]])
    moved = Structure(Lattice.cubic(9), ["Bi", "Se"], [[0.08, 0.5, 0.5], [0.6, 0.5, 0.0]])
    assert displacement(generated, moved) == pytest.approx(0, abs=1e-9)
    moved = Structure(Lattice.cubic(10), ["Bi", "Se"], [[0.98, 0.5, 0.5], [0.5, 0.5, 0.98]])
    assert displacement(generated, moved) == pytest.approx(0.1)  # 0.2 angstrom apart, 0.1 each from their middle
    assert np.isnan(displacement(generated, Structure(Lattice.cubic(6), ["Bi"], [[0, 0, 0]])))


def test_displacements_are_measured_before_the_change_to_the_standard_cell():
    relaxed = bi2se3()
    relaxed.make_supercell([[1, 1, 0], [0, 1, 1], [0, 0, 1]])  # the same crystal with other axes
    standard = standard_cell(relaxed)
    assert len(standard) < len(relaxed)  # so displacements from it make no sense
    generated = relaxed.copy()
    generated.translate_sites([0], [0, 0, 0.1], frac_coords=False)
    info = {"status": "ok", "formation_energy": -0.1, "energy_per_atom": -1.0}
    database = [
        Crystal(name, Structure(Lattice.cubic(3), [name], [[0, 0, 0]]), info | {"formation_energy": 0.0})
        for name in ("Bi", "Se")
    ]
    placed, table = place_candidates(
        [Crystal("a", standard, info)],
        [Crystal("a", relaxed, info)],
        {"a": Crystal("a", generated)},
        database,
        [],
        ["Bi", "Se"],
        MATCHER,
    )
    assert placed[0].structure == standard
    assert table["rmsd"].tolist() == [pytest.approx(displacement(generated, relaxed))] and table["rmsd"][0] < 0.05


def phase(name, structure, energy, **info):
    """Return a relaxed crystal with a formation energy, eV/atom."""
    return Crystal(name, structure, {"status": "ok", "reason": "", "formation_energy": energy} | info)


def test_a_candidate_that_equals_a_known_phase_is_not_new_and_the_hull_has_the_phase():
    database = [phase("salt", rock_salt(), -0.1)]
    known = [phase("oqmd-1", bi2se3(), -0.4), Crystal("oqmd-2", cesium_chloride(), {"status": "failed"})]
    candidates = [
        phase(name, make(), -0.05) for name, make in (("a", bi2se3), ("b", rock_salt), ("c", cesium_chloride))
    ]
    placed, table = place_candidates(
        candidates,
        candidates,
        {crystal.id: crystal for crystal in candidates},
        [*database, *known],
        known,
        ["Bi", "Se"],
        MATCHER,
    )
    assert table["repeats"].tolist() == ["oqmd-1", "salt", "oqmd-2"] and not table["novel"].any()
    assert table["known"].tolist() == ["oqmd-1", "", "oqmd-2"]
    assert placed[0].info["e_above_hull"] == pytest.approx(0.35)
    assert placed[1].info["e_above_hull"] == pytest.approx(-0.05 + 0.4 * 0.5 / 0.6)


def test_pure_elements_among_the_known_phases_do_not_shift_the_hull():
    element = rock_salt()
    element.replace_species({"Se": "Bi"})
    hull = hull_of([phase("a", rock_salt(), -0.1), phase("b", element, -0.3)], ["Bi", "Se"])
    assert {entry.composition.reduced_formula: entry.energy for entry in hull.stable_entries if entry.is_element} == {
        "Bi": 0.0,
        "Se": 0.0,
    }
    [placed] = with_hull_distances([phase("b", element, 0.02)], hull)
    assert placed.info["e_above_hull"] == pytest.approx(0.02)


def test_the_table_of_known_phases_names_the_equal_crystals_of_the_database():
    phases = [
        phase("oqmd-1", bi2se3(), -0.4, source="oqmd", source_formation_energy=-0.39),
        phase("file-a", rock_salt(5.9), -0.1, source="files"),
        Crystal("oqmd-2", rock_salt(), {"status": "failed", "reason": "too_close", "source": "oqmd"}),
    ]
    table = known_phases_table(phases, [phase("salt", rock_salt(), -0.1)], ["Bi", "Se"], MATCHER)
    assert table["id"].tolist() == ["oqmd-1", "file-a", "oqmd-2"]
    assert table["repeats"].tolist() == ["", "salt", ""]
    assert table["source_formation_energy"][0] == -0.39 and table["source_formation_energy"][1:].isna().all()
    empty = known_phases_table([], [], ["Bi", "Se"], MATCHER)
    assert empty.empty and list(empty.columns) == list(table.columns)


def test_crystals_held_out_of_training_that_candidates_reproduce_are_counted_once():
    rows = [
        ("BiSe", "ok", "a", False),
        ("BiSe", "ok", "a", False),
        ("BiSe", "ok", "", True),
        ("BiSe", "failed", "", False),
    ]
    rows += [("Bi2Se3", "ok", "b", False)]
    table = pd.DataFrame(rows, columns=["formula", "status", "repeats", "novel"])
    assert count_rediscovered(table, ["BiSe", "BiSe2"]) == {"BiSe": (3, 1), "BiSe2": (0, 0)}
    assert count_rediscovered(table[:0], ["BiSe"]) == {"BiSe": (0, 0)}


def test_variants_are_neither_distinct_nor_new_and_the_old_count_stands_beside():
    """The known phase with displaced layers, found twice, and two of a new kind that StructureMatcher separates."""
    database = [phase("db-1", rock_salt(), -0.1), phase("oqmd-1", layers(0), -0.388)]
    new = [layers(2.2), layers(2.9)]  # far from the known phase, near one another
    candidates = [
        phase("a", layers(1.0), -0.386),
        phase("b", layers(1.02), -0.385),
        phase("c", new[0], -0.380),
        phase("d", new[1], -0.379),
        Crystal("e", layers(1.0), {"status": "failed", "reason": "wall_clock"}),
    ]
    table = pd.DataFrame(
        {
            "id": list("abcde"),
            "formula": "Bi2Se3",
            "status": ["ok"] * 4 + ["failed"],
            "formation_energy": [-0.386, -0.385, -0.380, -0.379, np.nan],
            "repeats": ["", "a", "", "", ""],
            "novel": [True, True, True, True, False],
        }
    )
    marked = with_variants(table, candidates, database, VariantLimits(distance=0.02))
    assert marked["variant"].tolist() == ["oqmd-1", "oqmd-1", "", "c", ""]
    assert marked["novel"].tolist() == [False, False, True, True, False]
    assert marked["novel_by_matcher"].tolist() == table["novel"].tolist()
    assert marked.loc[distinct_among(marked), "id"].tolist() == ["c"]
    assert marked.loc[distinct_among(marked, by_matcher=True), "id"].tolist() == ["a", "c", "d"]
    without_c = marked[marked["id"] != "c"]
    assert without_c.loc[distinct_among(without_c), "id"].tolist() == ["d"]
    assert count_rediscovered(marked, ["Bi2Se3"]) == {"Bi2Se3": (4, 1)}
    off = with_variants(table, candidates, database, VariantLimits(distance=0))
    assert off["variant"].tolist() == [""] * 5 and off["novel"].tolist() == table["novel"].tolist()
