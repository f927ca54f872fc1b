"""The report's tables and funnel count what the run's tables hold."""

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan import columns
from ccdcgan.funnel import funnels
from ccdcgan.neighbours import nearest_known
from ccdcgan.report_provenance import rule_times
from ccdcgan.report_tables import PAPER, best_candidates
from ccdcgan.structures import Crystal
from tests.report.conftest import ELEMENTS, PAPER_SCHEMES


def test_best_candidates_are_listed_once_nearest_first(candidates):
    best = best_candidates(candidates)
    assert list(best["id"]) == ["c0", "d0", "c1"]
    assert list(best["scheme"]) == ["CCDCGAN", "DCGAN, DCGAN + constraint", "CCDCGAN"]


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


def test_times_of_rules_are_summed_over_their_jobs(tmp_path):
    (tmp_path / "relax").mkdir()
    head = "s\th:m:s\tmax_rss\tcpu_time\n"
    (tmp_path / "relax/000.tsv").write_text(head + "60\t0:01:00\t500\t30\n")
    (tmp_path / "relax/001.tsv").write_text(head + "120\t0:02:00\t700\t-\n")
    rows = rule_times(tmp_path).rows
    assert rows == [("relax", "2", "3.0", "0.5", "700"), ("all", "2", "3.0", "0.5", "700")]


def test_paper_ratios_are_the_paper_s():
    share = {key: numerator / denominator for key, (numerator, denominator) in PAPER.items()}
    assert share[columns.IMAGES, "ccdcgan"] == pytest.approx(0.239, abs=5e-4)
    assert share[columns.DISTINCT_META_STABLE, "dcgan+constraint"] == pytest.approx(0.0175, abs=5e-5)


def test_quantities_are_those_of_the_summary(summary):
    asked = {quantity for quantity, _ in PAPER} | {columns.RELAXED, columns.MEAN_ENERGY}
    assert asked <= set(summary["quantity"])
