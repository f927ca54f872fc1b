"""Tables and attrition of the report agree with the tables of the run."""

import platform

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan import quantities
from ccdcgan.crystals.fingerprints import nearest_known
from ccdcgan.crystals.structures import Crystal
from ccdcgan.evaluation.attrition import funnels
from ccdcgan.evaluation.best import best_candidates
from ccdcgan.report.provenance import cost_table, machine_table, total_cost
from ccdcgan.report.structure_view import view
from ccdcgan.report.tables import PAPER, summary_table
from ccdcgan_workflow.provenance import describe_machine
from tests.report.conftest import ELEMENTS, PAPER_SCHEMES


def test_best_candidates_are_listed_once_nearest_first(candidates):
    best = best_candidates(candidates)
    assert list(best["id"]) == ["c0", "d0", "c1"]
    assert list(best["scheme"]) == ["CCDCGAN", "DCGAN, DCGAN + constraint", "CCDCGAN"]


def test_rejections_of_a_stage_equal_the_difference_to_the_previous_stage(candidates, summary):
    made = summary[summary["quantity"] == quantities.SUCCESS_RATE].set_index("scheme")
    missing = (made["denominator"] - made["numerator"]).astype(int)
    failed = pd.DataFrame({"scheme": ["dcgan"], "reason": ["wall_clock"], "count": [1]})
    losses = pd.DataFrame({"scheme": missing.index, "reason": "too_close", "count": missing.to_numpy()})
    found = funnels(summary, pd.concat([losses, failed]), candidates, 0.15)
    assert list(found) == list(PAPER_SCHEMES)
    for stages in found.values():
        for above, stage in zip(stages, stages[1:], strict=False):
            assert above.left - stage.left == sum(count for _, count in stage.lost)
    assert found["dcgan"][3].lost == (("relaxation took too long", 1),)


def test_the_nearest_known_structure_does_not_depend_on_cell_and_origin():
    rocksalt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.9), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])
    other = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.7), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])
    known = [Crystal("cscl", other, {"status": "ok"}), Crystal("nacl", rocksalt, {"status": "ok"})]
    moved = rocksalt.get_primitive_structure().scale_lattice(50.0)
    moved.translate_sites(range(len(moved)), [0.1, 0.2, 0.3])
    nearest, unlike = nearest_known(moved, known, ELEMENTS)
    assert nearest.id == "nacl" and unlike == pytest.approx(0, abs=1e-6)
    assert nearest_known(moved, known[:1], ELEMENTS)[1] > 0.05
    assert nearest_known(moved, [], ELEMENTS) is None


def test_every_atom_that_is_drawn_has_all_its_bonds():
    rocksalt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.9), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])
    for structure in (rocksalt, rocksalt.get_primitive_structure()):
        drawn = view(structure)
        ends = [end for bond in drawn["bonds"] for end in bond] + [stub[0] for stub in drawn["stubs"]]
        assert [ends.count(index) for index in range(len(drawn["atoms"]))] == [6] * len(drawn["atoms"])


def test_costs_of_rules_and_the_machines_they_ran_on():
    hours = ["hours", "core_hours", "cpu_hours", "gpu_hours", "longest_hours"]
    costs = pd.DataFrame([["relax", 2, 500.0, 0.05, 0.05, 0.01, 0.0, 0.03]], columns=["rule", "jobs", "memory", *hours])
    costs = pd.concat([costs, costs.assign(rule="total")])
    rows = cost_table(costs).rows
    assert rows[0] == ("relax", "2", "3.0", "1.8", "0.6", "0.05", "0.00", "500")
    assert [row[0] for row in rows] == ["relax", "total"]
    value, note = total_cost(costs)
    assert value == "1 min" and note.endswith("most of it: relax. Without the database, made elsewhere.")
    assert "elsewhere" not in total_cost(costs.replace("relax", "relax_database"))[1]
    one, other = (
        {"processor": name, "cores": 2, "memory": 8, "gpu": gpu, "system": "Linux"} for name, gpu in ("AX", ("B", ""))
    )
    states = [{"rule": "relax", "wildcards": {"batch": str(n)}, "machine": one} for n in (0, 0, 1)]
    states += [{"rule": "train", "wildcards": {}, "machine": other}, {"rule": "old", "wildcards": {}}]
    assert machine_table(states).rows == [("A", "2", "8", "X", "Linux", "2"), ("B", "2", "8", "none", "Linux", "1")]
    assert machine_table([]).rows == []


def test_this_machine_is_described_without_its_name():
    machine = describe_machine()
    assert machine["processor"] and machine["cores"] >= 1 and machine["memory"] >= 1
    assert platform.node() not in str(machine["system"])


def test_paper_ratios_are_the_paper_s():
    share = {key: numerator / denominator for key, (numerator, denominator) in PAPER.items()}
    assert share[quantities.SUCCESS_RATE, "ccdcgan"] == pytest.approx(0.239, abs=5e-4)
    assert share[quantities.DISTINCT_META_STABLE, "dcgan+constraint"] == pytest.approx(0.0175, abs=5e-5)


def test_quantities_are_those_of_the_summary(summary):
    asked = {quantity for quantity, _ in PAPER} | {quantities.RELAXED, quantities.MEAN_ENERGY}
    assert asked <= set(summary["quantity"])


def test_a_table_calls_crystal_graphs_by_one_name(summary):
    shown = [row[0] for row in summary_table(summary, ["dcgan"], paper=True).rows]
    assert "candidates per crystal graph (success rate)" in shown and not any("image" in name for name in shown)
