"""Symmetric crystals near relaxed ones: accepted at the same energy, refused at a higher one and at saddle points."""

import json
from pathlib import Path

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.symmetry import (
    HIGHER_ENERGY,
    NONE_FOUND,
    NOT_FINISHED,
    SADDLE_POINT,
    SYMMETRISED,
    symmetric_starts,
)
from ccdcgan.relaxation.ase_potentials import AseRelaxMaker
from ccdcgan.relaxation.batches import Journal
from ccdcgan.relaxation.symmetrisation.batches import symmetrise_batch
from ccdcgan.relaxation.symmetrisation.ends import ENERGY, symmetric_end

ENGINE = AseRelaxMaker(fmax=0.01)
CONFIG = {
    "engine": "ase",
    "ase": {"calculator": "emt"},
    "fmax": 0.01,
    "max_steps": 250,
    "wall_clock": 600,
    "optimizer": "BFGS",
    "stiffness": 10.0,
    "displacement": 0.05,
    "guards": {},
}


def cu3au(a: float) -> Structure:
    """Return Cu3Au with the edge ``a`` (angstrom)."""
    return Structure(
        Lattice.cubic(a), ["Au", "Cu", "Cu", "Cu"], [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    )


def moved(structure: Structure, length: float, seed: int = 1) -> Structure:
    """Return a crystal whose atoms are displaced by about ``length`` (angstrom)."""
    vectors = np.random.default_rng(seed).normal(0, length / np.sqrt(3), (len(structure), 3))
    return Structure(structure.lattice, structure.species, structure.cart_coords + vectors, coords_are_cartesian=True)


def group(structure: Structure) -> int:
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    return spglib.get_symmetry_dataset(cell, symprec=1e-3).number


def energy(structure: Structure) -> float:
    """Return the energy of a crystal as it is, eV/atom."""
    return AseRelaxMaker(max_steps=0).relax(structure).energy_per_atom


def test_the_end_of_a_relaxation_becomes_symmetric_at_the_same_energy():
    relaxed = AseRelaxMaker(fmax=0.05).relax(moved(cu3au(3.8), 0.1))
    assert relaxed.status == "ok" and group(relaxed.structure) < 221
    end = symmetric_end(relaxed.structure, relaxed.energy_per_atom, ENGINE)
    assert end.outcome == SYMMETRISED and end.tolerance in (0.1, 0.2, 0.3, 0.5)
    assert group(end.relaxation.structure) == 221
    assert abs(end.energy) <= ENERGY and end.energy == end.relaxation.energy_per_atom - relaxed.energy_per_atom
    assert energy(end.relaxation.structure) == pytest.approx(end.relaxation.energy_per_atom, abs=1e-6)
    assert len(end.relaxation.structure) == 4  # the primitive cell


def test_a_symmetric_crystal_of_higher_energy_is_refused():
    """Simple cubic copper, distorted, compared with an energy far below."""
    crystal = moved(cu3au(3.8), 0.1)
    end = symmetric_end(crystal, energy(cu3au(3.75)) - 0.1, ENGINE)
    assert end.outcome == HIGHER_ENERGY and end.relaxation is None and end.energy > ENERGY and np.isnan(end.tolerance)


def test_a_saddle_point_is_refused_even_if_only_the_cell_is_unstable():
    """Simple cubic copper has one atom, so that only a strain can break its symmetry."""
    cubic = Structure(Lattice.cubic(2.4), ["Cu"], [[0, 0, 0]])
    strained = Structure(Lattice(cubic.lattice.matrix @ (np.eye(3) + np.diag([0.01, 0, -0.01]))), ["Cu"], [[0, 0, 0]])
    end = symmetric_end(strained, energy(cubic) + 1.0, ENGINE)
    assert end.outcome == SADDLE_POINT and end.relaxation is None


def test_without_a_symmetry_nothing_is_computed_and_no_other_engine_is_asked_to_keep_one():
    class Engine:
        """An engine that is not based on ASE."""

    lattice = Lattice.from_parameters(3.1, 4.3, 5.7, 71, 83, 97)
    rough = Structure(lattice, ["Cu", "Au", "Cu"], [[0, 0, 0], [0.31, 0.47, 0.62], [0.7, 0.1, 0.33]])
    assert symmetric_end(rough, 0.0, Engine()).outcome == NONE_FOUND
    assert symmetric_end(cu3au(3.8), 0.0, Engine()).outcome == NONE_FOUND  # symmetric already
    assert symmetric_end(moved(cu3au(3.8), 0.05), 0.0, Engine()).outcome == NOT_FINISHED


def test_the_loosest_symmetry_is_tried_first_and_none_twice():
    crystal = moved(cu3au(3.8), 0.05)
    starts = list(symmetric_starts(crystal))
    groups = [group(structure) for _, structure in starts]
    assert groups[0] == 221 and len(set(groups)) == len(groups)
    tolerances = [tolerance for tolerance, _ in starts]
    assert tolerances == sorted(tolerances, reverse=True)


def test_a_batch_resumes_from_its_journal(tmp_path: Path):
    relaxed = AseRelaxMaker(fmax=0.05).relax(moved(cu3au(3.8), 0.1))
    info = {"status": "ok", "energy_per_atom": relaxed.energy_per_atom, "fmax": relaxed.fmax, "n_steps": 7}
    crystals = [
        Crystal("a", relaxed.structure, info | {"relax_seconds": 1.0}),
        Crystal("b", cu3au(3.8), {"status": "failed", "reason": "wall_clock", "energy_per_atom": float("nan")}),
    ]
    journal = Journal(tmp_path, code="x")
    first = symmetrise_batch(crystals, CONFIG, journal, "000")
    lines = (tmp_path / "000.jsonl").read_text().splitlines()
    assert len(lines) == 1 and json.loads(lines[0])["outcome"] == SYMMETRISED
    again = symmetrise_batch(crystals, CONFIG, journal, "001")
    assert (tmp_path / "001.jsonl").read_text() == ""
    assert again[0] == first[0] and first[0].structure.lattice == again[0].structure.lattice
    assert first[1] == crystals[1]
    assert first[0].info["symmetrisation"] == SYMMETRISED and group(first[0].structure) == 221
    assert first[0].info["energy_per_atom"] == pytest.approx(relaxed.energy_per_atom, abs=ENERGY)
    assert first[0].info["n_steps"] >= 7
    symmetrise_batch(crystals, CONFIG | {"fmax": 0.02}, journal, "002")
    assert (tmp_path / "002.jsonl").read_text().count("\n") == 1  # other settings, another result
