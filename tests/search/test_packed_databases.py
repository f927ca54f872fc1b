"""Packed databases of the discovery benchmark."""

from pathlib import Path

import pytest

from benchmarks import discovery_databases
from benchmarks.discovery_databases import DATA, FILES, PACKED, pack, unpack
from ccdcgan.crystals.structures import read_set


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
