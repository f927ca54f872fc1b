"""Verification: selection, comparison, and the complete stage after a toy run."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, read_set, write_set
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.crystals.variants import VariantLimits
from ccdcgan.database.energy_correction import correction_of
from ccdcgan.evaluation.best import best_candidates, best_distinct, same_as
from ccdcgan.evaluation.verification import compare_engines, competing_phases, correction_points, to_verify
from ccdcgan.relaxation.batches import Journal, relax_batch
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_csv, write_csv
from tests.conftest import TOY, Workflow
from tests.support.alloys import config, copper_gold

SAME = Uniqueness({"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0})


def fcc(element: str, a: float) -> Structure:
    """Return one atom of fcc with edge ``a`` (angstrom)."""
    return Structure(Lattice([[0, a / 2, a / 2], [a / 2, 0, a / 2], [a / 2, a / 2, 0]]), [element], [[0, 0, 0]])


def cu3au(a: float = 3.75) -> Structure:
    """Return L1_2 Cu3Au, cubic edge ``a`` (angstrom)."""
    sites = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    return Structure(Lattice.cubic(a), ["Au", "Cu", "Cu", "Cu"], sites)


def crystal(name: str, structure: Structure, energy: float, distance: float = 0.0) -> Crystal:
    """Return a relaxed crystal with a formation energy and a hull distance (eV/atom)."""
    info = {"status": "ok", "formation_energy": energy, "e_above_hull": distance, "engine": "first"}
    return Crystal(name, structure, info)


DATABASE = [
    crystal("l10", copper_gold(3.9), -0.05),
    crystal("l12", cu3au(), -0.04),
    crystal("l12-worse", cu3au(3.8), -0.01),
    crystal("l12-gold", cu3au(3.9).copy().replace_species({"Cu": "Au", "Au": "Cu"}, in_place=False), -0.02),
]
ELEMENTS = [crystal("cu", fcc("Cu", 3.6), 0.0), crystal("au", fcc("Au", 4.06), 0.0)]


def test_the_best_distinct_candidates_are_selected_once_for_all_schemes() -> None:
    structures = {"a": copper_gold(3.9), "b": copper_gold(3.905), "c": cu3au(), "d": fcc("Cu", 3.6)}
    crystals = {name: crystal(name, structure, -0.1) for name, structure in structures.items()}
    rows = [("a", "dcgan", 0.02, True), ("a", "dcgan+constraint", 0.02, True), ("b", "ccdcgan", 0.01, True)]
    rows += [("c", "ccdcgan", 0.05, True), ("d", "dcgan", 0.0, False)]
    table = pd.DataFrame(rows, columns=["id", "scheme", "e_above_hull", "novel"])
    table = table.assign(status="ok", repeats="", formation_energy=-0.1)
    candidates = dict(list(table.groupby("scheme")))
    assert [c.id for c in best_distinct(candidates, crystals, 5, SAME)] == ["b", "c"]
    assert [c.id for c in best_distinct(candidates, crystals, 1, SAME)] == ["b"]
    assert len(copper_gold(3.9)) < len(cu3au())
    assert [c.id for c in best_distinct(candidates, crystals, 5, SAME, len(copper_gold(3.9)))] == ["b"]
    assert best_distinct({"dcgan": table[:0]}, crystals, 5, SAME, 10) == []


def test_a_crystal_that_several_schemes_found_is_shown_once(tmp_path: Path) -> None:
    crystals = {
        "a": crystal("a", copper_gold(3.9), -0.1, 0.02),
        "b": crystal("b", copper_gold(3.905), -0.1, 0.01),
        "c": crystal("c", cu3au(), -0.1, 0.05),
        "d": crystal("d", cu3au(3.8), -0.1, 0.5),
    }
    rows = [("a", "dcgan", 0.02, "stable"), ("a", "dcgan+constraint", 0.02, "stable"), ("b", "ccdcgan", 0.01, "stable")]
    rows += [("c", "flow", 0.05, "stable"), ("d", "dcgan", 0.5, "unstable")]
    table = pd.DataFrame(rows, columns=["id", "scheme", "e_above_hull", "stability"])
    table = table.assign(formula="x", status="ok", reason="", formation_energy=-0.1, distinct=True)
    table["same_as"] = same_as(table, crystals, SAME, VariantLimits(0.0, 0.0))
    assert table["same_as"].tolist() == ["b", "b", "", "", ""]
    write_csv(tmp_path / "candidates.csv", table)
    best = best_candidates(read_csv(tmp_path / "candidates.csv"))
    assert best["id"].tolist() == ["b", "c"]
    assert best["schemes"].tolist() == [("dcgan", "dcgan+constraint", "ccdcgan"), ("flow",)]
    assert len(best_candidates(table.drop(columns="same_as"))) == 3


def test_competing_phases_are_what_a_candidate_would_decompose_into() -> None:
    between = crystal("x", Structure(Lattice.cubic(4), ["Cu", "Cu", "Au"], np.eye(3) / 2), -0.03)
    assert [c.id for c in competing_phases([between], DATABASE, ["Cu", "Au"])] == ["l12", "l10"]


def test_known_phases_compete_and_elements_do_not() -> None:
    known = [crystal("oqmd-1", cu3au(3.78), -0.06), crystal("oqmd-2", fcc("Au", 4.06), 0.0)]
    between = crystal("x", Structure(Lattice.cubic(4), ["Cu"] * 9 + ["Au"], np.zeros((10, 3))), -0.01)
    assert [c.id for c in competing_phases([between], [*DATABASE, *known], ["Cu", "Au"])] == ["oqmd-1"]


def test_the_table_shows_both_engines(tmp_path: Path) -> None:
    candidate = crystal("new", cu3au(3.9), -0.03, 0.01).updated(scheme="ccdcgan")
    starts = to_verify([candidate], DATABASE[:1], ELEMENTS)
    assert [c.info["role"] for c in starts] == ["element", "element", "competing phase", "candidate"]
    relaxed = relax_batch(starts, config(), Journal(tmp_path), "b0")
    verified, table = compare_engines(starts, relaxed, ["Cu", "Au"], SAME)
    best = table.iloc[0]
    assert (best["id"], best["scheme"], best["engine"], best["verified_engine"]) == ("new", "ccdcgan", "first", "emt")
    energies = {c.id: c.info["energy_per_atom"] for c in relaxed}
    expected = energies["new"] - 0.75 * energies["cu"] - 0.25 * energies["au"]
    assert best["verified_formation_energy"] == pytest.approx(expected)
    assert best["difference"] == pytest.approx(expected + 0.03)
    on_line = min(0.0, (energies["l10"] - (energies["cu"] + energies["au"]) / 2) / 2)
    assert best["verified_e_above_hull"] == pytest.approx(expected - on_line)
    assert best["same_structure"] and best["volume_change"] < 0
    assert len(verified) == len(table) == 4


def test_without_steps_energies_are_compared_where_the_crystals_are(tmp_path: Path) -> None:
    starts = to_verify([crystal("new", cu3au(3.9), -0.03, 0.01)], DATABASE[:1], ELEMENTS)
    relaxed = relax_batch(starts, config(max_steps=0), Journal(tmp_path), "b0")
    verified, table = compare_engines(starts, relaxed, ["Cu", "Au"], SAME)
    volumes = [[c.structure.volume for c in crystals] for crystals in (verified, starts)]
    assert volumes[0] == pytest.approx(volumes[1])
    assert set(table["status"]) == {"ok"} and not table["n_steps"].any()
    assert table["difference"].notna().all()
    assert table["same_structure"].isna().all() and table["volume_change"].isna().all()


@pytest.mark.parametrize(("max_steps", "column"), [(0, "pbe"), (250, "pbe_relaxed")])
def test_a_correction_of_the_first_engine_can_be_learned_from_the_second(tmp_path, max_steps: int, column: str) -> None:
    chosen = [crystal("new", cu3au(3.9), -0.03), crystal("lost", copper_gold(4.1), -0.02)]
    first = {"cu": -3.0, "au": -4.0, "l10": -3.7, "new": -3.4, "lost": -3.6}
    starts = [
        c.updated(first_energy_per_atom=first[c.id], first_engine="7net-0+7net-l3i5")
        for c in to_verify(chosen, DATABASE[:1], ELEMENTS)
    ]
    relaxed = relax_batch(starts, config(max_steps=max_steps), Journal(tmp_path), "b0")
    relaxed[-1] = relaxed[-1].updated(status="failed", reason="wall_clock")
    points = correction_points(starts, compare_engines(starts, relaxed, ["Cu", "Au"], SAME)[0])
    assert [c.id for c in points] == ["cu", "au", "l10", "new"]
    assert [c.structure for c in points] == [c.structure for c in starts[:-1]]
    assert [c.info["7net-l3i5"] for c in points] == pytest.approx([0, 0, -0.2, -0.15])
    energies = {c.id: c.info["energy_per_atom"] for c in relaxed}
    assert points[-1].info[column] == pytest.approx(energies["new"] - 0.75 * energies["cu"] - 0.25 * energies["au"])
    write_set(tmp_path / "points.extxyz", points)
    with pytest.raises(InputError, match="has 2 points of 7net-l3i5; give 5 or more"):
        correction_of("7net-0+7net-l3i5", ["Cu", "Au"], tmp_path / "points.extxyz")


def test_without_an_element_nothing_can_be_compared(tmp_path: Path) -> None:
    starts = to_verify([], [], ELEMENTS)
    relaxed = [starts[0].updated(status="failed", reason="wall_clock"), starts[1].updated(energy_per_atom=-1.0)]
    with pytest.raises(InputError, match="no crystal of the element Cu could be relaxed"):
        compare_engines(starts, relaxed, ["Cu", "Au"], SAME)


def test_verification_is_off_until_an_engine_is_named(workflow: Workflow) -> None:
    done = workflow.run("verified", "--dry-run", *TOY, check=False)
    assert done.returncode != 0
    assert "verify.engine is null" in done.stdout
    assert "relax_verified" not in workflow.planned(*TOY)


def test_a_toy_run_is_verified(toy_run: Workflow, tmp_path: Path) -> None:
    for part in (".snakemake", "results"):
        subprocess.run(["cp", "-a", str(toy_run.folder / part), str(tmp_path / part)], check=True)
    override = tmp_path / "verify.yaml"
    override.write_text("verify: {engine: ase, top: 2, batches: 2}")
    workflow = Workflow(tmp_path)
    workflow.run("verified", "--cores", "2", *TOY, override)
    table = read_csv(tmp_path / "results/toy/verification/verified.csv")
    verified = read_set(tmp_path / "results/toy/verification/verified.extxyz")
    assert (table["role"] == "candidate").sum() == 2
    assert set(table.loc[table["role"] == "element", "formula"]) == {"Cu", "Au"}
    assert set(table["id"]) == {c.id for c in verified}
    points = read_set(tmp_path / "results/toy/verification/points.extxyz")
    assert {c.id for c in points} == set(table.loc[table["status"] == "ok", "id"])
    assert all("emt" in c.info and {"pbe", "pbe_relaxed"} & set(c.info) for c in points)
    # the same engine again, from where it stopped: the same energies
    relaxed = table[table["status"] == "ok"]
    assert relaxed["difference"].abs().max() < 0.005
    assert (relaxed["verified_e_above_hull"] - relaxed["e_above_hull"]).abs().max() < 0.005
    assert relaxed.loc[relaxed["role"] == "candidate", "same_structure"].all()
    status = workflow.run("status", "--quiet", "all", *TOY, str(override)).stdout
    assert re.search(r"verification +relax_verified +\d/\d", status)
    assert "relax_verified" not in workflow.planned("verified", *TOY, str(override))
