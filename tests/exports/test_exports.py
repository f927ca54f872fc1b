"""Exports: every file, read by the program it is written for, contains the same crystals and numbers."""

import json
import zipfile
from pathlib import Path

import mongomock_ng as mongomock
import numpy as np
import pandas as pd
import pytest
from ase.db import connect
from optimade.adapters import Structure as OptimadeStructure
from optimade.filterparser import LarkParser
from optimade.filtertransformers.mongo import MongoTransformer
from optimade.models import EntryInfoResource, StructureResource
from optimade.utils import insert_from_jsonl
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser

from ccdcgan.crystals.structures import Crystal, from_atoms, read_set
from ccdcgan.exports.optimade import PREFIX, write_optimade
from ccdcgan.exports.structure_files import (
    cif_name,
    in_table_order,
    write_ase_database,
    write_cif_archive,
    write_extxyz,
)
from ccdcgan.exports.tables import export_table, write_tables
from ccdcgan.report.pictures import ALTERNATIVES
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_csv
from tests.conftest import TOY, Workflow


@pytest.fixture
def candidates() -> pd.DataFrame:
    """Three of dcgan, of which one failed and one passed the screen, and one of ccdcgan; as summarised."""
    rows = [
        ("d0", "dcgan", 2, -0.2, 0.0, 40, "ok", "", True, "stable", "Pm-3m", ""),
        ("d1", "dcgan", 4, np.nan, np.nan, np.nan, "failed", "too_dense", False, "", "", "3.1 angstrom^3/atom"),
        ("d2", "dcgan", 2, -0.1, 0.125, 31, "ok", "", True, "meta-stable", "Pm-3m", ""),
        ("d2", "dcgan+constraint", 2, -0.1, 0.125, 31, "ok", "", True, "meta-stable", "Pm-3m", ""),
        ("c0", "ccdcgan", 2, 0.3, 0.5, 12, "ok", "", False, "unstable", "Pm-3m", ""),
    ]
    names = ["id", "scheme", "n_atoms", "formation_energy", "e_above_hull", "n_steps", "status", "reason"]
    frame = pd.DataFrame(rows, columns=[*names, "distinct", "stability", "space_group", "detail"])
    return frame.assign(formula="BiSe", energy_per_atom=frame["formation_energy"] - 3.5)


@pytest.fixture
def crystals() -> list[Crystal]:
    cell = Structure(Lattice.from_parameters(3.6, 3.7, 3.8, 88, 91, 95), ["Bi", "Se"], [[0, 0, 0], [0.47, 0.51, 0.5]])
    larger = cell * (1, 1, 2)
    return [Crystal(name, larger if name == "d1" else cell) for name in ("c0", "d2", "d1", "d0")]


def test_the_table_has_one_row_for_each_crystal(candidates):
    table = export_table(candidates)
    assert table["id"].tolist() == ["d0", "d1", "d2", "c0"]
    assert table["scheme"].tolist() == ["dcgan", "dcgan", "dcgan", "ccdcgan"]
    assert table["kept_by"].tolist() == ["", "", "dcgan+constraint", ""]
    assert table["n_steps"].isna().tolist() == [False, True, False, False]


def test_a_structure_that_is_missing_is_named(candidates, crystals):
    with pytest.raises(InputError, match="d0"):
        in_table_order(export_table(candidates), crystals[:-1])


def test_csv_and_parquet_hold_the_table_and_its_units(candidates, tmp_path):
    table = export_table(candidates)
    write_tables(table, tmp_path / "a.csv", tmp_path / "a.parquet")
    parquet = pd.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(parquet, table, check_dtype=True)
    assert parquet.attrs["units"]["e_above_hull"] == "eV/atom"
    assert parquet.attrs["meanings"]["kept_by"]
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), table, check_dtype=False)


def same_crystal(found: Structure, expected: Structure, tolerance: float = 1e-5, in_order: bool = True) -> None:
    """Cells by lengths and angles, since CIF knows no frame; sites in order, unless a CIF lists them by symmetry."""
    np.testing.assert_allclose(found.lattice.parameters, expected.lattice.parameters, atol=tolerance)
    if not in_order:
        apart = expected.lattice.get_all_distances(expected.frac_coords, found.frac_coords)
        places = apart.argmin(axis=1)
        assert sorted(places) == list(range(len(found)))
        found = Structure.from_sites([found[place] for place in places])
    assert [site.specie.symbol for site in found] == [site.specie.symbol for site in expected]
    shift = found.frac_coords - expected.frac_coords
    np.testing.assert_allclose(shift, np.round(shift), atol=tolerance)


def check_structure_files(folder: Path, table: pd.DataFrame, crystals: dict[str, Structure]) -> None:
    """All that holds structures has the table's crystals, in its order, with its numbers."""
    by_id = table.set_index("id")
    frames = read_set(folder / "candidates.extxyz")
    assert [frame.id for frame in frames] == table["id"].tolist()
    for frame in frames:
        same_crystal(frame.structure, crystals[frame.id])
        assert frame.info.get("e_above_hull", np.nan) == pytest.approx(by_id.loc[frame.id, "e_above_hull"], nan_ok=True)
        assert frame.info["scheme"] == by_id.loc[frame.id, "scheme"]

    with zipfile.ZipFile(folder / "candidates.cif.zip") as archive:
        names = archive.namelist()
        assert names == [cif_name(place, frame) for place, frame in enumerate(frames, start=1)]
        for name, frame in zip(names, frames, strict=True):
            (read,) = CifParser.from_str(archive.read(name).decode()).parse_structures(primitive=False)
            same_crystal(read, crystals[frame.id], in_order=False)

    database = connect(folder / "candidates.db")
    rows = list(database.select())
    assert [row.name for row in rows] == table["id"].tolist()
    assert {row.user for row in rows} == {""}
    assert database.metadata["key_descriptions"]["e_above_hull"][2] == "eV/atom"
    for row in rows:
        same_crystal(from_atoms(row.toatoms()), crystals[row.name])
        energy = by_id.loc[row.name, "energy_per_atom"] * row.natoms
        assert row.get("energy", np.nan) == pytest.approx(energy, nan_ok=True)
    assert {row.name for row in database.select("e_above_hull<0.15")} == set(table.query("e_above_hull < 0.15")["id"])


class Collection:
    """What optimade's loader fills: a collection of MongoDB, in memory."""

    def __init__(self) -> None:
        self.entries = mongomock.MongoClient().database.structures

    def insert(self, entries: list[dict]) -> None:
        self.entries.insert_many(entries)

    def matching(self, question: str) -> set[str]:
        """Return the ids that an OPTIMADE filter finds."""
        query = MongoTransformer().transform(LarkParser(version=(1, 2, 0)).parse(question))
        return {entry["id"] for entry in self.entries.find(query)}


@pytest.mark.filterwarnings("ignore::optimade.warnings.OptimadeWarning")
def check_optimade(path: Path, table: pd.DataFrame, crystals: dict[str, Structure]) -> None:
    """optimade's own loader and models read the file, its filters find what the table says."""
    header, description, *lines = map(json.loads, path.read_text().splitlines())
    assert header["x-optimade"]["meta"]["api_version"]
    properties = EntryInfoResource.model_validate(description).properties
    assert properties[f"{PREFIX}e_above_hull"].unit == "eV/{atom}"
    assert {name.removeprefix(PREFIX) for name in properties if name.startswith(PREFIX)} <= set(table)
    for line, name in zip(lines, table["id"], strict=True):
        assert line["id"] == name
        structure = OptimadeStructure(StructureResource.model_validate(line).model_dump()).as_pymatgen
        same_crystal(structure, crystals[name])
    collection = Collection()
    insert_from_jsonl(path, {"structures": collection})
    assert collection.matching("nelements>=1") == set(table["id"])
    near = table[table["e_above_hull"] < 0.15]
    assert collection.matching(f"{PREFIX}e_above_hull<0.15") == set(near["id"])
    element = str(crystals[table["id"].iloc[0]][0].specie)
    with_it = {name for name in table["id"] if element in crystals[name].symbol_set}
    assert collection.matching(f'elements HAS "{element}"') == with_it


def test_structure_files_hold_the_table_s_crystals(candidates, crystals, tmp_path):
    table = export_table(candidates)
    ordered = in_table_order(table, crystals)
    structures = {crystal.id: crystal.structure for crystal in crystals}
    write_extxyz(tmp_path / "candidates.extxyz", ordered)
    write_cif_archive(tmp_path / "candidates.cif.zip", ordered)
    write_ase_database(tmp_path / "candidates.db", ordered, "Candidates for Bi-Se")
    check_structure_files(tmp_path, table, structures)
    write_optimade(tmp_path / "candidates.optimade.jsonl", table, ordered)
    check_optimade(tmp_path / "candidates.optimade.jsonl", table, structures)


def test_the_same_candidates_give_the_same_files(candidates, crystals, tmp_path):
    table = export_table(candidates)
    for name in ("a", "b"):
        ordered = in_table_order(table, crystals)
        write_cif_archive(tmp_path / f"{name}.zip", ordered)
        write_optimade(tmp_path / f"{name}.jsonl", table, ordered)
        write_tables(table, tmp_path / f"{name}.csv", tmp_path / f"{name}.parquet")
    for ending in ("zip", "jsonl", "csv", "parquet"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_no_candidates_give_empty_files(candidates, tmp_path):
    table = export_table(candidates.iloc[:0])
    write_tables(table, tmp_path / "candidates.csv", tmp_path / "candidates.parquet")
    write_extxyz(tmp_path / "candidates.extxyz", [])
    write_cif_archive(tmp_path / "candidates.cif.zip", [])
    write_ase_database(tmp_path / "candidates.db", [], "Candidates for Bi-Se")
    write_optimade(tmp_path / "candidates.optimade.jsonl", table, [])
    assert pd.read_parquet(tmp_path / "candidates.parquet").empty
    assert zipfile.ZipFile(tmp_path / "candidates.cif.zip").namelist() == []
    assert len(connect(tmp_path / "candidates.db")) == 0
    assert len((tmp_path / "candidates.optimade.jsonl").read_text().splitlines()) == 2


def test_exports_of_a_toy_run_agree_with_its_tables(toy_run: Workflow):
    results = toy_run.folder / "results/toy"
    folder = results / "exports"
    table = read_csv(folder / "candidates.csv")
    placed = [crystal for path in sorted(results.glob("candidates/*/placed.extxyz")) for crystal in read_set(path)]
    assert sorted(table["id"]) == sorted(crystal.id for crystal in placed)
    structures = {crystal.id: crystal.structure for crystal in placed}
    check_structure_files(folder, table, structures)
    check_optimade(folder / "candidates.optimade.jsonl", table, structures)


def test_snakemake_s_report_has_figures_tables_and_the_page(toy_run: Workflow):
    toy_run.run("--report", "snakemake.html", *TOY)
    text = (toy_run.folder / "snakemake.html").read_text()
    tables = ("summary.csv", "losses.csv", "candidates.csv", "phonons.csv", "reconstruction_summary.csv")
    for name in (*(f"{figure}.png" for figure in ALTERNATIVES), *tables, "index.html"):
        assert name in text, name
    for caption in ("numerator, denominator and value", "two directions in which the database", "what was lost"):
        assert caption in text, caption
