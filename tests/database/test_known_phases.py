"""Known phases of a system."""

import pytest

from ccdcgan.database.known_phases import known_crystals


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
