"""Packed databases of the discovery benchmark."""

from pathlib import Path

import pytest

from benchmarks import discovery_databases
from benchmarks.discovery_databases import DATA, FILES, PACKED, pack, restore, unpack
from ccdcgan.crystals.structures import read_set
from ccdcgan.utils.files import read_csv


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with the files that are packed, and a place of its own for what is written."""
    monkeypatch.setattr(discovery_databases, "DATA", tmp_path / "packed")
    for name in FILES:
        path = tmp_path / "results/V-O" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}\n")
    return tmp_path / "results/V-O"


def test_a_packed_database_is_unpacked_as_it_was(folder, tmp_path):
    found = unpack(pack(folder), tmp_path / "output")
    assert found == tmp_path / "output/databases/V-O"
    assert [(found / name).read_text() for name in FILES] == [f"content of {name}\n" for name in FILES]


def test_equal_runs_give_equal_files(folder):
    first = pack(folder).read_bytes()
    for name in FILES:
        (folder / name).touch()
    assert pack(folder).read_bytes() == first


def test_a_run_without_a_database_is_not_packed(folder, tmp_path):
    (folder / "database/known.extxyz").unlink()
    with pytest.raises(SystemExit, match=r"V-O lacks database/known\.extxyz; make its database first"):
        pack(folder)
    assert not (tmp_path / "packed").exists()


def test_a_folder_is_taken_as_it_is(folder, tmp_path):
    assert unpack(folder, tmp_path / "output") == folder
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("path", sorted(DATA.glob(f"*{PACKED}")), ids=lambda path: path.name)
def test_the_databases_of_the_published_table_can_be_read(path, tmp_path):
    found = unpack(path, tmp_path)
    substituted, database = (read_set(found / f"database/{name}.extxyz") for name in ("substituted", "database"))
    assert [crystal.id for crystal in database] == [crystal.id for crystal in substituted]
    relaxed = [crystal for crystal in database if crystal.info["status"] == "ok"]
    assert len(relaxed) > 0.7 * len(database)
    assert min(crystal.info["formation_energy"] for crystal in relaxed) < 0


def test_the_workflow_continues_from_a_packed_database(tmp_path):
    folder = restore(DATA / f"V-O{PACKED}", tmp_path)
    table, known = (read_csv(folder / f"database/{name}.csv") for name in ("database", "known"))
    crystals = read_set(folder / "database/database.extxyz")
    assert table["id"].tolist() == [crystal.id for crystal in crystals]
    assert table.loc[table["status"] == "ok", "e_above_hull"].min() == pytest.approx(0, abs=1e-6)
    assert table["known"].notna().any()
    assert len(known) == len(read_set(folder / "database/known.extxyz"))
    with pytest.raises(SystemExit, match="V-O exists"):
        restore(DATA / f"V-O{PACKED}", tmp_path)
