"""CIF files of the user: symmetry, formulas, data blocks, encodings; a crystal or a reason for each file."""

import json

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.cif import CifWriter

from tests.support.crystal_files import CSCL, cif, poscar, read
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt, zinc_blende

SCREW = "_space_group_name_H-M_alt 'P 63 m c'"
ZNS = "Zn1 {0} {1} 0\nS1 {0} {1} 0.375"


@pytest.mark.parametrize("digits", [("0.33", "0.67"), ("0.333", "0.667"), ("0.3333", "0.6667"), ("0.333", "0.666")])
@pytest.mark.parametrize("formula", ["", "_chemical_formula_sum 'Zn1 S1'\n_cell_formula_units_Z 2"])
def test_rounded_thirds_give_the_four_atoms_of_wurtzite(tmp_path, digits, formula):
    text = cif(SCREW, "3.82 3.82 6.26 90 90 120", ZNS.format(*digits), formula)
    crystals, _ = read(tmp_path, **{"a.cif": text})
    assert len(crystals["file-a.cif"]) == 4
    assert crystals["file-a.cif"].get_space_group_info()[1] == 186


def test_images_that_do_not_coincide_exactly_are_one_atom_if_the_formula_says_so(tmp_path):
    quartz = "Si1 0.4697 0 0\nO1 0.413 0.267 0.119"
    symmetry = "_symmetry_space_group_name_H-M 'P 32 2 1'"
    text = cif(symmetry, "4.916 4.916 5.405 90 90 120", quartz, "_chemical_formula_sum 'O2 Si1'")
    corundum = cif(
        "_symmetry_space_group_name_H-M 'R -3 m :H'",
        "4.143 4.143 28.636 90 90 120",
        "Bi1 0.1534 0.307 0.4\nSe1 0 0 0",
        "_chemical_formula_sum 'Bi6 Se1'",
    )
    crystals, rows = read(tmp_path, **{"a.cif": text, "b.cif": corundum})
    assert rows["file-a.cif"] == ("formula_mismatch", rows["file-a.cif"][1]) or len(crystals["file-a.cif"]) == 9
    assert crystals["file-b.cif"].composition.reduced_formula == "Bi6Se"


SILICON = "F d -3 m"
EXPECTED = {
    "P 21/n": ("5 6 7 90 100 90", "Bi1 0.1 0.2 0.3\nSe1 0.6 0.7 0.8", 8, 14),
    "P 1 21/c 1": ("5 6 7 90 100 90", "Bi1 0.1 0.2 0.3\nSe1 0.6 0.7 0.8", 8, 14),
    "P21/a": ("5 6 7 90 100 90", "Bi1 0.1 0.2 0.3\nSe1 0.6 0.7 0.8", 8, 14),
    "P 1 1 21/b": ("5 6 7 90 90 100", "Bi1 0.1 0.2 0.3\nSe1 0.6 0.7 0.8", 8, 14),
    "P2(1)/n": ("5 6 7 90 100 90", "Bi1 0.1 0.2 0.3\nSe1 0.6 0.7 0.8", 8, 14),
    "I 2/a": ("8 6 7 90 100 90", "Bi1 0.1 0.2 0.3", 4, 15),
    "R -3 m H": ("4.143 4.143 28.636 90 90 120", "Bi1 0 0 0.4\nSe1 0 0 0\nSe2 0 0 0.21", 5, 166),
    "R -3 m :H": ("4.143 4.143 28.636 90 90 120", "Bi1 0 0 0.4\nSe1 0 0 0\nSe2 0 0 0.21", 5, 166),
    "R -3 m": ("4.143 4.143 28.636 90 90 120", "Bi1 0 0 0.4\nSe1 0 0 0\nSe2 0 0 0.21", 5, 166),
    "R-3mR": ("9.84 9.84 9.84 24.3 24.3 24.3", "Bi1 0.4 0.4 0.4\nSe1 0 0 0\nSe2 0.21 0.21 0.21", 5, 166),
    "F d -3 m :1": ("5.43 5.43 5.43 90 90 90", "Si1 0 0 0", 2, 227),
    "F d -3 m S": ("5.43 5.43 5.43 90 90 90", "Si1 0 0 0", 2, 227),
    "F d -3 m :2": ("5.43 5.43 5.43 90 90 90", "Si1 0.125 0.125 0.125", 2, 227),
    "Fd-3mZ": ("5.43 5.43 5.43 90 90 90", "Si1 0.125 0.125 0.125", 2, 227),
    "F d 3 m S": ("5.43 5.43 5.43 90 90 90", "Si1 0 0 0", 2, 227),
    "P b n m": ("5.3 5.5 7.6 90 90 90", "Ca1 0.03 0.05 0.25\nTi1 0 0.5 0", 8, 62),
    "C m c a": ("4.4 8.9 5.6 90 90 90", "Bi1 0 0.1 0.1", 4, 64),
}
"""Name -> cell, atoms, number of atoms in the primitive cell, number of the space group."""


@pytest.mark.parametrize("name", EXPECTED)
def test_space_groups_by_name_alone_give_the_right_crystal(tmp_path, name):
    cell, atoms, number, group = EXPECTED[name]
    crystals, rows = read(tmp_path, **{"a.cif": cif(f"_symmetry_space_group_name_H-M '{name}'", cell, atoms)})
    assert rows["file-a.cif"][0] == "", rows
    structure = crystals["file-a.cif"]
    assert (len(structure), structure.get_space_group_info(0.01)[1]) == (number, group)


@pytest.mark.parametrize(
    ("symmetry", "reason"),
    [
        ("_symmetry_space_group_name_H-M 'P 21/q'", "unknown_symmetry"),
        ("_space_group_name_Hall 'P nonsense'", "unknown_symmetry"),
        ("_symmetry_Int_Tables_number 231", "unknown_symmetry"),
        ("_symmetry_space_group_name_H-M 'P m -3 m'\n_symmetry_Int_Tables_number 225", "unknown_symmetry"),
        ("_symmetry_space_group_name_H-M 'P 63 m c'", "unknown_symmetry"),  # the cell is cubic
        ("_symmetry_space_group_name_H-M 'F d -3 m'", "unknown_symmetry"),  # either origin gives a crystal
        ("loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n'-x, y, oops'", "unknown_symmetry"),
        ("loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n'-x, -y, -z'\n'-x, y, z'", "unknown_symmetry"),
    ],
)
def test_a_symmetry_that_is_not_understood_is_refused(tmp_path, symmetry, reason):
    text = cif(symmetry, "5.43 5.43 5.43 90 90 90", "Si1 0 0 0")
    crystals, rows = read(tmp_path, **{"a.cif": text})
    assert not crystals and rows["file-a.cif"][0] == reason and "a.cif" in rows["file-a.cif"][1]


def test_numbers_and_hall_symbols_name_a_space_group(tmp_path):
    cell, atoms = "5.43 5.43 5.43 90 90 90", "Si1 0 0 0"
    files = {
        "a.cif": cif("_space_group_name_Hall 'F 4d 2 3 -1d'", cell, atoms),
        "b.cif": cif("_space_group_IT_number 225", cell, "Bi1 0 0 0\nSe1 0.5 0.5 0.5"),
        "c.cif": cif("_space_group_IT_number 227", cell, atoms, "_chemical_formula_sum Si\n_cell_formula_units_Z 8"),
    }
    crystals, _ = read(tmp_path, **files)
    assert [len(crystals[f"file-{name}"]) for name in files] == [2, 2, 2]


@pytest.mark.parametrize("make", [bi2se3, rock_salt, zinc_blende, cesium_chloride])
@pytest.mark.parametrize("symprec", [None, 0.01])
def test_written_cifs_are_read_as_the_same_crystal(tmp_path, make, symprec):
    crystals, _ = read(tmp_path, **{"a.cif": str(CifWriter(make(), symprec=symprec))})
    assert StructureMatcher().fit(crystals["file-a.cif"], make())
    (tmp_path / "a.cif").unlink()


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("_chemical_formula_sum 'Bi2 Se3'", "formula_mismatch"),
        ("_chemical_formula_sum 'Bi1 Te1'", "formula_mismatch"),
        ("_chemical_formula_sum 'Bi1 Se1'\n_cell_formula_units_Z 4", "formula_mismatch"),
        ("_chemical_formula_sum 'Bi1 Se1'\n_cell_formula_units_Z 1", ""),
        ("_chemical_formula_sum '?'", ""),
    ],
)
def test_the_crystal_agrees_with_the_formula_of_its_file(tmp_path, formula, reason):
    text = cif("_symmetry_space_group_name_H-M 'P 1'", "3.6 3.6 3.6 90 90 90", "Bi1 0 0 0\nSe1 0.5 0.5 0.5", formula)
    assert read(tmp_path, **{"a.cif": text})[1]["file-a.cif"][0] == reason


def test_every_data_block_is_a_row(tmp_path):
    broken = CSCL.replace("3.6", "oops", 1)
    text = "data_global\n_journal_year 2020\n" + CSCL + CSCL.replace("3.6", "3.7") + broken
    crystals, rows = read(tmp_path, **{"a.cif": text})
    reasons = [rows[f"file-a.cif-{n}"][0] for n in range(4)]
    assert reasons == ["no_crystal", "", "", "not_finite_numbers"]
    assert len(crystals) == 2


def test_a_block_inside_a_text_field_is_none(tmp_path):
    text = CSCL + "_publ_section_comment\n;\ndata_other\n_cell_length_a 1\n;\n"
    crystals, rows = read(tmp_path, **{"a.cif": text})
    assert list(crystals) == ["file-a.cif"] and len(rows) == 1


@pytest.mark.parametrize(
    "atoms",
    ["Bi1 ? ? ?\nSe1 0.5 0.5 0.5", "Bi1 nan 0 0\nSe1 0.5 0.5 0.5", "Bi1 . . .\nSe1 0 0 0", "Bi1 1e999 0 0\nSe1 0 0 0"],
)
def test_atoms_of_a_cif_without_a_position_are_not_placed_at_the_origin(tmp_path, atoms):
    text = cif("_symmetry_space_group_name_H-M 'P 1'", "3.6 3.6 3.6 90 90 90", atoms)
    assert read(tmp_path, **{"a.cif": text})[1]["file-a.cif"][0] == "not_finite_numbers"


def test_a_list_of_atoms_that_is_given_twice_is_refused(tmp_path):
    text = CSCL + "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nTe 0 0 0\n"
    assert "given 2 times" in read(tmp_path, **{"a.cif": text})[1]["file-a.cif"][1]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_encodings_and_line_ends_are_read(tmp_path, encoding, end):
    def encoded(text):
        return text.replace("\n", end).encode(encoding)

    two = "# Müller\n" * (encoding == "latin-1") + CSCL + CSCL.replace("Se", "Te")
    frame = '2\nLattice="3.6 0 0 0 3.6 0 0 0 3.6"\nBi 0 0 0\nSe 1.8 1.8 1.8\n'
    files = {"a.cif": encoded(two), "b.vasp": encoded(poscar()), "c.xyz": encoded(frame)}
    files["d.json"] = encoded(json.dumps(cesium_chloride().as_dict()))
    crystals, _ = read(tmp_path, **files)
    assert list(crystals) == ["file-a.cif-0", "file-a.cif-1", "file-b.vasp", "file-c.xyz", "file-d.json"]
