"""Crystals that are relaxed together: the same relaxations as one by one, whatever enters and leaves."""

import importlib.util
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import from_atoms
from ccdcgan.relaxation.ase_relaxation import Relaxation, Stage, relax_in_stages
from ccdcgan.relaxation.batched import mode
from ccdcgan.relaxation.batches import Journal, relax_batch
from ccdcgan.relaxation.engines import identity, make_engine
from ccdcgan.relaxation.guards import Guards
from ccdcgan.relaxation.mlip import MlipRelaxMaker
from ccdcgan.utils.errors import InputError
from tests.support.alloys import alloys, config, copper

has_torch_sim = pytest.mark.skipif(
    importlib.util.find_spec("torch_sim") is None, reason="torch-sim is not installed; make gpu installs it"
)


def structures() -> list[Structure]:
    """Return metals and alloys of one to eight atoms; number 2 is unphysical."""
    metals = [bulk("Cu", a=3.7, cubic=True) * (2, 1, 1), bulk("Ni", a=3.6), bulk("Pt", a=4.1, cubic=True)]
    return [crystal.structure for crystal in alloys(6)] + [from_atoms(atoms) for atoms in metals]


def one_by_one(maker, crystals: list[Structure], stages: int = 1) -> list[Relaxation]:
    """Return the relaxations of the same crystals one after another."""
    path = [Stage(f"emt {stage}", EMT()) for stage in range(stages)]
    return [relax_in_stages(maker.start(crystal), path, maker.settings()) for crystal in crystals]


@pytest.mark.torch
@pytest.mark.parametrize(("stages", "room"), [(1, 1), (2, 12), (1, 1000)])
def test_every_step_is_that_of_the_crystal_alone(stages: int, room: int) -> None:
    """Crystals of different sizes enter and leave; the second stage starts from the Hessian of the first."""
    from tests.support.emt_batches import EmtPotential, together

    maker, crystals = make_engine(config(displacement=0.05)), structures()
    potential = EmtPotential(room)
    for found, expected in zip(
        together(maker, potential, crystals, stages), one_by_one(maker, crystals, stages), strict=True
    ):
        assert (found.status, found.reason, found.detail) == (expected.status, expected.reason, expected.detail)
        for one, other in zip(found.stages, expected.stages, strict=True):
            assert one == pytest.approx(other, abs=1e-7)
        np.testing.assert_allclose(found.structure.lattice.matrix, expected.structure.lattice.matrix, atol=1e-7)
        np.testing.assert_allclose(found.structure.cart_coords, expected.structure.cart_coords, atol=1e-7)
        np.testing.assert_allclose(found.forces, expected.forces, atol=1e-6)
        np.testing.assert_allclose(found.stress, expected.stress, atol=1e-7)
    assert max(potential.calls) <= max(room, max(map(len, crystals)))


@pytest.mark.torch
def test_a_crystal_has_converged_when_its_cell_has_too() -> None:
    """Symmetry leaves no force on the atoms of fcc copper, whatever its edge is."""
    from tests.support.emt_batches import EmtPotential, together

    (found,) = together(make_engine(config()), EmtPotential(), [from_atoms(bulk("Cu", a=3.8))])
    assert found.status == "ok" and found.n_steps > 0
    assert found.structure.volume == pytest.approx(3.594**3 / 4, rel=0.01)  # the minimum of EMT
    assert np.abs(found.stress).max() * found.structure.volume < 0.02


@pytest.mark.torch
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_steps": 1}, "not_converged"),
        ({"wall_clock": 0}, "wall_clock"),
        ({"guards": {"max_volume": 11.0}}, "too_sparse"),
        ({"guards": {"max_force": 0.1}}, "force_exploded"),
        ({"guards": {"max_energy": 1e-6}}, "energy_exploded"),
    ],
)
def test_limits_and_guards_are_those_of_one_crystal(changes: dict, reason: str) -> None:
    from tests.support.emt_batches import EmtPotential, together

    maker, crystals = make_engine(config(**changes)), [copper(3.55, 0.2), copper(3.5, 0.1)]
    for found, expected in zip(together(maker, EmtPotential(), crystals), one_by_one(maker, crystals), strict=True):
        assert found.status == expected.status == "failed"
        assert found.reason == expected.reason == reason


@pytest.mark.torch
def test_without_steps_the_energy_is_that_of_the_crystal_as_it_is() -> None:
    from tests.support.emt_batches import EmtPotential, together

    maker = make_engine(config(max_steps=0, displacement=0.05))
    (found,), (expected,) = together(maker, EmtPotential(), [copper()]), one_by_one(maker, [copper()])
    assert (found.status, found.n_steps) == ("ok", 0)
    assert found.energy_per_atom == pytest.approx(expected.energy_per_atom)
    assert found.structure == copper()


@pytest.mark.torch
def test_a_collapsing_cell_leaves_before_it_is_computed() -> None:
    """Its neighbours could fill the memory of all others."""
    from tests.support.emt_batches import Squeezing, together

    maker = replace(make_engine(config()), guards=Guards(min_volume=9.0))
    (found,) = together(maker, Squeezing(), [copper(3.6, 0.0)])
    assert (found.status, found.reason) == ("failed", "too_dense")


@pytest.mark.torch
def test_an_exception_concerns_the_crystal_that_caused_it_only() -> None:
    from tests.support.emt_batches import WithoutNickel, together

    maker, crystals = make_engine(config()), structures()
    results = together(maker, WithoutNickel(1000), crystals)
    assert [result.reason for result in results] == [""] * 2 + ["too_close"] + [""] * 4 + ["engine_error", ""]
    assert "no parameters of nickel" in results[7].detail


@pytest.mark.torch
def test_fewer_crystals_are_taken_when_memory_runs_out() -> None:
    from tests.support.emt_batches import Small, together

    maker, crystals, potential = make_engine(config()), structures(), Small(1000)
    results = together(maker, potential, crystals)
    assert [result.n_steps for result in results] == [result.n_steps for result in one_by_one(maker, crystals)]
    assert max(potential.calls) <= 10


@pytest.fixture
def emt(monkeypatch: pytest.MonkeyPatch):
    """Have the engine ``mlip`` compute EMT, as if torch-sim were there; return the potential of the batches."""
    from ccdcgan.relaxation.batched import relaxations
    from tests.support.emt_batches import EmtPotential

    potential = EmtPotential(4)

    def relax_together(self, crystals):
        return relaxations.relax_together(self, self.models, lambda model: potential, crystals)

    def relax(self, crystal):
        return relax_in_stages(self.start(crystal), [Stage(self.models[0], EMT())], self.settings())

    monkeypatch.setattr(MlipRelaxMaker, "relax_together", relax_together)
    monkeypatch.setattr(MlipRelaxMaker, "relax", relax)
    monkeypatch.setattr(MlipRelaxMaker, "check_elements", lambda self, elements: None)
    monkeypatch.setattr(mode, "find_spec", lambda name: object())
    return potential


def settings(batched: bool | str) -> dict:
    """Return a relaxation section with the engine ``mlip``."""
    return config(engine="mlip", mlip={"models": ["7net-0"], "device": "auto", "batched": batched})


def lines(folder: Path) -> list[dict]:
    """Return the records of a journal."""
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


@pytest.mark.torch
def test_finished_crystals_survive_the_end_of_the_process(tmp_path: Path, emt, monkeypatch) -> None:
    crystals = alloys(8)
    whole = relax_batch(crystals, settings(True), Journal(tmp_path / "whole"), "b0")
    assert [crystal.id for crystal in whole] == [crystal.id for crystal in crystals]
    calls, evaluate = len(emt.calls), emt.evaluate

    def interrupted(*arguments):
        if len(emt.calls) > calls + 8:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    emt.evaluate = interrupted
    with pytest.raises(KeyboardInterrupt):
        relax_batch(crystals, settings(True), Journal(tmp_path / "cut"), "b0")
    done = len(lines(tmp_path / "cut"))
    assert 2 < done < len(crystals)
    emt.evaluate = evaluate
    again = relax_batch(crystals, settings(True), Journal(tmp_path / "cut"), "b0")
    assert len(lines(tmp_path / "cut")) == len(crystals)
    energies = [[crystal.info["energy_per_atom"] for crystal in results] for results in (again, whole)]
    np.testing.assert_allclose(*energies, atol=1e-9)
    assert sum(crystal.info["relax_seconds"] for crystal in again) > 0


@pytest.mark.torch
def test_a_result_is_known_by_the_way_in_which_it_was_relaxed(tmp_path: Path, emt, caplog) -> None:
    crystals, journal = alloys(3), Journal(tmp_path)
    relax_batch(crystals, settings(True), journal, "b0")
    (computed,) = {len(lines(tmp_path))}
    assert all(record["provenance"]["batched"] == mode.METHOD for record in lines(tmp_path))
    alone = relax_batch(crystals, settings(False), journal, "b0")
    assert len(lines(tmp_path)) == 2 * computed
    assert all("batched" not in record["provenance"] for record in lines(tmp_path)[computed:])
    assert {crystal.info["engine"] for crystal in alone} == {"7net-0"}

    other = Journal(tmp_path / "own", known_folders=[tmp_path])
    (tmp_path / "b0.jsonl").write_text("".join(json.dumps(record) + "\n" for record in lines(tmp_path)[:computed]))
    with caplog.at_level(logging.INFO):
        found = relax_batch(crystals, settings("auto"), other, "b1")  # no GPU here: one by one
    assert not lines(tmp_path / "own")
    assert f"{computed} of them were relaxed together with others, not one by one" in caplog.text
    assert {crystal.info["engine"] for crystal in found} == {"7net-0 (batched)"}


def test_what_is_relaxed_one_by_one_has_the_identity_that_it_always_had() -> None:
    before = config(engine="mlip", mlip={"models": ["7net-0"], "device": "cpu"})
    assert identity(settings("auto"), ["Cu"]) == identity(settings(True), ["Cu"]) == identity(before, ["Cu"])
    assert identity(settings(True), ["Cu"], batched=True) != identity(before, ["Cu"])
    assert mode.PACKAGE in identity(settings(True), ["Cu"], batched=True)["versions"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "this is Python 3.11; run make environment PYTHON=python3.12, then make gpu"),
        ({"optimizer": "FIRE"}, "relaxation.optimizer is FIRE, and only BFGS relaxes crystals together"),
        (
            {"mlip": {"models": ["7net-0", "CHGNet"], "device": "cpu", "batched": True}},
            "relaxation.mlip.models has CHGNet, and only SevenNet models relax crystals together",
        ),
    ],
)
def test_what_is_missing_is_said_and_auto_does_without(changes: dict, expected: str, monkeypatch) -> None:
    monkeypatch.setattr(mode, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    with pytest.raises(InputError, match="relaxation.mlip.batched is true, but") as error:
        mode.is_batched(settings(True) | changes)
    assert expected in str(error.value)
    auto = settings("auto") | changes
    auto["mlip"] = auto["mlip"] | {"batched": "auto"}
    assert not mode.is_batched(auto)
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    assert mode.is_batched(config() | {"mlip": {"batched": True}}) is False  # another engine


def test_auto_needs_a_gpu_that_may_be_used(monkeypatch) -> None:
    monkeypatch.setattr(mode, "find_spec", lambda name: object())
    monkeypatch.setattr(mode, "_has_gpu", lambda: True)
    assert mode.is_batched(settings("auto"))
    on_cpu = settings("auto")
    on_cpu["mlip"]["device"] = "cpu"
    assert not mode.is_batched(on_cpu)
    assert not mode.is_batched(settings(False))
    monkeypatch.setattr(mode, "_has_gpu", lambda: False)
    assert not mode.is_batched(settings("auto"))
    assert mode.is_batched(settings(True))


@pytest.mark.torch
@has_torch_sim
def test_a_model_gives_many_crystals_what_it_gives_one() -> None:
    """Also a crystal whose cell is left-handed, and one of a single atom."""
    import torch

    from ccdcgan.crystals.structures import to_atoms
    from ccdcgan.relaxation.batched.potentials import load_potential
    from ccdcgan.relaxation.mlip import load_calculator

    rock_salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    rock_salt.perturb(0.05)
    turned = Structure(
        Lattice(rock_salt.lattice.matrix[[1, 0, 2]]),
        rock_salt.species,
        rock_salt.cart_coords,
        coords_are_cartesian=True,
    )
    crystals = [from_atoms(bulk("Cu")), rock_salt, turned]
    most = max(map(len, crystals))
    numbers = torch.zeros((3, most), dtype=torch.int64)
    positions = torch.zeros((3, most, 3), dtype=torch.float64)
    for number, crystal in enumerate(crystals):
        numbers[number, : len(crystal)] = torch.tensor(crystal.atomic_numbers)
        positions[number, : len(crystal)] = torch.tensor(crystal.cart_coords)
    cells = torch.tensor(np.array([crystal.lattice.matrix for crystal in crystals]))
    found = load_potential("7net-0", "cpu").evaluate(numbers, cells, positions)
    for number, crystal in enumerate(crystals):
        atoms = to_atoms(crystal)
        atoms.calc = load_calculator("7net-0", "cpu")
        assert float(found.energies[number]) == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
        np.testing.assert_allclose(found.forces[number, : len(crystal)], atoms.get_forces(), atol=1e-4)
        np.testing.assert_allclose(found.stresses[number], atoms.get_stress(voigt=False), atol=1e-5)
