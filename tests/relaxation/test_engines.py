"""Engines on real crystals: relaxation in stages, refusals, and the identity of the results."""

from pathlib import Path

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from jobflow import run_locally
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import to_atoms
from ccdcgan.relaxation import mlip
from ccdcgan.relaxation.ase_potentials import AseRelaxMaker
from ccdcgan.relaxation.ase_relaxation import RelaxationSettings, Stage, displaced, make_optimizer, relax_in_stages
from ccdcgan.relaxation.engines import identity, make_engine
from ccdcgan.relaxation.guards import AT_END, check_structure
from ccdcgan.relaxation.mlip import MlipRelaxMaker
from ccdcgan.utils.errors import InputError
from tests.support.alloys import BI2SE3, GUARDS, config, copper


@pytest.mark.parametrize("optimizer", ["BFGS", "FIRE", "LBFGS"])
def test_copper_finds_its_lattice_constant(optimizer: str) -> None:
    relaxation = AseRelaxMaker(fmax=0.01, optimizer=optimizer).relax(copper())
    assert (relaxation.status, relaxation.reason) == ("ok", "")
    assert relaxation.structure.volume / 2 == pytest.approx(11.57, abs=0.1)  # a = 3.59 angstrom in EMT
    assert relaxation.fmax < 0.01
    assert relaxation.n_steps == relaxation.stages[0]["n_steps"] > 0


def test_a_softer_initial_hessian_and_that_of_the_previous_stage_save_steps() -> None:
    def stages(first: float, last: float, stiffness: float, learns: bool = True) -> list[int]:
        crystal = to_atoms(copper(3.5, 0.2))
        crystal.calc, steps, counts = EMT(), None, []
        for fmax in (first, last):
            steps = make_optimizer("BFGS", FrechetCellFilter(crystal), stiffness, steps if learns else None)
            steps.run(fmax=fmax)
            counts.append(steps.nsteps)
        return counts

    assert stages(0.02, 0.02, 10.0)[0] < stages(0.02, 0.02, 70.0)[0]
    learning, forgetting = stages(0.02, 1e-3, 10.0), stages(0.02, 1e-3, 10.0, learns=False)
    assert learning[0] == forgetting[0] and learning[1] < forgetting[1]


def test_a_displaced_crystal_leaves_its_saddle_point() -> None:
    """Simple cubic copper has no forces by symmetry; the face-centred structure is lower."""
    cubic = Structure(Lattice.tetragonal(2.4, 4.8), ["Cu", "Cu"], [[0] * 3, [0, 0, 0.5]])
    kept, left = (AseRelaxMaker(fmax=0.01, displacement=length).relax(cubic) for length in (0.0, 0.05))
    assert (kept.status, left.status) == ("ok", "ok")
    assert left.energy_per_atom < kept.energy_per_atom - 0.3


def test_displacements_follow_from_the_crystal_alone() -> None:
    once, again = displaced(BI2SE3, 0.05), displaced(BI2SE3.copy(), 0.05)
    assert np.array_equal(once.cart_coords, again.cart_coords)
    lengths = np.linalg.norm(once.cart_coords - BI2SE3.cart_coords, axis=1)
    assert np.sqrt((lengths**2).mean()) == pytest.approx(0.05)
    assert not np.allclose(displaced(copper(3.7), 0.05).cart_coords, displaced(copper(3.71), 0.05).cart_coords)
    assert displaced(BI2SE3, 0) is BI2SE3


def test_a_job_returns_what_relax_returns() -> None:
    maker = AseRelaxMaker(fmax=0.05)
    job = maker.make(copper())
    responses = run_locally(job, log=False, ensure_success=True)
    output, direct = responses[job.uuid][1].output, maker.relax(copper())
    assert output.energy_per_atom == direct.energy_per_atom
    assert np.array_equal(output.structure.frac_coords, direct.structure.frac_coords)


def test_running_out_of_steps_is_not_converged() -> None:
    relaxation = AseRelaxMaker(fmax=0.001, max_steps=2).relax(copper())
    assert (relaxation.status, relaxation.reason, relaxation.n_steps) == ("failed", "not_converged", 2)
    assert np.isfinite(relaxation.energy_per_atom)


def test_without_steps_the_energy_is_that_of_the_crystal_as_it_is() -> None:
    start, atoms = copper(), to_atoms(copper())
    atoms.calc = EMT()
    there = AseRelaxMaker(max_steps=0, displacement=0.05, wall_clock=1e-9).relax(start)
    assert (there.status, there.n_steps) == ("ok", 0)
    assert there.structure == start
    assert there.fmax > 0.05
    assert there.energy_per_atom == pytest.approx(atoms.get_potential_energy() / len(atoms))


def test_wall_clock_stops_a_relaxation() -> None:
    assert AseRelaxMaker(fmax=1e-6, wall_clock=1e-9).relax(copper()).reason == "wall_clock"


def test_lennard_jones_relaxes_any_element() -> None:
    maker = AseRelaxMaker(calculator="lj")
    relaxation = maker.relax(Structure(Lattice.cubic(3.2), ["Bi", "Se"], [[0] * 3, [0.5] * 3]))
    assert relaxation.status == "ok"


class Scripted(Calculator):
    """A calculator with given results: energies (eV) in order, and opposite forces on the first and last atom."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, energies: list[float], force: float = 0.0, pressure: float = 0.0) -> None:
        super().__init__()
        self.energies, self.force, self.pressure, self.calls = energies, force, pressure, 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        forces = np.zeros((len(atoms), 3))
        forces[0, 0], forces[-1, 0] = self.force, -self.force
        energy = self.energies[min(self.calls, len(self.energies) - 1)]
        stress = np.array([self.pressure] * 3 + [0.0] * 3)
        self.results = {"energy": energy, "forces": forces, "stress": stress}
        self.calls += 1


@pytest.mark.parametrize(
    ("reason", "calculator", "n_steps"),
    [
        ("not_finite", Scripted([float("nan")]), 0),
        ("not_finite", Scripted([-8.0], force=float("nan")), 0),
        ("energy_exploded", Scripted([-8.0, -8.1, -4e12], force=0.2), 2),
        ("force_exploded", Scripted([-8.0], force=2000.0), 0),
    ],
)
def test_guards_hold_at_every_step(reason: str, calculator: Calculator, n_steps: int) -> None:
    relaxation = relax_in_stages(copper(), [Stage("scripted", calculator)], RelaxationSettings("FIRE"))
    assert (relaxation.status, relaxation.reason, relaxation.n_steps) == ("failed", reason, n_steps)


def test_a_dissociating_cell_is_stopped_early() -> None:
    """A constant negative pressure: the crystal dissociates, and the relaxation stops before its last step."""
    calculator = Scripted([-8.0], pressure=-0.5)
    relaxation = relax_in_stages(copper(), [Stage("scripted", calculator)], RelaxationSettings("FIRE", max_steps=1000))
    assert relaxation.reason == "too_sparse"
    assert relaxation.n_steps < 1000


def test_a_crystal_that_converged_in_pieces_is_refused() -> None:
    """The guards are checked after the last step, too: the calculator favours isolated atoms."""

    class Repel(Scripted):
        """Moves atom 1 to the middle of the free space, where its force is zero."""

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            self.results["forces"][1] = np.clip(5.4 - atoms.positions[1, 2], -1, 1) * np.array([0, 0, 1.0])

    close = Structure(Lattice.orthorhombic(5.2, 5.2, 10.8), ["Cu", "Cu"], [[0, 0, 0], [0, 0, 0.3]])
    relaxation = relax_in_stages(close, [Stage("repel", Repel([-8.0]))], RelaxationSettings("FIRE"))
    assert check_structure(close, GUARDS) == ""
    assert (relaxation.status, relaxation.reason) == ("failed", "isolated_atom")
    assert relaxation.stages[-1]["converged"]


def test_only_the_last_stage_must_converge_and_its_energy_counts() -> None:
    restless, calm = Scripted([-8.0], force=0.2), Scripted([-6.0])
    stages = [Stage("restless", restless), Stage("calm", calm)]
    relaxation = relax_in_stages(copper(), stages, RelaxationSettings("FIRE", max_steps=3))
    assert (relaxation.status, relaxation.energy_per_atom) == ("ok", -3.0)
    assert [report["converged"] for report in relaxation.stages] == [False, True]
    backwards = relax_in_stages(copper(), stages[::-1], RelaxationSettings("FIRE", max_steps=3))
    assert (backwards.reason, backwards.energy_per_atom) == ("not_converged", -4.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "castep"}, "relaxation.engine is 'castep'"),
        ({"optimizer": "adam"}, "relaxation.optimizer is 'adam'"),
        ({"ase": {"calculator": "tersoff"}}, "relaxation.classical.calculator is 'tersoff'"),
        ({"engine": "mlip", "mlip": {"models": ["7net-omni"]}}, "'7net-omni'.*nothing is downloaded"),
        ({"engine": "mlip", "mlip": {"models": []}}, "relaxation.mlip.models"),
        ({"engine": "mlip", "mlip": {"models": ["MatterSim"]}}, "needs the package mattersim; install it"),
    ],
)
def test_wrong_names_are_refused_at_once(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_engine(config(**changes))


def test_weights_that_are_missing_are_never_downloaded(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(mlip.WEIGHTS, "7net-0", "nowhere/checkpoint.pth")
    with pytest.raises(InputError, match="no weights of 7net-0"):
        MlipRelaxMaker(models=["7net-0"])


def test_an_engine_that_is_not_installed_is_reported(monkeypatch) -> None:
    monkeypatch.setattr(mlip, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package sevenn"):
        make_engine(config(engine="mlip"))


def test_an_element_that_emt_does_not_support_is_named() -> None:
    with pytest.raises(InputError, match="does not support Bi"):
        AseRelaxMaker().relax(Structure(Lattice.cubic(3.5), ["Bi"], [[0, 0, 0]]))


def test_identity_changes_with_settings_that_determine_the_result_only() -> None:
    base = identity(config())
    assert base == identity(config(batches=7, wall_clock=5, vasp={"encut": 1}))
    decisive = [
        {"fmax": 0.1},
        {"max_steps": 7},
        {"optimizer": "FIRE"},
        {"stiffness": 70.0},
        {"displacement": 0.1},
        {"ase": {"calculator": "lj"}},
        {"guards": {"min_distance": 1.0}},
        {"engine": "mlip"},
    ]
    for change in decisive:
        assert identity(config(**change)) != base, change
    mlip_base = config(engine="mlip")
    gpu = mlip_base | {"mlip": {"models": ["7net-0"], "device": "cuda"}}
    turned = mlip_base | {"mlip": {"models": ["7net-l3i5", "7net-0"], "device": "cpu"}}
    assert identity(gpu) == identity(mlip_base) != identity(turned)


@pytest.mark.torch
def test_sevennet_relaxes_in_two_stages_offline(monkeypatch) -> None:
    """The energy is that of the last model, at a geometry where the forces of the last model vanish."""
    monkeypatch.setattr("urllib.request.urlopen", None)
    monkeypatch.setattr("requests.get", None)
    maker = MlipRelaxMaker(models=["7net-0", "7net-l3i5"], device="cpu", fmax=0.05)
    rock_salt = Structure(Lattice([[0, 3, 3], [3, 0, 3], [3, 3, 0]]), ["Bi", "Se"], [[0] * 3, [0.5] * 3])
    relaxation = maker.relax(rock_salt)
    assert relaxation.status == "ok"
    assert [report["model"] for report in relaxation.stages] == maker.models
    last = MlipRelaxMaker(models=["7net-l3i5"], device="cpu", fmax=0.05).relax(relaxation.structure)
    assert last.n_steps == 0
    assert last.energy_per_atom == pytest.approx(relaxation.energy_per_atom, abs=1e-5)
    assert last.energy_per_atom != pytest.approx(relaxation.stages[0]["energy_per_atom"], abs=1e-3)
    assert maker.first_energy(relaxation.structure) == pytest.approx(relaxation.stages[0][AT_END], abs=1e-5)
    assert relaxation.stages[0]["energy_per_atom"] < relaxation.stages[0][AT_END]
    with pytest.raises(InputError, match="7net-0 was not trained on Po"):
        maker.check_elements({"Bi", "Po"})


@pytest.mark.torch
def test_sevennet_finds_the_formation_energy_of_bismuth_selenide() -> None:
    """R-3m Bi2Se3 relative to R-3m Bi and trigonal Se: -0.385 to -0.394 eV/atom with DFT."""
    u, z = 0.2254, 0.2339
    crystals = [
        Structure(Lattice.rhombohedral(4.746, 57.23), ["Bi", "Bi"], [[z] * 3, [-z] * 3]),
        Structure(Lattice.hexagonal(4.45, 4.97), ["Se"] * 3, [[u, 0, 1 / 3], [0, u, 2 / 3], [-u, -u, 0]]),
        BI2SE3,
    ]
    maker = MlipRelaxMaker(models=["7net-0", "7net-l3i5"], device="cpu", fmax=0.05)
    bismuth, selenium, compound = (maker.relax(crystal).energy_per_atom for crystal in crystals)
    assert compound - 0.4 * bismuth - 0.6 * selenium == pytest.approx(-0.39, abs=0.02)


@pytest.mark.torch
def test_a_force_field_of_atomate2_is_an_engine_of_its_own_weights() -> None:
    """The same weights give the same energies with both interfaces."""
    options = {"SevenNet": {"model": str(mlip.weights_path("7net-0")), "device": "cpu"}}
    crystal = Structure(Lattice([[0, 3, 3], [3, 0, 3], [3, 3, 0]]), ["Bi", "Se"], [[0] * 3, [0.5] * 3])
    named = make_engine(config(engine="mlip", mlip={"models": ["SevenNet"], "options": options}))
    own = make_engine(config(engine="mlip"))
    assert named.relax(crystal).energy_per_atom == pytest.approx(own.relax(crystal).energy_per_atom, abs=1e-6)
    assert named.label == "SevenNet"


@pytest.mark.torch
def test_local_weights_of_several_levels_of_theory_are_used_at_the_one_that_is_named() -> None:
    """The recipe of docs/engines.md for SevenNet-Omni, with weights that are installed."""
    options = {"SevenNet": {"model": str(mlip.weights_path("7net-mf-0")), "modal": "PBE", "device": "cpu"}}
    named = make_engine(config(engine="mlip", mlip={"models": ["SevenNet"], "options": options}, max_steps=1))
    own = make_engine(config(engine="mlip", mlip={"models": ["7net-mf-0"]}, max_steps=1))
    first, second = (engine.relax(BI2SE3).stages[0]["energy_per_atom"] for engine in (named, own))
    assert first == pytest.approx(second, abs=1e-6)


@pytest.mark.torch
def test_a_force_field_downloads_nothing() -> None:
    maker = MlipRelaxMaker(models=["SevenNet"], options={"SevenNet": {"model": "7net-omni", "device": "cpu"}})
    with pytest.raises(InputError, match="SevenNet would download its weights from .*download them yourself"):
        maker.relax(BI2SE3)


@pytest.mark.torch
def test_sevennet_multi_fidelity_is_asked_for_pbe() -> None:
    calculator = mlip.load_calculator("7net-mf-0", "cpu")
    assert calculator.modal == "PBE"


@pytest.mark.torch
def test_the_convolutions_for_processors_give_the_same_energies_and_forces() -> None:
    from sevenn.calculator import SevenNetCalculator
    from sevenn.nn.convolution import IrrepsConvolution

    from ccdcgan.relaxation.kernels.convolution import EdgeConvolution, replace_convolutions

    general = SevenNetCalculator(mlip.weights_path("7net-l3i5"), device="cpu")
    fast = mlip.load_calculator("7net-l3i5", "cpu")
    n_convolutions = sum(isinstance(module, IrrepsConvolution) for module in general.model.children())
    assert sum(isinstance(module, EdgeConvolution) for module in fast.model.children()) == n_convolutions > 0
    assert replace_convolutions(fast.model) == 0  # nothing is replaced twice
    for crystal in (BI2SE3, Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0.02, 0, 0], [0.5, 0.52, 0.49]])):
        atoms = to_atoms(crystal)
        results = [
            (calculator.get_potential_energy(atoms), calculator.get_forces(atoms), calculator.get_stress(atoms))
            for calculator in (general, fast)
        ]
        assert results[1][0] == pytest.approx(results[0][0], abs=1e-4)
        np.testing.assert_allclose(results[1][1], results[0][1], atol=1e-4)
        np.testing.assert_allclose(results[1][2], results[0][2], atol=1e-5)
