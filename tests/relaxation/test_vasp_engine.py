"""The VASP engine through atomate2, jobflow, custodian and a real process, replaying recorded VASP runs."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from pymatgen.core import SETTINGS, Lattice, Structure
from pymatgen.io.vasp import Incar, Kpoints, PotcarSingle
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from ccdcgan.crystals.structures import Crystal
from ccdcgan.relaxation.batches import Journal, relax_batch
from ccdcgan.relaxation.dft.kpoints import gamma_mesh
from ccdcgan.relaxation.dft.potcars import check_potcars, check_vasp_inputs, incar_tags
from ccdcgan.relaxation.dft.vasp import VaspRelaxMaker
from ccdcgan.relaxation.engines import make_engine
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


LEXCH = {"PBE": ("PE", "PAW_PBE"), "LDA": ("CA", "PAW"), "PW91": ("91", "PAW_GGA")}


def potcar(symbol: str, family: str, element: str | None = None, title: str | None = None) -> str:
    """Return a file with the header of a POTCAR and without a potential."""
    lexch, start = LEXCH[family]
    title = title or f"{start} {symbol} 06Sep2000"
    return f""" {title}
   5.00000000000000
 parameters from PSCTR are:
   VRHFIN ={element or symbol.split("_")[0]}: s2p3
   LEXCH  = {lexch}
   EATOM  =   178.3157 eV,   13.1058 Ry

   TITEL  = {title}
   POMASS =  208.980; ZVAL   =    5.000    mass and valenz
   ENMAX  =  105.037; ENMIN  =   78.777 eV
   LPAW   =        T    paw PP
END of PSCTR-controll parameters
 local part
   0.1
 End of Dataset
"""


@pytest.fixture
def library(monkeypatch, tmp_path: Path):
    """Return a function that writes a POTCAR into the library."""
    root = tmp_path / "potcars"
    root.mkdir()
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(root))
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(root))
    monkeypatch.delitem(SETTINGS, "PMG_VASP_PSP_SUB_DIRS", raising=False)

    def write(path: str, text: str) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".gz"):
            (root / path).write_bytes(gzip.compress(text.encode()))
        else:
            (root / path).write_text(text)

    write.root = root
    return write


@pytest.mark.parametrize(
    ("functional", "family", "path"),
    [
        ("PBE_54", "PBE", "POT_GGA_PAW_PBE_54/Bi_d/POTCAR"),
        ("PBE_54", "PBE", "POT_GGA_PAW_PBE_54/POTCAR.Bi_d"),
        ("PBE_54", "PBE", "POT_GGA_PAW_PBE_54/POTCAR.Bi_d.gz"),
        ("PBE_52", "PBE", "POT_GGA_PAW_PBE_52/Bi_d/POTCAR.gz"),
        ("PBE_64", "PBE", "POT_PAW_PBE_64/Bi_d/POTCAR"),
        ("LDA_54", "LDA", "POT_LDA_PAW_54/Bi_d/POTCAR"),
        ("PW91", "PW91", "POT_GGA_PAW_PW91/Bi_d/POTCAR"),
    ],
)
def test_potcars_are_found_where_pymatgen_finds_them(library, functional: str, family: str, path: str) -> None:
    with pytest.raises(InputError, match=rf"no POTCAR Bi_d .*which has no folder {path.split('/')[0]} "):
        check_potcars({"Bi"}, {}, functional)
    library(path, potcar("Bi_d", family))
    check_potcars({"Bi"}, {}, functional)


def test_a_folder_of_another_name_is_named_or_configured(library, monkeypatch) -> None:
    library("POT_PAW_PBE_54/Bi_d/POTCAR", potcar("Bi_d", "PBE"))
    with pytest.raises(InputError, match="has no folder POT_GGA_PAW_PBE_54 .it has POT_PAW_PBE_54.; give the folder"):
        check_potcars({"Bi"}, {}, "PBE_54")
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_SUB_DIRS", {"PBE_54": "POT_PAW_PBE_54"})
    check_potcars({"Bi"}, {}, "PBE_54")
    library("POT_PAW_PBE_54/POTCAR.Bi", potcar("Bi", "PBE"))
    with pytest.raises(InputError, match="no POTCAR Bi_x .*which has Bi, Bi_d; add Bi_x/POTCAR or POTCAR.Bi_x"):
        check_potcars({"Bi"}, {"Bi": "Bi_x"}, "PBE_54")


def test_the_home_folder_may_be_abbreviated(library, monkeypatch) -> None:
    library("POT_GGA_PAW_PBE_54/Bi_d/POTCAR", potcar("Bi_d", "PBE"))
    monkeypatch.setenv("HOME", str(library.root.parent))
    monkeypatch.setenv("PMG_VASP_PSP_DIR", "~/potcars")
    check_potcars({"Bi"}, {}, "PBE_54")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (potcar("Bi_d", "LDA"), "another functional than PBE_54 .LEXCH = CA, TITEL = PAW Bi_d"),
        (potcar("Bi_d", "PW91"), "another functional than PBE_54 .LEXCH = 91"),
        (potcar("Bi_d", "PBE", title="PAW_GGA Bi_d 06Sep2000"), "another functional .*TITEL = PAW_GGA"),
        (potcar("Bi_d", "PBE").replace("   LEXCH  = PE\n", ""), "another functional .*LEXCH = missing"),
        (potcar("Se", "PBE"), "for Bi in .* is of Se .TITEL = PAW_PBE Se"),
        ("not a POTCAR\n", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_wrong_potcar_is_refused_by_its_header(library, text: str, message: str) -> None:
    library("POT_GGA_PAW_PBE_54/Bi_d/POTCAR", text)
    with pytest.raises(InputError, match=message):
        check_potcars({"Bi"}, {}, "PBE_54")
    with pytest.raises(InputError, match=message):
        VaspRelaxMaker(command="true").check_elements({"Bi"})


def test_potentials_of_pbe_in_the_library_of_lda_are_refused(library) -> None:
    library("POT_LDA_PAW_54/Bi_d/POTCAR", potcar("Bi_d", "PBE"))
    with pytest.raises(InputError, match="another functional than LDA_54 .LEXCH = PE"):
        check_potcars({"Bi"}, {}, "LDA_54")


@pytest.mark.parametrize("name", ["PBE54", "pbe_54", "PBE-54", "PBE 54", "POT_GGA_PAW_PBE_54", "potpaw_PBE.54"])
def test_a_misspelt_functional_gets_a_suggestion(name: str) -> None:
    for check in (
        lambda: check_potcars({"Bi"}, {}, name),
        lambda: VaspRelaxMaker(command="true", potcar_functional=name),
    ):
        with pytest.raises(
            InputError, match=r"potcar_functional is .*choose one of PBE, .*PBE_64.*did you mean PBE_54\?"
        ):
            check()


@pytest.mark.parametrize("name", ["nonsense", 54, None, ""])
def test_an_unknown_functional_is_refused(name) -> None:
    with pytest.raises(InputError, match="choose one of PBE, PBE_52"):
        check_vasp_inputs({}, name)


@pytest.mark.parametrize(
    ("incar", "functional"),
    [({}, "LDA_54"), ({"GGA": "CA"}, "PBE_54"), ({"gga": "91"}, "PBE_64"), ({}, "PW91"), ({"GGA": "PS"}, "LDA")],
)
def test_potentials_of_another_functional_than_computed_are_refused(incar, functional) -> None:
    with pytest.raises(InputError, match="potentials of .* but VASP computes with GGA = "):
        check_vasp_inputs(incar, functional)


@pytest.mark.parametrize(
    ("incar", "functional"),
    [
        ({"GGA": "CA"}, "LDA_54"),
        ({"GGA": None}, "LDA_54"),
        ({"GGA": "PS"}, "PBE_54"),
        ({"METAGGA": "R2SCAN"}, "PBE_64"),
    ],
)
def test_a_functional_with_its_potentials_is_accepted(incar, functional) -> None:
    check_vasp_inputs(incar, functional)


@pytest.mark.parametrize(
    ("incar", "message"),
    [
        ({"ENCUTT": 520}, "'ENCUTT', which is not a tag of VASP; did you mean ENCUT?"),
        ({"ismaer": 0}, "'ismaer', which is not a tag of VASP; did you mean ISMEAR?"),
        ({"KSPACNG": 0.2}, "did you mean KSPACING?"),
        ({"colour": "red"}, "'colour', which is not a tag of VASP; remove it"),
        ({3: 1}, "has 3, which is not a tag"),
        ({"encut": 520, "ENCUT": 500}, "the tag ENCUT twice"),
        ({"ENCUT": "high"}, "ENCUT is 'high'; VASP needs a number"),
        ({"ENCUT": float("nan")}, "ENCUT is nan; VASP needs a number"),
        ({"SIGMA": float("inf")}, "SIGMA is inf; VASP needs a number"),
        ({"ISPIN": 1.5}, "ISPIN is 1.5; VASP needs an integer"),
        ({"NSW": True}, "NSW is True; VASP needs an integer"),
        ({"LASPH": "yes"}, "LASPH is 'yes'; VASP needs true or false"),
    ],
)
def test_wrong_incar_tags_are_refused(incar, message: str) -> None:
    for check in (lambda: incar_tags(incar), lambda: VaspRelaxMaker(command="true", potcar_spec=True, incar=incar)):
        with pytest.raises(InputError) as caught:
            check()
        assert message in str(caught.value)


def test_tags_in_small_letters_reach_vasp(tmp_path: Path) -> None:
    incar = {"encut": 520, "Lasph": None, "EDIFF": "1e-6", "ML_LMLFF": False, "MAGMOM": {"Si": 1.0}, "LREAL": "Auto"}
    maker = VaspRelaxMaker(command="true", potcar_spec=True, incar=incar)
    maker.write_inputs(Structure(Lattice.cubic(3.9), ["Si"], [[0, 0, 0]]), tmp_path)
    written = Incar.from_file(tmp_path / "INCAR")
    assert written["ENCUT"] == 520 and "LASPH" not in written and written["EDIFF"] == pytest.approx(1e-6)


def test_a_left_handed_crystal_is_not_mirrored_in_the_poscar(tmp_path: Path) -> None:
    quartz = Structure.from_spacegroup(
        152, Lattice.hexagonal(4.91, 5.43), ["Si", "O"], [[0.469, 0, 0], [0.403, 0.254, 0.228]]
    )
    swapped = Structure(quartz.lattice.matrix[[1, 0, 2]], quartz.species, quartz.frac_coords[:, [1, 0, 2]])
    assert np.linalg.det(swapped.lattice.matrix) < 0
    maker = VaspRelaxMaker(command="true", potcar_spec=True)
    maker.write_inputs(swapped, tmp_path)
    job = maker.make(swapped).jobs[0]
    for structure in (Structure.from_file(tmp_path / "POSCAR"), job.function_args[0]):
        assert np.linalg.det(structure.lattice.matrix) > 0
        assert SpacegroupAnalyzer(structure, symprec=1e-3).get_space_group_number() == 152


def test_the_schema_lists_the_functionals_of_pymatgen() -> None:
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    vasp = schema["properties"]["relaxation"]["properties"]["vasp"]["properties"]
    assert vasp["potcar_functional"]["enum"] == list(PotcarSingle.functional_dir)
