"""The VASP engine through atomate2, jobflow, custodian and a real process, replaying recorded VASP runs."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import SETTINGS, Lattice, Structure
from pymatgen.io.vasp import Incar, Kpoints

from ccdcgan.crystals.structures import Crystal
from ccdcgan.relaxation.batches import Journal, relax_batch
from ccdcgan.relaxation.engines import make_engine
from ccdcgan.relaxation.kpoints import gamma_mesh
from ccdcgan.relaxation.vasp import VaspRelaxMaker
from ccdcgan.utils.errors import InputError
from tests.conftest import ROOT

RECORDED = ROOT.parent / "shared" / "vasp_recorded"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded VASP runs are not beside this checkout")


def silicon() -> Structure:
    """Return the structure that the recorded runs started from."""
    return Structure.from_file(RECORDED / "Si_PBE_mp_relax" / "GGA_Relax_1" / "inputs" / "POSCAR.gz")


def section(**vasp) -> dict:
    """Return a relaxation section for VASP that replays the recorded runs."""
    settings = {
        "command": str(RECORDED / "bin" / "vasp_std"),
        "encut": 520,
        "k_length": 40,
        "incar": {"EDIFFG": None},
        "potcar_spec": True,
        "custodian_poll": 0.1,
    }
    return {"engine": "vasp", "fmax": 0.05, "guards": {}, "vasp": settings | vasp}


@pytest.fixture
def replay(monkeypatch):
    """Point the stand-in for VASP at the recorded runs."""
    monkeypatch.setenv("FAKE_VASP_DATA", str(RECORDED / "Si_PBE_mp_relax"))
    return monkeypatch


def test_mesh_is_vasps_automatic_scheme() -> None:
    """N = max(1, int(40 / d + 0.5)) for a cell of edges d (no 2 pi): 4 angstrom gives 10."""
    assert gamma_mesh(Structure(Lattice.orthorhombic(4, 8, 100), ["Si"], [[0, 0, 0]]), 40) == (10, 5, 1)
    hexagonal = Structure(Lattice.hexagonal(4, 30), ["Bi"], [[0, 0, 0]])
    assert gamma_mesh(hexagonal, 40) == (12, 12, 1)  # |b| = 1 / (4 cos 30 degree) = 0.2887


def test_a_missing_vasp_is_reported(monkeypatch) -> None:
    monkeypatch.delenv("ATOMATE2_VASP_CMD", raising=False)
    monkeypatch.setenv("VASP_CMD", "no_such_vasp --flag")
    with pytest.raises(InputError, match="'no_such_vasp'.*relaxation.vasp.command"):
        VaspRelaxMaker(potcar_spec=True)


def test_a_missing_potcar_library_is_reported(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PMG_VASP_PSP_DIR", raising=False)
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", None)
    with pytest.raises(InputError, match="PMG_VASP_PSP_DIR is not set"):
        make_engine({"engine": "vasp", "fmax": 0.05, "vasp": {"command": "true"}})
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere, which is not a folder"):
        VaspRelaxMaker(command="true")


def test_a_missing_potcar_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(tmp_path))
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(tmp_path))
    with pytest.raises(InputError, match=r"no POTCAR Bi_d \(PBE_54\) for Bi"):
        VaspRelaxMaker(command="true").check_elements({"Se", "Bi"})


@recorded
def test_silicon_end_to_end(replay, tmp_path: Path) -> None:
    engine = make_engine(section(), tmp_path)
    relaxation = engine.relax(silicon())
    assert (relaxation.status, relaxation.reason) == ("ok", "")
    assert relaxation.energy_per_atom == pytest.approx(-5.42, abs=0.01)
    assert [stage["n_steps"] for stage in relaxation.stages] == [3, 1]
    assert relaxation.n_steps == 4
    assert relaxation.fmax < 0.05
    assert relaxation.structure.lattice.a == pytest.approx(3.867, abs=0.01)  # PBE: 5.469 / sqrt 2
    runs = sorted(tmp_path.glob("Si-*/job_*"))
    assert len(runs) == 2
    incar = Incar.from_file(runs[0] / "INCAR.gz")
    assert (incar["GGA"].upper(), incar["ENCUT"], incar["ISIF"]) == ("PE", 520, 3)
    kpoints = Kpoints.from_file(runs[0] / "KPOINTS.gz")
    assert kpoints.style == Kpoints.supported_modes.Gamma
    assert tuple(kpoints.kpts[0]) == gamma_mesh(silicon(), 40)


@recorded
def test_custodian_corrects_an_error(replay, tmp_path: Path) -> None:
    replay.setenv("FAKE_VASP_INJECT", "WARNING in EDDRMM: call to ZHEGV failed")
    relaxation = make_engine(section(), tmp_path).relax(silicon())
    assert relaxation.status == "ok"
    for report in tmp_path.glob("Si-*/job_*/custodian.json.gz"):
        (run,) = json.loads(gzip.decompress(report.read_bytes()))
        assert [correction["errors"] for correction in run["corrections"]] == [["eddrmm"]]
    assert len(list(tmp_path.glob("Si-*/job_*/custodian.json.gz"))) == 2


@recorded
def test_an_error_that_custodian_cannot_correct_is_a_failure_with_its_reason(replay, tmp_path: Path) -> None:
    crystals = [
        Crystal("stretched", silicon().copy().apply_strain(0.05, inplace=False)),
        Crystal("silicon", silicon()),
        Crystal("dense", silicon().copy().apply_strain(-0.4, inplace=False)),
    ]
    results = relax_batch(crystals, section(), Journal(tmp_path / "journal", work_dir=tmp_path / "work"), "b0")
    assert [c.info["status"] for c in results] == ["failed", "ok", "failed"]
    assert [c.info["reason"] for c in results] == ["vasp_failed", "", "too_dense"]
    assert np.isnan(results[0].info["energy_per_atom"])
    record = json.loads((tmp_path / "journal" / "b0.jsonl").read_text().splitlines()[0])
    assert "Error" in record["detail"]
    # Finished crystals are not computed again.
    before = sorted(os.listdir(tmp_path / "work"))
    again = relax_batch(crystals, section(), Journal(tmp_path / "journal", work_dir=tmp_path / "work"), "b0")
    assert [c.structure for c in again] == [c.structure for c in results]
    assert sorted(os.listdir(tmp_path / "work")) == before
