"""Files of the user: every kind of crystal and of name is read, and no file hides another."""

import json
import os

import pytest
from pymatgen.core import Lattice, Species, Structure

from ccdcgan.database.prototypes.collection import collect_prototypes
from ccdcgan.database.prototypes.user_files import files_in
from tests.support.crystal_files import CSCL, poscar, read
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt


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
