"""Formation energies of known compounds in five small systems, relaxed with the default engine, beside OQMD's."""

import pytest
import yaml

from ccdcgan.crystals.elements import elemental_crystals
from ccdcgan.database.energies import EnergyReferences, with_formation_energies
from ccdcgan.database.known_phases import known_crystals
from ccdcgan.database.thermodynamics import lowest_references
from ccdcgan.relaxation.batches import Journal, relax_batch
from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.settings import relaxation_settings
from tests.conftest import ROOT

COMPOUNDS = {"Mg-O": "MgO", "Na-Cl": "NaCl", "V-O": "VO", "Al-Ni": "AlNi3", "Bi-Se": "Bi2Se3"}
"""System -> compound."""
LIMITS = {"Mg-O": 0.12, "Na-Cl": 0.1, "V-O": 0.25, "Al-Ni": 0.03, "Bi-Se": 0.02}
"""System -> largest difference from OQMD, eV/atom. Without the energy scheme those of oxides and chlorides are 0.2 to
1.4 eV/atom."""


@pytest.mark.torch
@pytest.mark.parametrize("system", COMPOUNDS)
def test_formation_energies_agree_with_oqmd(system, tmp_path):
    elements = system.split("-")
    relaxation = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text(encoding="utf-8"))["relaxation"]
    known = [crystal for crystal in known_crystals(elements, 5) if crystal.formula == COMPOUNDS[system]]
    compound = min(known, key=lambda crystal: crystal.info["source_formation_energy"])
    unaries = [crystal for element in elements for crystal in elemental_crystals(element)]
    crystals = relax_batch([*unaries, compound], relaxation_settings(relaxation), Journal(tmp_path), system)
    references = lowest_references(crystals[:-1], elements)
    (placed,) = with_formation_energies(
        crystals[-1:], EnergyReferences.of_run(references, "7net-0+7net-l3i5", "auto", None)
    )
    difference = placed.info["formation_energy"] - compound.info["source_formation_energy"]
    assert abs(difference) < LIMITS[system]
    assert placed.info["formation_energy_uncertainty"] > 0


def test_an_element_without_a_relaxed_crystal_is_named():
    with pytest.raises(InputError, match="no crystal of the element O could be relaxed"):
        lowest_references([], ["O"])
