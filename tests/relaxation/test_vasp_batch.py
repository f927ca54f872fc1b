"""Batches through atomate2, custodian and jobflow on any crystal, with a stand-in for VASP that uses EMT."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from itertools import groupby
from pathlib import Path

import pytest
from pymatgen.io.vasp import Incar, Kpoints, Poscar

from ccdcgan.crystals.structures import Crystal, read_set, write_set
from ccdcgan.relaxation import engines
from ccdcgan.relaxation.ase_potentials import AseRelaxMaker
from ccdcgan.relaxation.batches import Journal, relax_batch
from tests.conftest import ROOT, TOY, Workflow
from tests.evaluation.test_verification import cu3au
from tests.support.alloys import copper_gold
from tests.support.vasp_stand_in import SHIFT, VERSION

STAND_IN = f"{sys.executable} {ROOT / 'tests/support/vasp_stand_in.py'}"
EDDRMM = "WARNING in EDDRMM: call to ZHEGV failed, returncode = 6 3 5"


def section(**vasp) -> dict:
    """Return a relaxation section for the stand-in."""
    settings = {"command": STAND_IN, "potcar_spec": True, "custodian_poll": 0.1, "k_length": 20}
    return {"engine": "vasp", "fmax": 0.02, "guards": {}, "vasp": settings | vasp}


def journal_in(folder: Path, name: str = "journal") -> Journal:
    """Return a journal in a folder, and the folder of VASP's files beside it."""
    return Journal(folder / name, work_dir=folder / "work")


def gold_rich() -> Crystal:
    """Return L1_2 CuAu3."""
    return Crystal("au3", cu3au(4.0).copy().replace_species({"Cu": "Au", "Au": "Cu"}, in_place=False))


def emt_energy(crystal: Crystal) -> float:
    """Return the relaxed energy per atom (eV) of EMT without the interface of VASP."""
    return AseRelaxMaker(fmax=0.01).relax(crystal.structure).energy_per_atom + SHIFT


def test_a_batch_continues_after_errors_that_custodian_corrects_or_not(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("STAND_IN_ERROR", f"Cu3Au={EDDRMM}")
    monkeypatch.setenv("STAND_IN_FATAL", f"CuAu3={EDDRMM}")
    crystals = [gold_rich(), Crystal("cu3", cu3au(3.7)), Crystal("l10", copper_gold(3.9))]
    results = relax_batch(crystals, section(), journal_in(tmp_path), "b0")
    assert [c.info["reason"] for c in results] == ["vasp_failed", "", ""]
    records = [json.loads(line) for line in (tmp_path / "journal/b0.jsonl").read_text().splitlines()]
    assert "custodian saw eddrmm" in records[0]["detail"]
    for crystal, result, record in zip(crystals[1:], results[1:], records[1:], strict=True):
        assert result.info["energy_per_atom"] == pytest.approx(emt_energy(crystal), abs=1e-3)
        assert [stage["converged"] for stage in record["stages"]] == [True, True]
        assert len(record["forces"]) == len(crystal.structure)
        assert max(map(abs, record["stress"])) < 0.01
        assert record["provenance"]["vasp"] == VERSION
        assert f"PAW_PBE {crystal.structure[0].specie} 01Jan2000" in record["provenance"]["potcars"]
        assert record["provenance"]["incar"]["ENCUT"].startswith("500")


def test_without_steps_vasp_runs_once_where_the_crystal_is(tmp_path: Path) -> None:
    crystal = Crystal("l10", copper_gold(3.9))
    relax_batch([crystal], section(), journal_in(tmp_path, "before"), "b0")  # must not be resumed below
    [result] = relax_batch([crystal], section() | {"max_steps": 0}, journal_in(tmp_path), "b0")
    [record] = [json.loads(line) for line in (tmp_path / "journal/b0.jsonl").read_text().splitlines()]
    there = AseRelaxMaker(max_steps=0).relax(crystal.structure).energy_per_atom + SHIFT
    assert result.info["energy_per_atom"] == pytest.approx(there, abs=1e-3)
    assert there > emt_energy(crystal) + 0.01
    assert result.structure.matches(crystal.structure, scale=False)
    assert [(stage["n_steps"], stage["converged"]) for stage in record["stages"]] == [(0, True)]
    assert record["provenance"]["incar"]["NSW"] == "0"


def test_a_crystal_that_ran_out_of_time_resumes_at_its_last_ionic_step(tmp_path: Path, monkeypatch) -> None:
    crystals = [Crystal("cu3", cu3au(3.5))]
    monkeypatch.setenv("STAND_IN_SECONDS", "0.5")
    (stopped,) = relax_batch(crystals, section(wall_clock=2.5), journal_in(tmp_path), "b0")
    assert (stopped.info["status"], stopped.info["reason"]) == ("failed", "wall_clock")
    monkeypatch.setenv("STAND_IN_SECONDS", "0")
    (result,) = relax_batch(crystals, section(), journal_in(tmp_path), "b0")
    (whole,) = relax_batch(crystals, section(), journal_in(tmp_path / "new"), "b0")
    assert result.info["status"] == "ok"
    assert result.info["n_steps"] < whole.info["n_steps"]
    assert result.info["energy_per_atom"] == pytest.approx(whole.info["energy_per_atom"], abs=1e-3)


BATCH = """
    import json, sys
    from pathlib import Path
    from ccdcgan.relaxation.batches import Journal, relax_batch
    from ccdcgan.crystals.structures import read_set
    here = Path(sys.argv[1])
    journal = Journal(here / "journal", work_dir=here / "work")
    relax_batch(read_set(here / "in.extxyz"), json.loads(sys.argv[2]), journal, "b0")
"""


def test_a_killed_batch_resumes_at_the_last_ionic_step(tmp_path: Path) -> None:
    crystals = [Crystal("l10", copper_gold(3.7)), Crystal("cu3", cu3au(3.5))]
    write_set(tmp_path / "in.extxyz", crystals)
    library = Path(engines.__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(BATCH), str(tmp_path), json.dumps(section())]
    environment = os.environ | {"PYTHONPATH": str(library), "STAND_IN_KILL": "Cu3Au"}
    process = subprocess.run(command, env=environment, start_new_session=True, capture_output=True, check=False)
    assert process.returncode == -signal.SIGKILL
    journal = tmp_path / "journal/b0.jsonl"
    assert journal.read_bytes().count(b"\n") == 1  # the first crystal was finished
    left = list((tmp_path / "work").glob("Cu3Au-*/job_*/CONTCAR"))
    assert len(left) == 1
    results = relax_batch(crystals, section(), journal_in(tmp_path), "b0")
    assert [c.info["status"] for c in results] == ["ok", "ok"]
    assert journal.read_bytes().count(b"\n") == 2
    second = sorted((tmp_path / "work").glob("Cu3Au-*/job_*/POSCAR*"))
    assert len([path for path in second if path.name in ("POSCAR", "POSCAR.gz")]) == 3
    assert results[1].info["energy_per_atom"] == pytest.approx(emt_energy(crystals[1]), abs=1e-3)


def test_inputs_can_be_reviewed_without_vasp_or_potcars(workflow: Workflow, toy_run: Workflow) -> None:
    for part in (".snakemake", "results/toy/database"):
        (workflow.folder / part).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(toy_run.folder / part), str(workflow.folder / part)], check=True)
    override = workflow.folder / "vasp.yaml"
    override.write_text(
        "relaxation: {vasp: {encut: 450, kpoints: [3, 4, 5], incar: {ISPIN: 1, LASPH: null}, potcar: {Cu: Cu_pv}}}"
    )
    workflow.run("vasp_inputs", "--cores", "1", *TOY, override)
    crystals = read_set(workflow.folder / "results/toy/database/substituted.extxyz")
    inputs = workflow.folder / "results/toy/vasp_inputs"
    folders = sorted(path for path in inputs.iterdir() if path.is_dir())
    assert [folder.name for folder in folders] == sorted(c.id for c in crystals if c.info.get("status") != "failed")
    for folder in folders:
        incar = Incar.from_file(folder / "INCAR")
        assert (incar["ENCUT"], incar["ISPIN"], incar["GGA"].upper()) == (450, 1, "PE")
        assert "LASPH" not in incar
        assert tuple(Kpoints.from_file(folder / "KPOINTS").kpts[0]) == (3, 4, 5)
        elements = [
            symbol
            for symbol, _ in groupby(site.specie.symbol for site in Poscar.from_file(folder / "POSCAR").structure)
        ]
        names = {"Cu": "Cu_pv", "Au": "Au"}
        assert (folder / "POTCAR.spec").read_text().split() == [names[symbol] for symbol in elements]


def test_a_run_without_potcars_is_refused_before_its_first_job(workflow: Workflow, monkeypatch) -> None:
    monkeypatch.delenv("PMG_VASP_PSP_DIR", raising=False)
    monkeypatch.setenv("HOME", str(workflow.folder))  # where pymatgen's own settings would be
    paper = ("--configfile", str(ROOT / "presets/paper.yaml"))
    planned = workflow.run("--dry-run", *paper)
    assert "This run would not start" in planned.stdout and "PMG_VASP_PSP_DIR is not set" in planned.stdout
    done = workflow.run("--cores", "1", *paper, check=False)
    assert done.returncode != 0
    assert "PMG_VASP_PSP_DIR is not set" in done.stdout
    assert not list((workflow.folder / "results").rglob("*.extxyz"))
    library = workflow.folder / "potcars"
    library.mkdir()
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(library))
    assert "no POTCAR Bi_d (PBE_54) for Bi" in workflow.run("--cores", "1", *paper, check=False).stdout
    override = workflow.folder / "vasp.yaml"
    override.write_text("{relaxation: {vasp: {incar: {ENCUTT: 520}}}}")
    planned = workflow.run("--dry-run", *paper, override).stdout
    assert "This run would not start" in planned and "did you mean ENCUT?" in planned
    override.write_text("{relaxation: {vasp: {potcar_functional: PBE99}}}")
    refused = workflow.run("--cores", "1", *paper, override, check=False)
    assert refused.returncode != 0 and "PBE99" in refused.stdout and "PBE_54" in refused.stdout
