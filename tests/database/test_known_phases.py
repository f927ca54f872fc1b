"""Known phases of a system."""

import pytest

from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.known_phases import FOUND_COLUMNS, collect_known, known_crystals
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt

MATCHER = Uniqueness({"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0})
OQMD = {"known": ["oqmd"], "max_atoms": 40, "sources": {"oqmd": {"max_formation_energy": 2.0}}}


def test_known_crystals_of_a_system_include_its_elements():
    crystals = known_crystals(["Bi", "Se"])
    assert {"Bi", "Se", "Bi2Se3", "Bi4Se3", "BiSe"} <= {crystal.formula for crystal in crystals}
    assert all({site.specie.symbol for site in crystal.structure} <= {"Bi", "Se"} for crystal in crystals)
    assert len({crystal.id for crystal in crystals}) == len(crystals)
    lowest = min(crystals, key=lambda crystal: crystal.info["source_formation_energy"])
    assert lowest.formula == "Bi2Se3"
    assert lowest.info["source_formation_energy"] == pytest.approx(-0.387, abs=0.01)
    assert lowest.info["prototype"] == lowest.info["parent"] == lowest.id and lowest.info["status"] == "ok"


def test_large_cells_and_failed_calculations_can_be_left_out():
    everything = known_crystals(["Bi", "Se"])
    largest = max(len(crystal.structure) for crystal in everything)
    small = known_crystals(["Bi", "Se"], max_atoms=largest - 1)
    assert 0 < len(small) < len(everything)
    assert max(len(crystal.structure) for crystal in small) < largest
    stable = known_crystals(["Bi", "Se"], max_formation_energy=0.0)
    assert {crystal.id for crystal in stable} == {
        crystal.id for crystal in everything if crystal.info["source_formation_energy"] <= 0
    }


@pytest.mark.parametrize("elements", [["Bi", "Se"], ["Mg", "Mn", "O"], ["Cs", "Cl"]])
def test_of_equal_phases_the_lowest_one_is_retained_whatever_the_system(elements):
    crystals, table = collect_known(OQMD, elements, MATCHER)
    assert list(table.columns) == list(FOUND_COLUMNS)
    assert [crystal.id for crystal in crystals] == table.loc[table["status"] == "ok", "id"].tolist()
    assert sorted(table["id"]) == sorted(crystal.id for crystal in known_crystals(elements))
    assert set(elements) <= {crystal.formula.rstrip("2") for crystal in crystals}
    energies = table.set_index("id")["source_formation_energy"]
    repeats = table[table["reason"] == "duplicate"]
    for row in repeats.itertuples():
        assert energies[row.detail.removeprefix("same as ")] <= energies[row.id]
    rejected = table[table["reason"] == "too_many_atoms"]
    assert (rejected["n_atoms"] > 40).all()
    assert max(len(crystal.structure) for crystal in crystals) <= 40
    verdicts = MATCHER.first_of_kind([crystal.structure for crystal in crystals])
    assert verdicts == [None] * len(crystals)


def test_own_files_of_the_system_are_known_phases(tmp_path):
    foreign = rock_salt()
    foreign.replace_species({"Se": "Te"})
    disordered = cesium_chloride()
    disordered.replace_species({"Se": {"Se": 0.5, "Bi": 0.5}})
    ions = rock_salt()
    ions.add_oxidation_state_by_element({"Bi": 2, "Se": -2})
    files = {"a": bi2se3(), "b": rock_salt(), "c": rock_salt(6.0), "d": foreign, "e": disordered, "f": ions}
    for name, structure in files.items():
        structure.to(filename=str(tmp_path / f"{name}.cif"))
    settings = {"known": ["files"], "max_atoms": 3, "sources": {"files": {"folder": str(tmp_path)}}}
    crystals, table = collect_known(settings, ["Bi", "Se"], MATCHER)
    assert [crystal.id for crystal in crystals] == ["file-b.cif"]  # without energies the first of equal ones
    reasons = dict(zip(table["id"].str[5], table["reason"], strict=True))
    assert reasons == {"a": "too_many_atoms", "b": "", "c": "duplicate", "e": "disordered", "f": "duplicate"}
    assert crystals[0].info["source"] == "files" and "source_formation_energy" not in crystals[0].info
    together = settings | {"known": ["oqmd", "files"], "sources": OQMD["sources"] | settings["sources"]}
    crystals, table = collect_known(together, ["Bi", "Se"], MATCHER)
    assert table.set_index("id").loc["file-b.cif", "detail"] == "same as oqmd-13860"  # OQMD has an energy


def test_no_sources_give_an_empty_table():
    crystals, table = collect_known(OQMD | {"known": []}, ["Bi", "Se"], MATCHER)
    assert crystals == [] and table.empty and list(table.columns) == list(FOUND_COLUMNS)
