"""Files of the user: every kind of odd file gives the right crystal, or a row with its reason, and hides no other."""

import gzip
import json
import os

import ase.db
import numpy as np
import pytest
from ase import Atoms
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Species, Structure
from pymatgen.io.cif import CifWriter

from ccdcgan.database.prototypes.collection import collect_prototypes
from ccdcgan.database.prototypes.user_files import files_in
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt, zinc_blende

POSCAR = """{comment}
{scale}
{a} 0 0
0 {b} 0
0 0 {c}
{elements}
{counts}
Direct
{atoms}
"""


def poscar(atoms=("0 0 0", "0.5 0.5 0.5"), **changes) -> str:
    values = {"comment": "CsCl", "scale": "1.0", "a": "3.6", "b": "3.6", "c": "3.6", "elements": "Bi Se"}
    values |= {"counts": "1 1"} | changes
    return POSCAR.format(atoms="\n".join(atoms), **values)


def cif(symmetry: str, cell: str, atoms: str, formula: str = "", name: str = "x") -> str:
    """Return a CIF without operations unless they are in ``symmetry``."""
    lengths = dict(zip(("a", "b", "c"), cell.split()[:3], strict=True))
    angles = dict(zip(("alpha", "beta", "gamma"), cell.split()[3:], strict=True))
    lines = [f"data_{name}", symmetry, formula]
    lines += [f"_cell_length_{axis} {value}" for axis, value in lengths.items()]
    lines += [f"_cell_angle_{angle} {value}" for angle, value in angles.items()]
    lines += ["loop_", "_atom_site_label", "_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z", atoms]
    return "\n".join(lines) + "\n"


def read(folder, **files) -> tuple[dict, dict]:
    """Write files beside a good one; return id -> structure and id -> (reason, detail) of all except the good one."""
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    good = folder / "zz-good.vasp"
    good.write_text(poscar())
    config = {"sources": ["files"], "files": {"folder": str(folder)}, "max_atoms": 60, "limit": None}
    prototypes, table = collect_prototypes(config, 2)
    crystals = {crystal.id: crystal.structure for crystal in prototypes}
    crystals.pop("file-zz-good.vasp")  # a bad file does not hide the others
    table = table[table["id"] != "file-zz-good.vasp"]
    assert set(crystals) == set(table.loc[table["status"] == "ok", "id"])
    for row in table[table["status"] != "ok"].itertuples():
        assert row.reason and row.detail and "Traceback" not in row.detail
    return crystals, {row.id: (row.reason, row.detail) for row in table.itertuples()}


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


CSCL = cif("_symmetry_space_group_name_H-M 'P 1'", "3.6 3.6 3.6 90 90 90", "Bi1 0 0 0\nSe1 0.5 0.5 0.5")


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


def frame(cell="3.6 0 0 0 3.6 0 0 0 3.6", atoms=("Bi 0 0 0", "Se 1.8 1.8 1.8"), number=None, info="") -> str:
    lines = [str(len(atoms) if number is None else number), f'Lattice="{cell}" {info}'.strip(), *atoms]
    return "\n".join(lines) + "\n"


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


def test_molecular_and_layered_crystals_are_crystals(tmp_path):
    nitrogen = Structure.from_spacegroup("Pa-3", Lattice.cubic(5.66), ["N"], [[0.055, 0.055, 0.055]])
    graphite = Structure.from_spacegroup(
        "P6_3/mmc", Lattice.hexagonal(2.46, 6.71), ["C", "C"], [[0, 0, 0.25], [1 / 3, 2 / 3, 0.25]]
    )
    cesium = Structure.from_spacegroup("Im-3m", Lattice.cubic(6.14), ["Cs"], [[0, 0, 0]])
    files = {"a.cif": nitrogen, "b.cif": graphite, "c.cif": cesium, "d.cif": bi2se3()}
    crystals, rows = read(tmp_path, **{name: structure.to(fmt="cif") for name, structure in files.items()})
    assert len(crystals) == 4, rows


def test_ions_of_one_element_are_one_element_and_deuterium_is_hydrogen(tmp_path):
    structure = rock_salt().get_primitive_structure()
    mixed = Structure(structure.lattice, [Species("Fe", 2), Species("Fe", 3)], structure.frac_coords)
    heavy = Structure(structure.lattice, ["Pd", "D"], structure.frac_coords)
    files = {"a.json": json.dumps(mixed.as_dict()), "b.json": json.dumps(heavy.as_dict()), "c.cif": heavy.to(fmt="cif")}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    config = {"sources": ["files"], "files": {"folder": str(tmp_path)}, "max_atoms": 60, "limit": None}
    prototypes, table = collect_prototypes(config, 2)
    assert table["n_elements"].tolist() == [1, 2, 2]
    assert table["formula"].tolist() == ["Fe", "HPd", "HPd"]
    assert all(site.specie.Z in (26, 46, 1) for crystal in prototypes for site in crystal.structure)


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


NAMES = [
    b"{Bi}2Se3.cif", b"with space.cif", "M\u00fcller.cif".encode(),
    b"M\xfcller.cif", b"back\\slash.cif", b"new\nline.cif",
    b"quote'\".cif", b"X.CIF", b"{{twice}}.cif", b"percent%s.cif", b"a=b,c.cif", b"[brackets]*.cif", b"tab\t.cif",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_of_a_file_is_read_and_shown_in_one_line(tmp_path, name):
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.utils.files import read_csv, write_csv

    folder = tmp_path / "mine"
    folder.mkdir()
    with open(os.path.join(os.fsencode(folder), name), "w") as handle:
        handle.write(CSCL)
    config = {"sources": ["files"], "files": {"folder": str(folder)}, "max_atoms": 60, "limit": None}
    prototypes, table = collect_prototypes(config, 2)
    write_csv(tmp_path / "prototypes.csv", table)
    write_set(tmp_path / "prototypes.extxyz", prototypes)
    (crystal,) = read_set(tmp_path / "prototypes.extxyz")
    assert read_csv(tmp_path / "prototypes.csv")["id"].tolist() == [crystal.id] == [prototypes[0].id]
    assert crystal.id.isprintable()


def test_links_are_followed_and_hidden_files_and_backups_are_left_out(tmp_path):
    folder, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.mkdir()
    (elsewhere / "a.cif").write_text(CSCL)
    (folder / "linked").symlink_to(elsewhere)
    (folder / "circle").symlink_to(folder)
    (folder / "b.cif").symlink_to(elsewhere / "a.cif")
    (folder / "gone.cif").symlink_to(elsewhere / "gone.cif")
    os.mkfifo(folder / "pipe.cif")
    for name in (".hidden.cif", ".ipynb_checkpoints/c.cif", "c.cif~", "POSCAR.bak", "#POSCAR#", "__MACOSX/c.cif"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(CSCL)
    crystals, rows = read(folder)
    assert set(crystals) == {"file-b.cif", "file-linked/a.cif"}
    assert {name: rows[name][0] for name in rows if rows[name][0]} == {
        "file-gone.cif": "unreadable",
        "file-pipe.cif": "unreadable",
    }
    assert [path.name for path in files_in(folder)][:2] == ["b.cif", "gone.cif"]


def test_ids_stay_unique(tmp_path):
    document = json.dumps([cesium_chloride().as_dict(), rock_salt().as_dict()])
    crystals, rows = read(tmp_path, **{"POSCAR.json": document, "POSCAR.json-0": poscar()})
    assert len(crystals) == 3 == len(rows)
