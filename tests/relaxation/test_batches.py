"""Batches of crystals: order, journals, resumption after a kill."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, read_set, write_set
from ccdcgan.relaxation import engines
from ccdcgan.relaxation.ase_potentials import AseRelaxMaker
from ccdcgan.relaxation.batches import Journal, relax_batch
from ccdcgan.relaxation.engines import identity
from ccdcgan.relaxation.guards import AT_END, FORMER
from ccdcgan.relaxation.slices import gather, slice_of
from ccdcgan.utils.errors import InputError
from tests.support.alloys import alloys, config, copper, outcome


def test_a_batch_keeps_order_info_and_failures(tmp_path: Path) -> None:
    crystals = alloys()
    results = relax_batch(crystals, config(), Journal(tmp_path), "b0")
    assert [crystal.id for crystal in results] == [crystal.id for crystal in crystals]
    assert [crystal.info["parent"] for crystal in results] == [c.info["parent"] for c in crystals]
    assert {crystal.info["stage"] for crystal in results} == {"relaxed"}
    assert {crystal.info["engine"] for crystal in results} == {"emt"}
    assert [c.id for c in results if c.info["status"] == "failed"] == ["c2"]
    refused = results[2]
    assert refused.info["reason"] == "too_close"
    assert np.isnan(refused.info["energy_per_atom"])
    assert refused.structure == crystals[2].structure
    assert all(c.info["fmax"] < 0.02 and c.info["n_steps"] > 0 for c in results if c.id != "c2")


def test_results_round_trip_through_a_structure_set(tmp_path: Path) -> None:
    results = relax_batch(alloys(4), config(), Journal(tmp_path), "b0")
    write_set(tmp_path / "relaxed.extxyz", results)
    again = read_set(tmp_path / "relaxed.extxyz")
    for name in ("status", "reason", "engine", "n_steps", "stage"):
        assert [c.info[name] for c in again] == [c.info[name] for c in results]
    energies = [[c.info["energy_per_atom"] for c in crystals] for crystals in (again, results)]
    np.testing.assert_allclose(*energies, rtol=1e-12)


def test_not_converged_is_recorded_and_the_geometry_is_kept(tmp_path: Path) -> None:
    crystals = [Crystal("short", copper())]
    (result,) = relax_batch(crystals, config(max_steps=1), Journal(tmp_path), "b0")
    assert (result.info["status"], result.info["reason"]) == ("failed", "not_converged")
    assert result.structure == crystals[0].structure


def test_a_crystal_on_which_two_models_disagree_is_refused_even_from_a_journal(tmp_path: Path) -> None:
    """The limit judges finished relaxations: it can be changed without relaxing anything again."""
    crystals, journal = alloys()[:2], tmp_path / "journal"
    relax_batch(crystals, config(), Journal(journal), "000")
    lines = [json.loads(line) for line in (journal / "000.jsonl").read_text().splitlines()]
    first = lines[0]["stages"][0]
    higher = first["energy_per_atom"] + 0.6
    lines[0]["stages"] = [first | {"model": "other", "energy_per_atom": higher, AT_END: higher}, first]
    lines[1]["stages"] = [lines[1]["stages"][0] | {"energy_per_atom": 9.9}, lines[1]["stages"][0]]  # of one model
    (journal / "000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    refused, accepted = relax_batch(crystals, config(), Journal(journal), "000")
    assert (refused.info["status"], refused.info["reason"]) == ("failed", "models_disagree")
    assert np.isnan(refused.info["energy_per_atom"]) and refused.structure == crystals[0].structure
    assert accepted.info["status"] == "ok"
    wider = config(guards={"max_disagreement": 0.7})
    assert relax_batch(crystals, wider, Journal(journal), "000")[0].info["status"] == "ok"
    assert len((journal / "000.jsonl").read_text().splitlines()) == len(lines)


def test_results_of_earlier_versions_are_compared_with_the_first_model(tmp_path: Path, caplog) -> None:
    """Their records lack its energy at the final geometry, which is added once."""
    caplog.set_level(logging.INFO)
    crystals, journal = alloys()[:1], tmp_path / "000.jsonl"
    (relaxed,) = relax_batch(crystals, config(), Journal(tmp_path), "000")
    record = json.loads(journal.read_text())
    (stage,) = record["stages"]
    lower = stage | {"model": "other", "energy_per_atom": stage["energy_per_atom"] - 0.2}
    journal.write_text(json.dumps(record | {"stages": [lower, stage]}) + "\n")
    (accepted,) = relax_batch(crystals, config(), Journal(tmp_path), "000")
    assert accepted.info["status"] == "ok"  # not above the last model, which has the same energy
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert lines[-1]["stages"][0][AT_END] == pytest.approx(relaxed.info["energy_per_atom"], abs=1e-6)
    assert "compared at the end of 1 earlier relaxations" in caplog.text
    relax_batch(crystals, config(), Journal(tmp_path), "000")
    assert len(journal.read_text().splitlines()) == len(lines) == 2


def test_a_crystal_that_failed_before_is_passed_on(tmp_path: Path) -> None:
    crystal = Crystal("lost", copper(), {"status": "failed", "reason": "no_cell", "energy_per_atom": -9.0})
    (result,) = relax_batch([crystal], config(), Journal(tmp_path), "b0")
    assert (result.info["status"], result.info["reason"]) == ("failed", "no_cell")
    assert np.isnan(result.info["energy_per_atom"])
    assert (tmp_path / "b0.jsonl").read_bytes() == b""


def count_relaxations(monkeypatch) -> list[str]:
    """Return a list to which each relaxation that is carried out adds an entry."""
    done = []
    original = AseRelaxMaker.relax

    def counted(self, structure):
        done.append(structure.formula)
        return original(self, structure)

    monkeypatch.setattr(AseRelaxMaker, "relax", counted)
    return done


def test_other_batches_reuse_every_result(tmp_path: Path, monkeypatch) -> None:
    crystals = alloys()
    whole = relax_batch(crystals, config(), Journal(tmp_path / "whole"), "all")
    done = count_relaxations(monkeypatch)
    three = [relax_batch(slice_of(crystals, i, 3), config(), Journal(tmp_path / "cut"), f"{i}of3") for i in range(3)]
    assert len(done) == len(crystals)
    two = [relax_batch(slice_of(crystals, i, 2), config(), Journal(tmp_path / "cut"), f"{i}of2") for i in range(2)]
    assert len(done) == len(crystals)
    assert outcome(gather(three)) == outcome(gather(two)) == outcome(whole)
    assert [c.info["relax_seconds"] for c in gather(three)] == [c.info["relax_seconds"] for c in gather(two)]


@pytest.mark.parametrize("change", [{"code": "new"}, {"config": config(fmax=0.05)}])
def test_other_code_or_settings_do_not_find_them(tmp_path: Path, monkeypatch, change: dict) -> None:
    crystals = alloys(2)
    settings, journal = config(), Journal(tmp_path, code="old")
    relax_batch(crystals, settings, journal, "b0")
    done = count_relaxations(monkeypatch)
    relax_batch(crystals, settings, journal, "b0")
    assert done == []
    relax_batch(crystals, change.get("config", settings), replace(journal, code=change.get("code", "old")), "b0")
    assert len(done) == 2


def test_a_displacement_below_the_resolution_of_the_key_changes_nothing(tmp_path: Path, monkeypatch) -> None:
    relax_batch([Crystal("a", copper(shift=0.05))], config(), Journal(tmp_path), "b0")
    done = count_relaxations(monkeypatch)
    relax_batch([Crystal("b", copper(shift=0.05 + 1e-9))], config(), Journal(tmp_path), "b0")
    assert len(done) == 0
    relax_batch([Crystal("c", copper(shift=0.051))], config(), Journal(tmp_path), "b0")
    assert len(done) == 1


def test_a_truncated_last_line_affects_one_crystal_only(tmp_path: Path, monkeypatch) -> None:
    crystals = alloys()
    expected = outcome(relax_batch(crystals, config(), Journal(tmp_path), "b0"))
    journal = tmp_path / "b0.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    done = count_relaxations(monkeypatch)
    again = relax_batch(crystals, config(), Journal(tmp_path), "b0")
    assert len(done) == 1
    assert outcome(again) == expected
    lines = journal.read_bytes().splitlines()
    assert len(lines) == len({json.loads(line)["key"] for line in lines}) == len(crystals)


def test_a_damaged_line_of_another_journal_is_skipped_and_not_changed(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(b'{"key": "abc", "rea')
    (result,) = relax_batch([Crystal("a", copper())], config(), Journal(tmp_path), "b0")
    assert result.info["status"] == "ok"
    assert other.read_bytes() == b'{"key": "abc", "rea'


SLOW_BATCH = """
    import json, sys, time
    from pathlib import Path
    from ccdcgan.relaxation import ase_potentials, batches
    from ccdcgan.crystals.structures import read_set
    original = ase_potentials.AseRelaxMaker.relax
    def slow(self, structure):
        time.sleep(0.3)
        return original(self, structure)
    ase_potentials.AseRelaxMaker.relax = slow
    here = Path(sys.argv[1])
    journal = batches.Journal(here / "journal")
    batches.relax_batch(read_set(here / "in.extxyz"), json.loads(sys.argv[2]), journal, "b0")
"""


def start_batch(folder: Path) -> subprocess.Popen:
    """Start a process that relaxes folder/in.extxyz slowly."""
    library = Path(engines.__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(SLOW_BATCH), str(folder), json.dumps(config())]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(library)})


def wait_for_lines(journal: Path, n: int, timeout: float = 60) -> None:
    """Wait until a journal has ``n`` lines."""
    deadline = time.monotonic() + timeout
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= n):
        assert time.monotonic() < deadline, "the batch did not get that far"
        time.sleep(0.02)


def test_a_killed_batch_resumes_where_it_stopped(tmp_path: Path, monkeypatch) -> None:
    write_set(tmp_path / "in.extxyz", alloys())
    crystals = read_set(tmp_path / "in.extxyz")
    journal = tmp_path / "journal" / "b0.jsonl"
    process = start_batch(tmp_path)
    wait_for_lines(journal, 3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = journal.read_bytes().count(b"\n")
    assert 3 <= finished < len(crystals)
    done = count_relaxations(monkeypatch)
    resumed = relax_batch(crystals, config(), Journal(tmp_path / "journal"), "b0")
    assert len(done) == len(crystals) - finished
    write_set(tmp_path / "resumed.extxyz", [c.updated(relax_seconds=0.0) for c in resumed])
    uninterrupted = relax_batch(crystals, config(), Journal(tmp_path / "elsewhere"), "b0")
    write_set(tmp_path / "whole.extxyz", [c.updated(relax_seconds=0.0) for c in uninterrupted])
    assert outcome(resumed) == outcome(uninterrupted)
    assert (tmp_path / "resumed.extxyz").read_bytes() == (tmp_path / "whole.extxyz").read_bytes()


def test_two_processes_never_work_on_one_batch(tmp_path: Path, monkeypatch, caplog) -> None:
    write_set(tmp_path / "in.extxyz", alloys(5))
    crystals = read_set(tmp_path / "in.extxyz")
    process = start_batch(tmp_path)
    wait_for_lines(tmp_path / "journal" / "b0.jsonl", 1)
    done = count_relaxations(monkeypatch)
    with caplog.at_level(logging.INFO):
        relax_batch(crystals, config(), Journal(tmp_path / "journal"), "b0")
    assert process.wait() == 0
    assert done == []
    assert "waiting" in caplog.text


def test_an_exception_in_one_relaxation_is_recorded_and_retried(tmp_path: Path, monkeypatch) -> None:
    crystals = alloys(4)
    original = AseRelaxMaker.relax

    def crash(self, structure):
        if structure == crystals[1].structure:
            raise RuntimeError("singular matrix")
        return original(self, structure)

    monkeypatch.setattr(AseRelaxMaker, "relax", crash)
    results = relax_batch(crystals, config(), Journal(tmp_path), "b0")
    assert [c.info["reason"] for c in results] == ["", "engine_error", "too_close", ""]
    record = json.loads((tmp_path / "b0.jsonl").read_text().splitlines()[1])
    assert record["detail"] == "RuntimeError: singular matrix"
    monkeypatch.setattr(AseRelaxMaker, "relax", original)
    again = relax_batch(crystals, config(), Journal(tmp_path), "b0")
    assert [c.info["reason"] for c in again] == ["", "", "too_close", ""]


def test_an_unsupported_element_stops_the_batch_before_it_starts(tmp_path: Path, monkeypatch) -> None:
    done = count_relaxations(monkeypatch)
    crystals = [*alloys(2), Crystal("bad", Structure(Lattice.cubic(3.5), ["Bi"], [[0, 0, 0]]))]
    with pytest.raises(InputError, match="does not support Bi"):
        relax_batch(crystals, config(), Journal(tmp_path), "b0")
    assert done == []


def test_progress_counts_failures(tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.INFO):
        relax_batch(alloys(4), config(), Journal(tmp_path), "b0")
    assert "relaxing b0: 4/4 crystals (100 %)" in caplog.text
    assert "1 failed" in caplog.text


@given(st.lists(st.integers()), st.integers(1, 9))
def test_slices_gather_in_order(items: list[int], n: int) -> None:
    assert gather([slice_of(items, batch, n) for batch in range(n)]) == items


def test_slices_of_different_lists_do_not_gather() -> None:
    with pytest.raises(InputError, match="rename the folder"):
        gather([[1, 2], [3], [4, 5]])
    with pytest.raises(InputError, match="batch 3 is not one of 0 to 2.*evaluation.jobs.*verify.jobs"):
        slice_of([1], 3, 3)


def test_an_empty_batch(tmp_path: Path) -> None:
    assert relax_batch([], config(), Journal(tmp_path), "empty") == []


def test_results_of_an_earlier_run_are_read_from_its_journals(tmp_path):
    first = relax_batch(alloys(2), config(), Journal(tmp_path / "first"), "b0")
    second = relax_batch(alloys(2), config(), Journal(tmp_path / "second", known_folders=[tmp_path / "first"]), "b0")
    assert [crystal.info["energy_per_atom"] for crystal in second] == [
        crystal.info["energy_per_atom"] for crystal in first
    ]
    assert (tmp_path / "second/b0.jsonl").stat().st_size == 0


def test_a_result_made_with_the_former_guards_counts_where_the_present_ones_agree(tmp_path: Path) -> None:
    """An earlier version refused N2 as too close; what it refused for other reasons, or accepted, stays valid."""
    molecule = Structure(Lattice.cubic(3.5), ["N", "N"], [[0, 0, 0], [1.12, 0, 0]], coords_are_cartesian=True)
    fused = Structure(Lattice.cubic(3.5), ["N", "N"], [[0, 0, 0], [0.4, 0, 0]], coords_are_cartesian=True)
    oxide = Structure(Lattice.cubic(3.4), ["N", "Au"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystals = [Crystal(name, structure) for name, structure in (("a", molecule), ("b", fused), ("c", oxide))]
    former = config(guards=dict(FORMER))
    made = relax_batch(crystals, former, Journal(tmp_path / "old", code="x"), "000")
    assert [crystal.info["reason"] for crystal in made[:2]] == ["too_close", "too_close"]
    journal = Journal(tmp_path / "new", code="x", known_folders=[tmp_path / "old"])
    again = relax_batch(crystals, config(), journal, "000")
    written = [json.loads(line)["id"] for line in (tmp_path / "new/000.jsonl").read_text().splitlines()]
    assert written == ["a"] and again[0].info["reason"] != "too_close"
    assert outcome(again[1:]) == outcome(made[1:])
    assert outcome(relax_batch(crystals, config(), journal, "001")) == outcome(again)
    assert (tmp_path / "new/001.jsonl").read_text() == ""


def test_heavy_elements_keep_the_keys_of_the_former_guards() -> None:
    """Their limits are the former numbers, so that journals remain valid without a comparison."""
    assert identity(config(), ["Au", "Cu"]) == identity(config(guards=dict(FORMER)), ["Au", "Cu"])
    assert identity(config(), ["Au", "N"]) != identity(config(), ["Au", "Cu"])
