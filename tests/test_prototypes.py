"""Sources of prototypes: what they hold, what is dropped, and why."""

import pytest

from ccdcgan.errors import InputError
from ccdcgan.prototypes import collect_prototypes
from ccdcgan.substitution import describe_drops
from tests.crystals import bi2se3, rock_salt


def settings(folder, **changes) -> dict:
    return {"sources": ["files"], "files": {"folder": str(folder)}, "max_atoms": 20, "limit": None} | changes


def test_aflow_prototypes():
    prototypes, table = collect_prototypes(settings("", sources=["aflow"]))
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
    prototypes, table = collect_prototypes(settings(tmp_path))
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
    _, table = collect_prototypes(settings(tmp_path))
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
        collect_prototypes(settings(make(tmp_path)))
    assert "prototypes.files.folder" in str(caught.value)


def test_no_usable_prototype_is_said(tmp_path):
    (tmp_path / "broken.cif").write_text("nothing")
    with pytest.raises(InputError, match=r"no usable prototype \(1 unreadable\)"):
        collect_prototypes(settings(tmp_path))


def test_limit_keeps_some_of_each_number_of_elements():
    prototypes, table = collect_prototypes(settings("", sources=["aflow"], limit=5))
    numbers = [len(crystal.structure.composition) for crystal in prototypes]
    assert [numbers.count(n) for n in (1, 2, 3)] == [5, 5, 5]
    assert (table["reason"] == "over_limit").any()
