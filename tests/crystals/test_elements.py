"""The elements: every one that the default potential knows has a crystal, which the guards accept as it is."""

import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.elements import (
    GASES,
    can_be_reference,
    closest,
    densest,
    farthest,
    known_crystal,
    molecule,
    sparsest,
)
from ccdcgan.crystals.structures import Crystal
from ccdcgan.database.thermodynamics import lowest_references
from ccdcgan.relaxation.batches import Journal, relax_batch
from ccdcgan.relaxation.guards import FORMER, Guards, check_structure
from ccdcgan_workflow.configuration import KNOWN_ELEMENTS
from tests.support.alloys import config

ELEMENTS = sorted(KNOWN_ELEMENTS["mlip"])
MOLECULES = {"H": 0.74, "N": 1.10, "O": 1.25, "F": 1.42, "Cl": 2.0, "Br": 2.35, "I": 2.7}
"""Element of diatomic molecules -> length of its bond, angstrom."""


@pytest.mark.parametrize("element", ELEMENTS)
def test_every_element_of_the_potential_has_a_crystal_that_the_guards_accept(element):
    crystal = known_crystal(element)
    assert {str(part) for part in crystal.structure.composition} == {element}
    assert len(crystal.structure) <= 40 and crystal.info["source"]
    assert check_structure(crystal.structure, Guards()) == ""


def test_all_elements_are_there():
    assert len(ELEMENTS) == 89


@pytest.mark.parametrize("element", MOLECULES)
def test_the_crystal_of_a_molecular_element_consists_of_molecules(element):
    distances = known_crystal(element).structure.get_neighbor_list(3.0)[3]
    assert distances.min() == pytest.approx(MOLECULES[element], abs=0.07)


@pytest.mark.parametrize("element", ELEMENTS)
def test_limits_by_element_are_nowhere_stricter_than_the_former_ones(element):
    for other in ELEMENTS:
        assert 0.5 < closest(element, other) <= FORMER["min_distance"]
        assert farthest(element, other) >= FORMER["max_neighbour"]
    assert 0 < densest(element) <= FORMER["min_volume"]
    assert sparsest(element) >= FORMER["max_volume"]


@pytest.mark.parametrize("pair", [("Bi", "Se"), ("Cu", "Au"), ("Bi", "Te"), ("V", "V"), ("Ga", "As")])
def test_heavy_elements_keep_the_former_limits(pair):
    assert Guards().described(pair) == Guards().former().described(pair)


@pytest.mark.parametrize(
    ("reason", "elements", "edge", "distance"),
    [
        ("", ["N", "N"], 3.5, 1.11),
        ("", ["H", "H"], 3.2, 0.74),
        ("", ["C", "O"], 3.8, 1.13),
        ("", ["H", "F"], 3.4, 0.93),
        ("too_close", ["H", "H"], 3.2, 0.5),
        ("too_close", ["N", "N"], 3.5, 0.5),
        ("too_close", ["N", "N"], 3.5, 0.9),
        ("too_close", ["Cs", "Cs"], 7.0, 1.1),
        ("too_dense", ["H", "H"], 1.3, 0.75),
        ("too_sparse", ["N", "N"], 7.0, 1.11),
        ("isolated_atom", ["N"], 5.1, None),
    ],
)
def test_guards_by_element(reason, elements, edge, distance):
    positions = [[0, 0, 0]] if distance is None else [[0, 0, 0], [distance, 0, 0]]
    structure = Structure(Lattice.cubic(edge), elements, positions, coords_are_cartesian=True)
    assert check_structure(structure, Guards()) == reason


def test_the_neighbours_of_large_atoms_may_be_farther_away():
    wide = Guards(max_volume=1e3)
    for element, reason in (("Cs", ""), ("Cu", "isolated_atom")):
        assert check_structure(Structure(Lattice.cubic(6.0), [element], [[0, 0, 0]]), wide) == reason
    assert check_structure(Structure(Lattice.cubic(6.9), ["Cs"], [[0, 0, 0]]), wide) == "isolated_atom"


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("element", ["N", "H", "O", "Cs", "Xe", "C", "Hg"])
def test_the_crystal_of_an_element_is_a_reference_after_relaxation(element, tmp_path):
    settings = config(engine="mlip", fmax=0.05, max_steps=250, mlip={"models": ["7net-0"], "device": "cpu"})
    relaxed = relax_batch([known_crystal(element)], settings, Journal(tmp_path, code="x"), "a")
    assert lowest_references(relaxed, [element])["n_relaxed"].tolist() == [1]


@pytest.mark.parametrize("element", GASES)
def test_a_molecule_is_accepted_and_consists_of_itself(element):
    crystal = molecule(element)
    assert check_structure(crystal.structure, Guards()) == "" and can_be_reference(crystal.structure)


def chain(contact: float) -> Structure:
    """Return O2 molecules on a line, this far (angstrom) from one another, with wide gaps between the lines."""
    return Structure(
        Lattice.orthorhombic(6, 6, 1.22 + contact), ["O", "O"], [[0, 0, 0], [0, 0, 1.22 / (1.22 + contact)]]
    )


def test_the_reference_of_a_gas_consists_of_intact_molecules():
    energies = {2.0: -5.23, 2.6: -4.90}
    crystals = [
        Crystal(f"{contact}", chain(contact), {"status": "ok", "energy_per_atom": energy})
        for contact, energy in energies.items()
    ]
    assert [can_be_reference(crystal.structure) for crystal in crystals] == [False, True]
    assert lowest_references(crystals, ["O"])["id"].tolist() == ["2.6"]
    assert lowest_references(crystals[:1], ["O"])["id"].tolist() == ["2.0"]  # better than none
    assert can_be_reference(Structure(Lattice.cubic(2.5), ["Cu"], [[0, 0, 0]]))


def test_a_metal_in_tight_pairs_is_not_a_reference():
    """Spurious minimum of 7net-l3i5, 0.2 eV/atom below bcc vanadium."""
    metal = known_crystal("V").structure
    pairs = Structure(Lattice.tetragonal(2.9, 4.1), ["V", "V"], [[0, 0, 0], [0, 0, 2.11 / 4.1]])
    assert [can_be_reference(structure) for structure in (metal, pairs)] == [True, False]
    crystals = [
        Crystal(name, structure, {"status": "ok", "energy_per_atom": energy})
        for name, structure, energy in (("metal", metal, -9.08), ("pairs", pairs, -9.29))
    ]
    assert lowest_references(crystals, ["V"])["id"].tolist() == ["metal"]
