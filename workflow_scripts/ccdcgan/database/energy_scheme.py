"""Energy schemes: which corrections a formation energy needs beyond the energies of one engine.

The potentials of the Materials Project learned its raw energies: PBE, with a Hubbard U for some metals in oxides and
fluorides and without it in the metals themselves. Formation energies from such energies need the corrections of the
Materials Project (MP2020: Wang et al., Sci. Rep. 11, 15496 (2021); mixing of GGA and GGA+U: Jain et al., Phys. Rev. B
84, 045115 (2011)), as implemented by pymatgen.

``mp2020`` applies them unchanged. ``auto`` applies those that bring the formation energies nearer to both OQMD and
experiment (docs/validation/systems.md), and makes them continuous where a composition approaches a pure element:

* An anion is corrected as far as the other elements can reduce it. In MO20 most oxygen is not an oxide.
* A metal is corrected for its Hubbard U as far as it has neighbours among the anions: up to METALS_PER_ANION atoms for
  each anion, and up to METALS_PER_ANION_LEFT atoms for each one that is not bound by a metal of IONIC.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from pymatgen.core import Composition, Element, Structure

from ccdcgan.utils.errors import InputError

AUTO, RAW, MP2020 = "auto", "raw", "mp2020"
SCHEMES = (AUTO, RAW, MP2020)
"""Values of ``relaxation.energy_scheme``."""

MATERIALS_PROJECT, CORRECTED, OTHER_SETTINGS, UNKNOWN = "Materials Project", "corrected", "other settings", "unknown"
"""What the energies of an engine are: raw energies of the Materials Project; energies that already contain MP2020;
energies of other settings, to which MP2020 was not fitted; not known to this workflow."""

ENERGIES: Mapping[str, str] = MappingProxyType(
    {
        "7net-0": MATERIALS_PROJECT,
        "7net-l3i5": MATERIALS_PROJECT,
        "7net-mf-0": MATERIALS_PROJECT,
        "MACE-MP-0": MATERIALS_PROJECT,
        "MACE-MP-0b3": MATERIALS_PROJECT,
        "MACE-MPA-0": MATERIALS_PROJECT,
        "M3GNet": MATERIALS_PROJECT,
        "MatterSim": MATERIALS_PROJECT,
        "CHGNet": CORRECTED,
        "MatPES-PBE": OTHER_SETTINGS,
        "MatPES-r2SCAN": OTHER_SETTINGS,
        "emt": OTHER_SETTINGS,
        "lj": OTHER_SETTINGS,
    }
)
"""Model -> what its energies are. Models that are not listed are UNKNOWN; DFT engines have OTHER_SETTINGS unless the
user states that they have the settings of the Materials Project (``energy_scheme: mp2020``)."""

DFT_ENGINES = ("vasp-", "gpaw-")
"""Prefixes of the names of DFT engines."""

ANIONS = ("O", "F", "Cl", "Br")
"""Anions corrected by ``auto``: those for which MP2020 reduces the errors against OQMD and against experiment. For S, N
and I it reduces one of them and increases the other; for H, Se, Te and Sb it increases the error against OQMD."""

METALS_PER_ANION = 1.5
"""Largest number of metal atoms corrected for the Hubbard U for each O or F atom. The energies of the metal-rich oxides
of OQMD show how many of them 7net-l3i5 takes as GGA+U: 0.9 to 2.1 (docs/systems.md)."""

METALS_PER_ANION_LEFT = 2.0
"""Largest number of metal atoms corrected for each O or F atom that the metals of IONIC leave: they have the charge of
Co in K3CoO2, whose like are the known compounds with the least oxygen (benchmarks/metal_rich.py)."""

IONIC: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(("Li", "Na", "K", "Rb", "Cs"), 1) | dict.fromkeys(("Be", "Mg", "Ca", "Sr", "Ba"), 2) | {"Al": 3}
)
"""Metal whose oxide leaves nothing for a metal with U -> its charge. In MgMnO magnesium binds the oxygen, and manganese
stays metallic. Transition metals and rare earths are not among them: the energies of their known metal-rich oxides
(Ti4Ni2O, Zr3NiO) are those of GGA+U (benchmarks/metal_rich.py)."""

CHARGES: Mapping[str, float] = MappingProxyType(
    {"oxide": 2.0, "peroxide": 1.0, "superoxide": 0.5, "ozonide": 1 / 3, "F": 1.0, "Cl": 1.0, "Br": 1.0}
)
"""Kind of anion -> negative charge of one atom."""


@dataclass(frozen=True)
class EnergyScheme:
    """Corrections of formation energies that follow from the settings of the calculations.

    Args:
        name: ``raw`` or ``mp2020``, or ``auto`` for the selected, continuous corrections of MP2020.
        reason: Why this scheme was selected, as a sentence for users.
    """

    name: str = RAW
    reason: str = ""

    def corrected_elements(self, elements: Sequence[str]) -> list[str]:
        """Return the elements of a system whose compounds are corrected."""
        if self.name == RAW:
            return []
        # pymatgen's table names oxygen by its kinds: oxide, peroxide, superoxide
        anions = ANIONS if self.name == AUTO else ("O", *_compatibility().comp_correction)
        mixed = _mixed(elements)
        return [element for element in elements if element in mixed or element in anions]

    def label(self, elements: Sequence[str]) -> str:
        """Return the scheme of a system as text for tables, for instance "MP2020 (V, O)" or "raw"."""
        corrected = self.corrected_elements(elements)
        return f"MP2020 ({', '.join(corrected)})" if corrected else RAW

    def has_mixing(self, elements: Sequence[str]) -> bool:
        """Tell whether energies with and without a Hubbard U are mixed in a system."""
        return self.name != RAW and not _mixed(elements).isdisjoint(elements)

    def of(self, structure: Structure) -> float:
        """Return what is added to the formation energy of a crystal, eV/atom.

        Args:
            structure: Relaxed crystal; the distances between its oxygen atoms distinguish oxides from peroxides.
        """
        if self.name == RAW or len(structure.composition) < 2:
            return 0.0
        adjustments = _adjustments(structure)
        if self.name == MP2020:
            return sum(adjustments.values()) / len(structure)
        composition = structure.composition
        total = 0.0
        for kind, energy in adjustments.items():
            if kind in CHARGES:
                total += energy * _reduced_fraction(composition, kind, adjustments)
            elif kind in _metals():
                total += energy * _share_with_u(composition)
        return total / len(structure)


RAW_SCHEME = EnergyScheme()
"""Energies of the engine without corrections."""


def scheme_of(engine: str, chosen: str = AUTO) -> EnergyScheme:
    """Return the energy scheme of an engine.

    Args:
        engine: Label of the engine, e.g. "7net-0+7net-l3i5"; the last model counts.
        chosen: ``relaxation.energy_scheme``.

    Raises:
        InputError: If MP2020 is requested for energies that it does not fit.
    """
    model = engine.split("+")[-1]
    energies = energies_of(model)
    if chosen == RAW:
        return EnergyScheme(RAW, "relaxation.energy_scheme is raw.")
    if chosen == MP2020:
        if energies in (CORRECTED, OTHER_SETTINGS) and not model.startswith(DFT_ENGINES):
            raise InputError(
                f"relaxation.energy_scheme is mp2020, but the energies of {model} "
                f"{'already contain its corrections' if energies == CORRECTED else 'were computed with other settings'}"
                "; set relaxation.energy_scheme to auto or raw."
            )
        return EnergyScheme(MP2020, "relaxation.energy_scheme is mp2020.")
    reasons = {
        MATERIALS_PROJECT: f"{model} predicts raw energies of the Materials Project.",
        CORRECTED: f"The energies of {model} already contain the corrections of the Materials Project.",
        OTHER_SETTINGS: f"MP2020 was not fitted to the energies of {model}.",
        UNKNOWN: f"It is not known with which settings the energies of {model} were computed, so they are not "
        "corrected; set relaxation.energy_scheme to mp2020 if they are those of the Materials Project.",
    }
    return EnergyScheme(AUTO if energies == MATERIALS_PROJECT else RAW, reasons[energies])


def energies_of(model: str) -> str:
    """Return what the energies of a model or DFT engine are."""
    return OTHER_SETTINGS if model.startswith(DFT_ENGINES) else ENERGIES.get(model, UNKNOWN)


@cache
def _compatibility() -> Any:
    """Return pymatgen's MP2020 corrections, without its checks of POTCARs, which only VASP has."""
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility

    return MaterialsProject2020Compatibility(check_potcar=False)


@cache
def _metals() -> frozenset[str]:
    """Return the metals that the Materials Project computes with a Hubbard U in oxides and fluorides."""
    return frozenset(metal for table in _compatibility().u_corrections.values() for metal in table)


def _mixed(elements: Sequence[str]) -> frozenset[str]:
    """Return the metals with a Hubbard U in the compounds of a system: those of its oxides and fluorides."""
    table = _compatibility().u_corrections
    return frozenset(metal for anion, metals in table.items() if anion in elements for metal in metals)


def _adjustments(structure: Structure) -> dict[str, float]:
    """Return pymatgen's corrections of a compound: kind of anion, or metal -> energy, eV per cell."""
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    compatibility = _compatibility()
    anion = max(structure.composition.elements, key=lambda element: element.X).symbol
    settings = compatibility.u_settings.get(anion, {})
    hubbards = {element.symbol: settings.get(element.symbol, 0.0) for element in structure.composition}
    with_u = any(hubbards.values())
    parameters = {
        "run_type": "GGA+U" if with_u else "GGA",
        "is_hubbard": with_u,
        "hubbards": hubbards if with_u else {},
        "potcar_symbols": [],
    }
    with warnings.catch_warnings():
        # pymatgen warns if no oxidation states fit the composition; it then corrects the most electronegative element.
        warnings.filterwarnings("ignore", message="Failed to guess oxidation states")
        adjustments = compatibility.get_adjustments(ComputedStructureEntry(structure, 0.0, parameters=parameters))
    return {adjustment.name.split("(")[-1].rstrip(")"): adjustment.value for adjustment in adjustments}


def _share_with_u(composition: Composition) -> float:
    """Return the fraction of the atoms of the metals with U that is corrected for it, from 0 to 1."""
    metals = sum(composition[metal] for metal in _metals())
    anions = composition["O"] + composition["F"]
    charge = CHARGES["oxide"] * composition["O"] + CHARGES["F"] * composition["F"]
    bound = sum(composition[metal] * own for metal, own in IONIC.items())
    left = anions * max(0.0, 1.0 - bound / charge)
    return min(1.0, METALS_PER_ANION * anions / metals, METALS_PER_ANION_LEFT * left / metals)


def _reduced_fraction(composition: Composition, kind: str, kinds: Mapping[str, float]) -> float:
    """Return the fraction of the atoms of an anion that the other elements can reduce, from 0 to 1.

    The charge that all less electronegative elements can give, with their highest usual oxidation states, is compared
    with the charge that this anion and the more electronegative ones take.

    Args:
        composition: Composition of the compound.
        kind: Kind of the anion, a key of CHARGES.
        kinds: All corrections of the compound.
    """
    oxygen = next((name for name in kinds if name.endswith("oxide") or name == "ozonide"), "oxide")
    anion = Element("O" if kind == oxygen else kind)
    given = sum(n * _highest_charge(element) for element, n in composition.items() if element.X < anion.X)
    taken = 0.0
    for element, n in composition.items():
        if element.X >= anion.X:
            taken += n * CHARGES.get(oxygen if element.symbol == "O" else element.symbol, 1.0)
    return min(1.0, given / taken)


def _highest_charge(element: Element) -> float:
    """Return the highest oxidation state of an element that is common or occurs in several crystals of the ICSD."""
    return max((*element.common_oxidation_states, *element.icsd_oxidation_states, 0))
