"""Structure files: pymatgen and ASE read the crystal that was written, whatever its symmetry and its cell."""

import io
import json
import logging
import re
import zipfile
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
import spglib
from ase.db import connect
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifParser, CifWriter
from pymatgen.io.vasp import Poscar

from ccdcgan.crystals.read_back import CIF_READERS, difference, text_difference, write_checked_set, written_cell
from ccdcgan.crystals.structures import Crystal, read_set
from ccdcgan.exports.best_candidates import write_best
from ccdcgan.exports.optimade import write_optimade
from ccdcgan.exports.structure_files import (
    CIF_TOLERANCE,
    cif_text,
    cif_text_p1,
    poscar_text,
    write_ase_database,
    write_cif_archive,
)
from ccdcgan.report.candidates import views
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import safe_name
from tests.support.crystals import bi2se3
from tests.support.random_crystals import random_crystals


def candidate() -> Structure:
    """Return a relaxed candidate of Au and Cu whose cell, symmetrised within 0.1 angstrom, has a higher symmetry."""
    lattice = [[2.794619, 0, 0], [0.000663, 3.736173, 0], [1.264040, 1.672942, 11.247152]]
    positions = [
        [0.06913618, 3.05885228, 0.07372735],
        [2.87439274, 3.06532832, 2.89113690],
        [1.30902326, 4.73228946, 8.48865137],
        [1.47334350, 1.20674587, 1.44107234],
        [2.71885559, 2.85893200, 9.93595910],
    ]
    return Structure(lattice, ["Cu", "Au", "Au", "Au", "Au"], positions, coords_are_cartesian=True)


def read_cif(text: str) -> list[Structure]:
    """Return what pymatgen and ASE read, without the functions under test."""
    (pymatgen,) = CifParser.from_str(text).parse_structures(primitive=False)
    return [pymatgen, AseAtomsAdaptor.get_structure(ase.io.read(io.StringIO(text), format="cif"))]


def read_poscar(text: str) -> list[Structure]:
    """Return what pymatgen and ASE read, without the functions under test."""
    return [
        Poscar.from_str(text).structure,
        AseAtomsAdaptor.get_structure(ase.io.read(io.StringIO(text), format="vasp")),
    ]


def neighbours(structure: Structure) -> dict[str, np.ndarray]:
    """Return the sorted distances of the nearest 12 atoms, by element and place, which do not depend on the cell."""
    centres, _, _, distances = structure.get_neighbor_list(8.0)
    result = {}
    for element in structure.symbol_set:
        atoms = [i for i, site in enumerate(structure) if site.specie.symbol == element]
        result[element] = np.sort([np.sort(distances[centres == i])[:12] for i in atoms], axis=0)
    return result


def group_of(text: str) -> int:
    """Return the number of the space group that a CIF names."""
    return int(re.search(r"_symmetry_Int_Tables_number\s+(\d+)", text)[1])


def farthest(found: Structure, expected: Structure) -> float:
    """Return the largest difference of the distances between atoms, angstrom; infinite for another composition."""
    if found.composition.fractional_composition.almost_equals(expected.composition.fractional_composition):
        one, other = neighbours(found), neighbours(expected)
        times = np.lcm(len(found), len(expected))
        return max(
            np.abs(
                np.repeat(one[element], times // len(found), axis=0)
                - np.repeat(other[element], times // len(expected), axis=0)
            ).max()
            for element in one
        )
    return np.inf


def check_random_crystals(count: int, seed: int) -> None:
    """Read the files of random crystals back; some must be symmetric and some not."""
    symmetric = 0
    for number, structure in enumerate(random_crystals(count, seed)):
        text = cif_text(structure)
        symmetric += group_of(text) > 1
        for found in read_cif(text):
            # Two atoms move by CIF_TOLERANCE each, and by the strain of the cell.
            assert farthest(found, structure) < 5 * CIF_TOLERANCE, (number, structure)
        for found in (*read_cif(cif_text_p1(structure)), *read_poscar(poscar_text(structure))):
            assert farthest(found, structure) < 0.01, (number, structure)
    assert 0.3 * count < symmetric < 0.9 * count


def test_crystals_of_many_groups_are_read_back():
    check_random_crystals(90, seed=0)


def test_a_symmetry_that_makes_another_crystal_is_not_written():
    crystal = candidate()
    refined = str(CifWriter(crystal, symprec=0.1))
    assert read_cif(refined)[0].composition.reduced_formula == "CuAu8"
    assert "Cu1 Au8 in place of Cu1 Au4" in text_difference(CIF_READERS, refined, lambda f: difference(crystal, f))
    for found in read_cif(cif_text(crystal)):
        assert found.composition.reduced_formula == "CuAu4"
        assert farthest(found, crystal) < 5 * CIF_TOLERANCE


def test_a_cif_has_the_symmetry_of_the_crystal_and_no_more():
    primitive = bi2se3().get_primitive_structure()
    assert group_of(cif_text(primitive)) == group_of(cif_text(primitive * (2, 1, 1))) == 166
    nearly = primitive.copy()
    nearly.perturb(0.004)
    assert group_of(cif_text(nearly)) == 166
    bent = primitive.copy()
    for atom, move in enumerate([[0.05, 0.02, 0.01], [-0.01, 0.06, 0.05], [0.03, -0.05, 0.02]]):
        bent.translate_sites([atom], move, frac_coords=False)
    assert group_of(cif_text(bent)) == 1


ENANTIOMORPHS = ((76, 78), (91, 95), (92, 96), (144, 145), (151, 153), (152, 154), (169, 170), (171, 172), (178, 179))
ENANTIOMORPHS += ((180, 181), (212, 213))


@pytest.mark.parametrize("group", [group for pair in ENANTIOMORPHS for group in pair])
def test_a_crystal_keeps_its_handedness_in_every_file(group: int, tmp_path: Path):
    hexagonal = Lattice.hexagonal(6.1, 8.2) if group < 200 else Lattice.cubic(7.0)
    lattice = Lattice.tetragonal(6.3, 7.9) if group < 100 else hexagonal
    coords = [[0.31, 0.12, 0.04], [0.07, 0.41, 0.23]]
    right = Structure.from_spacegroup(group, lattice, ["Te", "O"], coords)
    swapped = Structure(right.lattice.matrix[[1, 0, 2]], right.species, right.frac_coords[:, [1, 0, 2]])
    assert swapped.lattice.matrix[0] @ np.cross(*swapped.lattice.matrix[1:]) < 0
    crystal = Crystal("chiral", swapped, {"status": "ok"})
    write_checked_set(tmp_path / "a.extxyz", [crystal])
    write_ase_database(tmp_path / "a.db", [crystal], "title")
    found = [
        *read_cif(cif_text(swapped)),
        *read_cif(cif_text_p1(swapped)),
        *read_poscar(poscar_text(swapped)),
        read_set(tmp_path / "a.extxyz")[0].structure,
        AseAtomsAdaptor.get_structure(next(connect(tmp_path / "a.db").select()).toatoms()),
    ]
    for structure in found:
        cell = (structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])
        assert spglib.get_symmetry_dataset(cell, symprec=1e-3).number == group


def test_differences_are_named():
    crystal = bi2se3()
    assert difference(crystal, crystal) == ""
    assert difference(crystal, Structure.from_sites(crystal[::-1])) == ""
    shifted = Structure(crystal.lattice, crystal.species, crystal.frac_coords + [2, -1, 3])
    assert difference(crystal, shifted) == ""
    turned = Structure(crystal.lattice.matrix[:, [1, 2, 0]], crystal.species, crystal.frac_coords)
    assert difference(crystal, turned) == ""
    mirrored = Structure(crystal.lattice.matrix * [1, 1, -1], crystal.species, crystal.frac_coords)
    assert "mirror image" in difference(crystal, mirrored)
    moved = crystal.copy()
    moved.translate_sites([3], [0, 0, 0.01], frac_coords=False)
    assert "displaced by 0.01 angstrom" in difference(crystal, moved)
    assert difference(crystal, moved, 0.02) == ""
    assert "vectors differ" in difference(crystal, crystal.copy().apply_strain(1e-4, inplace=False))
    exchanged = crystal.copy()
    exchanged[0], exchanged[9] = "Se", "Bi"
    assert "displaced" in difference(crystal, exchanged)
    assert "Bi6 Se8 in place of Bi6 Se9" in difference(crystal, Structure.from_sites(crystal[:-1]))
    assert "in place of 2 times" in difference(crystal, crystal, basis=np.diag([0.5, 1, 1]))


def test_another_cell_of_a_crystal_is_no_difference():
    conventional = bi2se3()
    primitive = conventional.get_primitive_structure()
    change = np.linalg.inv(primitive.lattice.matrix @ np.linalg.inv(conventional.lattice.matrix)).T
    assert difference(conventional, primitive, basis=change) == ""
    assert difference(primitive, conventional, basis=np.linalg.inv(change)) == ""
    assert difference(primitive, conventional, basis=np.linalg.inv(change), origin=[0, 0, 0.01]) != ""
    # One of three equal layers shifted: each atom of the primitive cell is there, but not its images.
    shifted = conventional.copy()
    shifted.translate_sites([i for i, site in enumerate(shifted) if site.frac_coords[2] < 1 / 3], [0.1, 0, 0])
    assert difference(primitive, shifted, basis=np.linalg.inv(change)) != ""


def test_the_written_cell_is_plain():
    matrix = -np.eye(3) * 4
    cell = written_cell(Structure(matrix, ["Na", "Cl"], [[-0.0, 2, 1e-20], [1.5, -0.5, 3.5]]))
    np.testing.assert_array_equal(cell.lattice.matrix, np.eye(3) * 4)
    np.testing.assert_array_equal(cell.frac_coords, [[0, 0, 0], [0.5, 0.5, 0.5]])
    for text in (cif_text(cell), cif_text_p1(cell), poscar_text(cell)):
        assert "-0." not in text


ODD = (
    *("N", "Y", "No", "NaN", "InF", "T", "true", "1", "007", "1e5", "1 2", "a,b", "T F", "it's", '"', "a;b", "a=b"),
    *(
        "=",
        "#",
        "-",
        "Bi₂Se₃ ü",
        "{Bi}2Se3",
        "[1]",
        "sub/c.cif",
        "..",
        "a\\b",
        "a\nb",
        "a\tb",
        " a ",
        "_JSON 3",
        "x" * 400,
    ),
)


def test_odd_names_survive(tmp_path: Path):
    structure = Structure(Lattice.cubic(3.6), ["N", "Y"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystals = [Crystal(name, structure, {"formula": name, "status": "ok", "reason": "", "x": 1.5}) for name in ODD]
    write_checked_set(tmp_path / "a.extxyz", crystals)
    assert [(c.id, c.info["formula"], c.info["x"]) for c in read_set(tmp_path / "a.extxyz")] == [
        (name, name, 1.5) for name in ODD
    ]
    assert [atoms.info["id"] for atoms in ase.io.read(tmp_path / "a.extxyz", ":")] == list(ODD)
    write_ase_database(tmp_path / "a.db", crystals, "title")
    rows = list(connect(tmp_path / "a.db").select())
    assert [row.get("name", row.data.get("name")) for row in rows] == list(ODD)
    write_cif_archive(tmp_path / "a.zip", crystals)
    names = zipfile.ZipFile(tmp_path / "a.zip").namelist()
    assert len(set(names)) == len(ODD) and not any(set('/\\ \n"') & set(name) for name in names)
    table = pd.DataFrame([{"id": c.id, "n_atoms": 2, **c.info} for c in crystals])
    write_optimade(tmp_path / "a.jsonl", table, crystals)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()[2:]
    assert [json.loads(line)["id"] for line in lines] == list(ODD)


def test_names_of_files_are_safe_and_distinct():
    assert safe_name("aflow-A6B_hR7_166-Se-Bi") == "aflow-A6B_hR7_166-Se-Bi"
    names = [safe_name(name) for name in (*ODD, "")]
    assert len(set(names)) == len(names)
    assert all(0 < len(name.encode()) < 200 and "/" not in name and name[0] != "." for name in names)


def test_a_crystal_that_no_cif_holds_is_left_out_and_named(tmp_path: Path, caplog):
    overlapping = Structure(Lattice.cubic(4), ["Bi", "Se", "Bi"], [[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]])
    good = Structure(Lattice.cubic(3.6), ["Bi", "Se"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystals = [Crystal("bad-1", overlapping, {"status": "ok"}), Crystal("good-1", good, {"status": "ok"})]
    with pytest.raises(InputError, match="the crystal bad-1 cannot be written as CIF"):
        cif_text(overlapping, "bad-1")
    table = pd.DataFrame(
        {"id": ["bad-1", "good-1"], "scheme": "ccdcgan", "stability": "stable", "status": "ok", "distinct": True}
    ).assign(formation_energy=[-0.2, -0.1], e_above_hull=[0.0, 0.01], formula=["Bi2Se", "BiSe"], space_group="Pm-3m")
    with caplog.at_level(logging.WARNING):
        write_cif_archive(tmp_path / "a.zip", crystals)
        names = write_best(table, crystals, tmp_path / "cif", tmp_path / "best.extxyz")
        shown = views(table, {crystal.id: crystal for crystal in crystals}, {}, [], ("Bi", "Se"))
    assert [
        len(zipfile.ZipFile(tmp_path / "a.zip").namelist()),
        len(names),
        len(read_set(tmp_path / "best.extxyz")),
    ] == [*(1, 1, 2)]
    assert [bool(entry["cif"]) for entry in shown] == [False, True]
    assert sum("bad-1 cannot be written as CIF" in record.getMessage() for record in caplog.records) == 3


def test_a_set_that_is_read_back_as_another_does_not_take_its_name(tmp_path: Path, monkeypatch):
    crystal = Crystal("c-1", bi2se3(), {"status": "ok"})
    from ccdcgan.crystals import read_back

    write_set = read_back.write_set

    def displaced(path, crystals):
        moved = [Crystal(one.id, one.structure.copy().translate_sites([0], [0.01, 0, 0]), one.info) for one in crystals]
        write_set(path, moved)

    monkeypatch.setattr(read_back, "write_set", displaced)
    with pytest.raises(
        InputError, match="the crystal c-1 cannot be written as a.extxyz, because ASE reads atoms displac"
    ):
        write_checked_set(tmp_path / "a.extxyz", [crystal])
    assert not (tmp_path / "a.extxyz").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_a_thousand_crystals_of_all_groups_are_read_back(seed):
    check_random_crystals(250, seed)
