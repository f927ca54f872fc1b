"""Sources of prototypes: their crystals, and the reasons of dropped ones."""

import gzip
import json
import lzma

import ase.db
import numpy as np
import pytest
from ase import Atoms

from benchmarks.pack_oqmd import read_database, write_arrays
from ccdcgan.crystals.structures import from_atoms
from ccdcgan.database.prototypes import oqmd
from ccdcgan.database.prototypes.collection import collect_prototypes
from ccdcgan.database.prototypes.oqmd import SHIPPED, OqmdCrystals
from ccdcgan.database.prototypes.provenance import check_kept, describe_sources, sha256_of, write_provenance
from ccdcgan.database.substitution import describe_drops
from ccdcgan.utils.errors import InputError
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt, zinc_blende


def settings(folder, **changes) -> dict:
    return {
        "sources": ["files"],
        "files": {"folder": str(folder)},
        "oqmd": {"max_formation_energy": 2.0},
        "max_atoms": 20,
        "limit": None,
    } | changes


def test_aflow_prototypes():
    prototypes, table = collect_prototypes(settings("", sources=["aflow"]), 2)
    assert len(table) == 288
    assert len(prototypes) == (table["status"] == "ok").sum() > 200
    assert max(len(crystal.structure) for crystal in prototypes) <= 20
    assert set(table.loc[table["status"] != "ok", "reason"]) == {"too_many_atoms"}
    assert "288 found" in describe_drops(table, "prototypes")
    assert table["id"].is_unique


def test_files_of_every_kind_and_an_unreadable_one(tmp_path):
    bi2se3().to(filename=str(tmp_path / "a.cif"))
    rock_salt().to(filename=str(tmp_path / "b.vasp"), fmt="poscar")
    (tmp_path / "sub").mkdir()
    rock_salt().to_ase_atoms().write(tmp_path / "sub/c.extxyz", format="extxyz")
    (tmp_path / "broken.cif").write_text("data_x\n_cell_length_a oops\n")
    (tmp_path / "notes.txt").write_text("not a crystal")
    prototypes, table = collect_prototypes(settings(tmp_path), 2)
    assert [crystal.id for crystal in prototypes] == ["file-a.cif", "file-b.vasp", "file-sub/c.extxyz"]
    assert [len(crystal.structure) for crystal in prototypes] == [5, 2, 2]
    broken = table.set_index("id").loc["file-broken.cif"]
    assert (broken["status"], broken["reason"]) == ("failed", "unreadable")
    assert broken["detail"]
    assert "dropped: 1 unreadable" in describe_drops(table, "prototypes")


def test_disordered_crystals_are_dropped(tmp_path):
    structure = rock_salt()
    structure.replace_species({"Se": {"Se": 0.5, "Te": 0.5}})
    structure.to(filename=str(tmp_path / "mixed.cif"))
    rock_salt().to(filename=str(tmp_path / "pure.cif"))
    _, table = collect_prototypes(settings(tmp_path), 2)
    assert table.set_index("id")["reason"].to_dict() == {"file-mixed.cif": "disordered", "file-pure.cif": ""}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: folder / "missing", "is not a folder"),
        (lambda folder: folder, "holds no CIF"),
    ],
)
def test_missing_files_get_one_sentence(tmp_path, make, expected):
    with pytest.raises(InputError, match=expected) as caught:
        collect_prototypes(settings(make(tmp_path)), 2)
    assert "prototypes.files.folder" in str(caught.value)


def test_no_usable_prototype_is_said(tmp_path):
    (tmp_path / "broken.cif").write_text("nothing")
    with pytest.raises(InputError, match=r"no usable prototype \(1 unreadable\)"):
        collect_prototypes(settings(tmp_path), 2)


def test_limit_keeps_some_of_each_number_of_elements():
    prototypes, table = collect_prototypes(settings("", sources=["aflow"], limit=5), 2)
    numbers = [len(crystal.structure.composition) for crystal in prototypes]
    assert [numbers.count(n) for n in (1, 2, 3)] == [5, 5, 5]
    assert (table["reason"] == "over_limit").any()


def test_files_of_databases_json_and_compressed_ones(tmp_path):
    with ase.db.connect(tmp_path / "a.db") as database:
        for structure in (rock_salt(), cesium_chloride()):
            database.write(structure.to_ase_atoms())
    (tmp_path / "b.json").write_text(json.dumps([{"entry": {"structure": bi2se3().as_dict()}}]))
    (tmp_path / "c.cif.gz").write_bytes(gzip.compress(zinc_blende().to(fmt="cif").encode()))
    (tmp_path / "d.vasp.xz").write_bytes(lzma.compress(rock_salt().to(fmt="poscar").encode()))
    (tmp_path / "e.cif.gz").write_bytes(b"not compressed")
    (tmp_path / "f.json").write_text("{}")
    prototypes, table = collect_prototypes(settings(tmp_path), 2)
    found = {crystal.id: crystal.formula for crystal in prototypes}
    assert found == {
        "file-a.db-0": "BiSe",
        "file-a.db-1": "BiSe",
        "file-b.json": "Bi2Se3",
        "file-c.cif.gz": "BiSe",
        "file-d.vasp.xz": "BiSe",
    }
    problems = table.set_index("id")["detail"]
    assert "gzip" in problems["file-e.cif.gz"] and "no crystal in it" in problems["file-f.json"]


def make_oqmd(path):
    """Write an ASE database with the columns of OQMD: two binaries, a ternary, and a failed calculation."""
    ternary = rock_salt()
    ternary.replace(0, "Te")
    crystals = ((rock_salt(), -0.2), (bi2se3(), -0.4), (ternary, -0.1), (cesium_chloride(), 7.5))
    with ase.db.connect(path, type="db") as database:
        for structure, energy in crystals:
            atoms = structure.to_ase_atoms()
            cell = np.round(structure.lattice.matrix, 6)
            positions = np.round(structure.frac_coords, 10) @ cell
            atoms = Atoms(numbers=atoms.numbers, cell=cell, positions=positions, pbc=True)
            values = {"delta_e": energy, "stability": energy / 2, "spacegroup": 166, "name": f"7-8-{atoms.symbols}"}
            database.write(atoms, **values)


@pytest.fixture
def small_oqmd(tmp_path, monkeypatch) -> OqmdCrystals:
    """A small file of crystals instead of the shipped one."""
    make_oqmd(tmp_path / "small.db")
    write_arrays(tmp_path / "small.npz", read_database(tmp_path / "small.db"))
    crystals = OqmdCrystals(tmp_path / "small.npz")
    monkeypatch.setattr(oqmd, "shipped_crystals", lambda: crystals)
    return crystals


def test_oqmd_rows_are_filtered_with_their_reasons(small_oqmd):
    prototypes, table = collect_prototypes(settings("", sources=["oqmd"]), 2)
    assert [crystal.id for crystal in prototypes] == ["oqmd-1", "oqmd-2"]
    assert table["reason"].tolist() == ["", "", "too_many_elements", "formation_energy_too_high"]
    prototypes, _ = collect_prototypes(settings("", sources=["oqmd"]), 3)
    assert [crystal.id for crystal in prototypes] == ["oqmd-1", "oqmd-2", "oqmd-3"]


def test_packed_crystals_equal_those_of_the_database(tmp_path, small_oqmd):
    with ase.db.connect(tmp_path / "small.db") as database:
        rows = list(database.select())
    assert len(rows) == len(small_oqmd) == 4
    for number, row in enumerate(rows):
        packed, original = small_oqmd.structure(number), from_atoms(row.toatoms())
        assert small_oqmd.name(number) == f"oqmd-{row.id}"
        assert np.array_equal(packed.lattice.matrix, original.lattice.matrix)
        assert np.array_equal(packed.cart_coords, original.cart_coords) and packed.species == original.species
        assert small_oqmd.formation_energies[number] == row.delta_e
        assert small_oqmd.stabilities[number] == row.stability
        assert small_oqmd.spacegroups[number] == row.spacegroup


def test_packing_gives_the_same_bytes_and_refuses_what_it_cannot_hold(tmp_path, small_oqmd):
    write_arrays(tmp_path / "again.npz", read_database(tmp_path / "small.db"))
    assert (tmp_path / "again.npz").read_bytes() == small_oqmd.path.read_bytes()
    with ase.db.connect(tmp_path / "precise.db", type="db") as database:
        atoms = Atoms("Se", cell=np.eye(3) * np.pi, pbc=True)
        database.write(atoms, delta_e=0.0, stability=0.0, spacegroup=1, name="1-1-Se")
    with pytest.raises(ValueError, match="row 1 has more decimals"):
        read_database(tmp_path / "precise.db")


def test_the_shipped_crystals_are_those_that_are_described():
    crystals = OqmdCrystals()
    assert len(crystals) == 32163
    assert sha256_of(SHIPPED) in (SHIPPED.parent / "README.md").read_text()
    rows = crystals.rows_of(["Se", "Bi"])
    assert {"".join(sorted(crystals.symbols(row))) for row in rows} == {"Bi", "Se", "BiSe"}
    others = [row for row in range(0, len(crystals), 97) if crystals.symbols(row) <= {"Bi", "Se"}]
    assert set(others) <= set(rows)
    first = crystals.structure(0)
    assert first.composition.reduced_formula == "LaF3" and first.get_space_group_info(0.1)[1] == crystals.spacegroups[0]
    assert crystals.formation_energies[0] == pytest.approx(-4.46411004143)


def test_every_source_is_documented_with_checksums(tmp_path):
    rock_salt().to(filename=str(tmp_path / "salt.cif"))
    kept = tmp_path / "fetched.provenance"
    write_provenance(kept, {"source": "optimade", "cite": "Andersen"}, tmp_path / "salt.cif")
    sources = describe_sources(settings(tmp_path, sources=["aflow", "files", "oqmd", "optimade"]), {"optimade": kept})
    assert list(sources) == ["aflow", "files", "oqmd", "optimade"]
    assert sources["aflow"]["package"].startswith("pymatgen 20")
    assert sources["files"]["sha256"] == {str(tmp_path / "salt.cif"): sha256_of(tmp_path / "salt.cif")}
    assert "Kirklin" in sources["oqmd"]["cite"] and sources["oqmd"]["sha256"] == sha256_of(SHIPPED)
    assert sources["optimade"]["cite"] == "Andersen" and len(sources["optimade"]["sha256"]) == 64


def test_a_changed_download_is_refused(tmp_path):
    data, kept = tmp_path / "crystals.jsonl.gz", tmp_path / "provenance.json"
    data.write_bytes(b"fetched")
    write_provenance(kept, {"source": "optimade"}, data)
    check_kept(data, kept)
    data.write_bytes(b"changed")
    with pytest.raises(InputError, match="was changed after it was fetched"):
        check_kept(data, kept)
