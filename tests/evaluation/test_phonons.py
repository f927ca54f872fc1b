"""Phonons of crystals with known stability: dynamically stable ones and saddle points."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal
from ccdcgan.evaluation.imaginary_modes import displaced_along_mode, lower_crystal
from ccdcgan.evaluation.phonons import (
    COLUMNS,
    LIMIT,
    NO_SMALL_SUPERCELL,
    compute_phonons,
    dynamical_stability,
    stable_end,
    supercell_of,
)
from ccdcgan.figures.phonons import phonon_bands
from ccdcgan.relaxation.ase_potentials import AseRelaxMaker
from tests.conftest import Workflow
from tests.support.alloys import copper_gold

SETTINGS = {"fmax": 0.005, "max_steps": 300, "symprec": 0.05}
SETTINGS |= {"length": 7, "max_atoms": 150, "displacement": 0.02, "tolerance": 0.1}


def cubic(element: str, a: float, centring: str) -> Structure:
    """Return one atom of a simple (P) or face-centred (F) cubic crystal with edge ``a`` (angstrom)."""
    lattice = np.eye(3) * a if centring == "P" else np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * a / 2
    return Structure(Lattice(lattice), [element], [[0, 0, 0]])


def test_face_centred_copper_is_a_minimum() -> None:
    row, bands = dynamical_stability(Crystal("cu", cubic("Cu", 3.6, "F")), AseRelaxMaker(), SETTINGS)
    assert row["dynamically_stable"] and abs(row["lowest_frequency"]) < 0.01  # the acoustic modes at Γ
    assert (row["status"], row["n_displacements"]) == ("ok", 1)
    at_gamma = bands.loc[bands["label"] == "Γ", ["band_0", "band_1", "band_2"]]
    assert np.abs(at_gamma.to_numpy()).max() < 0.01
    # Experiment has 7.2 THz for the longitudinal mode at X (Svensson et al. 1967); EMT comes near.
    assert bands.loc[bands["label"] == "X", "band_2"].max() == pytest.approx(7.2, rel=0.15)


def test_simple_cubic_copper_is_a_saddle_point() -> None:
    row, _ = dynamical_stability(Crystal("sc", cubic("Cu", 2.4, "P")), AseRelaxMaker(), SETTINGS)
    assert row["status"] == "ok"
    assert not row["dynamically_stable"] and row["lowest_frequency"] < -1


def test_an_imaginary_mode_is_followed_to_a_stable_crystal_of_lower_energy() -> None:
    """Simple cubic copper has one atom: its unstable modes lie at the zone boundary and need a supercell."""
    crystal = Crystal("sc", cubic("Cu", 2.4, "P"), {"scheme": "dcgan", "e_above_hull": 0.5})
    row, bands, end = stable_end(crystal, AseRelaxMaker(), SETTINGS | {"follow": 2, "follow_atoms": 8})
    assert row["first_frequency"] < -1 and 1 <= row["n_followed"] <= 2
    assert row["energy_change"] < -0.1
    assert row["dynamically_stable"] and row["lowest_frequency"] > row["first_frequency"]
    assert set(row) <= set(COLUMNS) and len(bands) and row["end_of_modes"] == ""
    assert (end.id, end.info["scheme"], end.info["n_followed"]) == ("sc", "dcgan", row["n_followed"])
    tight = AseRelaxMaker(fmax=0.005).relax(crystal.structure)
    lower = AseRelaxMaker(max_steps=0).relax(end.structure)
    assert lower.energy_per_atom - tight.energy_per_atom == pytest.approx(row["energy_change"], abs=1e-4)


def test_modes_are_followed_only_in_small_supercells_and_only_downhill() -> None:
    crystal = cubic("Cu", 2.4, "P")
    relaxed = AseRelaxMaker(fmax=0.005).relax(crystal)
    calculator = AseRelaxMaker().stages(crystal)[0].calculator
    solver = compute_phonons(relaxed.structure, calculator, length=7).solver
    assert displaced_along_mode(solver, 1, 0.1) == []  # the whole crystal moves
    starts = displaced_along_mode(solver, 8, 0.1)
    assert len(starts) == 2 and {len(start) for start in starts} <= {2, 3, 4, 6, 8}
    assert displaced_along_mode(solver, 8, 100.0) == []  # no frequency is that imaginary
    maker = AseRelaxMaker(fmax=0.005)
    assert lower_crystal(starts, relaxed.energy_per_atom - 1.0, maker, 0.05) is None
    assert lower_crystal(starts, relaxed.energy_per_atom, maker, 0.05).energy_per_atom < relaxed.energy_per_atom


def test_the_reason_is_stated_where_an_unstable_crystal_is_not_followed() -> None:
    crystal = Crystal("sc", cubic("Cu", 2.4, "P"))
    for follow, most, reason in ((0, 8, LIMIT), (1, 1, NO_SMALL_SUPERCELL)):
        row, _, end = stable_end(crystal, AseRelaxMaker(), SETTINGS | {"follow": follow, "follow_atoms": most})
        assert end is None and (row["end_of_modes"], row["n_followed"]) == (reason, 0)
        assert not row["dynamically_stable"]


def test_a_stable_crystal_is_not_followed() -> None:
    row, _, end = stable_end(
        Crystal("cu", cubic("Cu", 3.6, "F")), AseRelaxMaker(), SETTINGS | {"follow": 2, "follow_atoms": 8}
    )
    assert end is None and (row["n_followed"], row["energy_change"]) == (0, 0.0)
    assert row["first_frequency"] == row["lowest_frequency"]


def test_a_crystal_that_does_not_relax_has_a_reason_and_no_bands() -> None:
    row, bands = dynamical_stability(Crystal("cu", copper_gold(4.2)), AseRelaxMaker(), SETTINGS | {"max_steps": 1})
    assert (row["status"], row["reason"]) == ("failed", "not_converged")
    assert bands.empty
    assert set(row) <= set(COLUMNS)


def test_a_supercell_reaches_its_length_within_its_atoms() -> None:
    structure = copper_gold(4.0)  # edges 2.83, 2.83, 4
    assert supercell_of(structure, 8, 1000) == (3, 3, 2)
    assert sorted(supercell_of(structure, 8, 24)) == [2, 2, 3]
    assert supercell_of(structure, 8, 1) == (1, 1, 1)


def test_a_supercell_that_is_doubled_finds_the_same_frequencies() -> None:
    """EMT's forces reach about 6 angstrom: beyond that a larger supercell changes little."""
    relaxed = AseRelaxMaker(fmax=0.005).relax(cubic("Cu", 3.6, "F")).structure
    calculator = AseRelaxMaker().stages(relaxed)[0].calculator
    small, large = (compute_phonons(relaxed, calculator, length=length, max_atoms=1000) for length in (10, 14))
    top = [phonons.bands["band_2"].max() for phonons in (small, large)]
    assert top[0] == pytest.approx(top[1], rel=0.02)


def test_bands_are_drawn_and_nothing_is_said_so() -> None:
    row, bands = dynamical_stability(Crystal("cu", cubic("Cu", 3.6, "F")), AseRelaxMaker(), SETTINGS)
    figure = phonon_bands(pd.DataFrame([row]), [bands])
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()][0] == "Γ"
    assert len(figure.axes[0].lines) >= 3 * bands["segment"].nunique()
    assert "No candidate" in phonon_bands(pd.DataFrame(columns=COLUMNS), []).axes[0].texts[0].get_text()


def test_toy_run_has_phonons(toy_run: Workflow) -> None:
    folder: Path = toy_run.folder / "results/toy/phonons"
    table = pd.read_csv(folder / "phonons.csv")
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 1
    assert (folder / "phonon_bands.png").stat().st_size > 0
    bands = pd.read_csv(folder / "bands/000.csv")
    assert len(bands) > 0 if (table["status"] == "ok").all() else bands.empty
