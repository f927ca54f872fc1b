"""POSCAR, extended XYZ, JSON and database files of the user: a crystal or a reason for each structure."""

import gzip
import json

import ase.db
import numpy as np
import pytest
from ase import Atoms

from tests.support.crystal_files import frame, poscar, read
from tests.support.crystals import cesium_chloride, rock_salt

BAD_FRAMES = {
    "singular cell": (frame("3.6 0 0 3.6 0 0 0 0 3.6"), "bad_lattice"),
    "no cell": ("2\ncomment\nBi 0 0 0\nSe 1 1 1\n", "bad_lattice"),
    "nan": (frame(atoms=("Bi nan 0 0", "Se 1.8 1.8 1.8")), "not_finite_numbers"),
    "infinite cell": (frame("inf 0 0 0 3.6 0 0 0 3.6"), "not_finite_numbers"),
    "tiny cell": (frame("1e-9 0 0 0 3.6 0 0 0 3.6"), "bad_lattice"),
    "huge cell": (frame("1e9 0 0 0 3.6 0 0 0 3.6"), "bad_lattice"),
    "one place": (frame(atoms=("Bi 0 0 0", "Se 0 0 3.6")), "too_close"),
    "dummy atom": (frame(atoms=("X 0 0 0", "Se 1.8 1.8 1.8")), "not_an_element"),
    "unknown element": (frame(atoms=("Qq 0 0 0", "Se 1.8 1.8 1.8")), "not_an_element"),
    "too few atoms": (frame(number=3), "unreadable"),
    "too many atoms": (frame(number=1), "unreadable"),
    "absurd number": (frame(number=999999999), "unreadable"),
    "text for a number": (frame(atoms=("Bi 0 0 zero", "Se 1.8 1.8 1.8")), "unreadable"),
    "absurd columns": (frame(info="Properties=species:S:1:pos:R:999999999"), "unreadable"),
    "slab": (frame(info='pbc="T T F"'), "not_three_dimensional"),
}


@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_a_bad_frame_does_not_hide_the_others(tmp_path, kind):
    bad, reason = BAD_FRAMES[kind]
    crystals, rows = read(tmp_path, **{"a.xyz": frame() + bad + frame("4 0 0 0 4 0 0 0 4")})
    assert list(crystals) == ["file-a.xyz-0", "file-a.xyz-2"]
    assert rows["file-a.xyz-1"][0] == reason and "a.xyz" in rows["file-a.xyz-1"][1]


def test_formulas_that_look_like_numbers_in_a_frame(tmp_path):
    atoms = ("In 0 0 0", "F 1.8 1.8 1.8")
    crystals, _ = read(tmp_path, **{"a.xyz": frame(atoms=atoms, info="formula=InF name=NaN energy=inf")})
    assert crystals["file-a.xyz"].composition.reduced_formula == "InF"


BAD_POSCARS = {
    "nan": (poscar(("nan 0 0", "0.5 0.5 0.5")), "not_finite_numbers"),
    "infinite": (poscar(("inf 0 0", "0.5 0.5 0.5")), "not_finite_numbers"),
    "far away": (poscar(("1e30 0 0", "0.5 0.5 0.5")), "not_finite_numbers"),
    "nan cell": (poscar(a="nan"), "not_finite_numbers"),
    "zero scale": (poscar(scale="0.0"), "bad_lattice"),
    "flat cell": (poscar(a="0.0"), "bad_lattice"),
    "one place": (poscar(("0 0 0", "1 0 0")), "too_close"),
    "own image": (poscar(a="0.1"), "bad_lattice"),
    "absurd counts": (poscar(counts="1000000000 1"), "too_many_atoms"),
    "too few lines": (poscar(counts="1 2"), "unreadable"),
    "too many lines": (poscar(counts="1", elements="Bi"), "unreadable"),
    "stars": (poscar(("****** 0 0", "0.5 0.5 0.5")), "unreadable"),
    "dummy": (poscar(elements="Xx Se"), "not_an_element"),
    "empty": ("", "unreadable"),
    "slab": (poscar(("0 0 0", "0.5 0.5 0.1"), c="20"), "not_three_dimensional"),
    "molecule": (poscar(("0 0 0", "0.1 0 0"), a="10", b="10", c="10", elements="N O"), "not_three_dimensional"),
}


@pytest.mark.parametrize("kind", BAD_POSCARS)
def test_a_bad_poscar_is_a_row_with_its_reason(tmp_path, kind):
    text, reason = BAD_POSCARS[kind]
    crystals, rows = read(tmp_path, **{"b.vasp": text})
    assert not crystals and rows["file-b.vasp"][0] == reason, rows
    assert "b.vasp" in rows["file-b.vasp"][1]


def test_usual_variants_of_poscars_are_read(tmp_path):
    files = {
        "POSCAR": poscar(elements="Bi_d Se"),
        "poscar-lower": poscar(elements="Bi/abc123 Se/def456"),
        "a.VASP": poscar(scale="-46.656"),
        "b.vasp": poscar().replace("Bi Se\n", ""),
        "c.vasp": poscar() + "\n0 0 0\n0 0 0\n",
        "d.vasp": poscar(("0 0 0 T T T", "0.5 0.5 0.5 F F F")).replace("Direct", "Selective dynamics\nDirect"),
        "e.vasp": poscar(("0 0 0", "1.8 1.8 1.8")).replace("Direct", "Cartesian"),
        "f.vasp": poscar(comment=""),
        "CONTCAR.gz": gzip.compress(poscar().encode()),
        "g.VASP.GZ": gzip.compress(poscar().encode()),
    }
    crystals, rows = read(tmp_path, **files)
    assert set(crystals) == {f"file-{name}" for name in files}, rows
    assert {round(structure.volume, 2) for structure in crystals.values()} == {46.66}


def test_one_bad_structure_of_a_document_or_database_does_not_hide_the_others(tmp_path):
    bad = cesium_chloride().as_dict()
    bad["sites"][0]["abc"] = [float("nan"), 0, 0]
    broken = cesium_chloride().as_dict()
    broken["lattice"]["matrix"] = "oops"
    molecule = {"@class": "Molecule", "sites": [{"species": [{"element": "N", "occu": 1}], "xyz": [0, 0, 0]}]}
    document = [cesium_chloride().as_dict(), bad, {"entry": broken}, molecule, rock_salt().as_dict()]
    with ase.db.connect(tmp_path / "b.db") as database:
        for atoms in (
            cesium_chloride().to_ase_atoms(),
            Atoms("XSe", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=np.eye(3) * 3.6, pbc=True),
            Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]]),
            rock_salt().to_ase_atoms(),
        ):
            database.write(atoms)
    crystals, rows = read(tmp_path, **{"a.json": json.dumps(document)})
    assert [rows[f"file-a.json-{n}"][0] for n in range(5)] == [
        "", "not_finite_numbers", "unreadable", "not_three_dimensional", "",
    ]  # fmt: skip
    assert [rows[f"file-b.db-{n}"][0] for n in range(4)] == ["", "not_an_element", "bad_lattice", ""]
    assert len(crystals) == 4
