"""Engines, guards and batches, on real crystals; EMT stands in where physics is not at stake."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from hypothesis import given
from hypothesis import strategies as st
from jobflow import run_locally
from pymatgen.core import Lattice, Structure

from ccdcgan.errors import InputError
from ccdcgan.relaxation import engines, mlip
from ccdcgan.relaxation.batches import gather, relax_batch, slice_of
from ccdcgan.relaxation.engines import AseRelaxMaker, identity, make_engine
from ccdcgan.relaxation.guards import Guards, check_step, check_structure
from ccdcgan.relaxation.mlip import MlipRelaxMaker
from ccdcgan.relaxation.stages import Stage, relax_in_stages
from ccdcgan.structures import Crystal, from_atoms, read_set, write_set

GUARDS = Guards()

BI2SE3 = Structure(
    Lattice.rhombohedral(9.84, 24.3),
    ["Bi", "Bi", "Se", "Se", "Se"],
    [[0.4] * 3, [0.6] * 3, [0] * 3, [0.21] * 3, [0.79] * 3],
)


def config(**changes) -> dict:
    """Return a relaxation section with EMT, changed as asked."""
    return {
        "engine": "ase",
        "batches": 2,
        "fmax": 0.02,
        "max_steps": 100,
        "wall_clock": 60,
        "optimizer": "BFGS",
        "mlip": {"models": ["7net-0"], "device": "cpu"},
        "ase": {"calculator": "emt"},
        "vasp": {},
        "guards": {},
    } | changes


def copper(a: float = 3.7, shift: float = 0.05) -> Structure:
    """Return two copper atoms of fcc with edge ``a`` (angstrom), one pushed by ``shift`` (angstrom)."""
    atoms = bulk("Cu", a=a, orthorhombic=True)
    atoms.positions[1] += [shift, -shift / 2, 0]
    return from_atoms(atoms)


def copper_gold(a: float) -> Structure:
    """Return L1_0 CuAu with two atoms, from a cube of edge ``a`` (angstrom)."""
    return Structure(Lattice.tetragonal(a / 2**0.5, a), ["Au", "Cu"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def alloys(n: int = 6) -> list[Crystal]:
    """Return ``n`` crystals, all different; number 2 is nonsense and fails at the guards."""
    crystals = [
        Crystal(f"c{i}", copper(3.55 + 0.03 * i, 0.02 * i) if i % 2 else copper_gold(3.6 + 0.04 * i)) for i in range(n)
    ]
    nonsense = Structure(Lattice.cubic(4), ["Cu", "Cu"], [[0, 0, 0], [0.1, 0, 0]])
    crystals[2:3] = [Crystal("c2", nonsense)][: n - 2]
    return [crystal.updated(parent=f"p{crystal.id}", stage="substituted") for crystal in crystals]


def outcome(crystals: list[Crystal]) -> list:
    """Return everything of a result but the time it took, as text, so that bits and NaN compare."""
    return [
        repr(
            (
                crystal.id,
                {key: value for key, value in crystal.info.items() if key != "relax_seconds"},
                crystal.structure.lattice.matrix.tolist(),
                crystal.structure.frac_coords.tolist(),
                [site.species_string for site in crystal.structure],
            )
        )
        for crystal in crystals
    ]


# --- guards


def test_real_crystals_pass() -> None:
    iron = Structure(Lattice(1.43 - 2.86 * np.eye(3)), ["Fe"], [[0, 0, 0]])
    for structure in (copper(), copper_gold(3.75), BI2SE3, iron):
        assert check_structure(structure, GUARDS) == ""


@pytest.mark.parametrize(
    ("reason", "structure"),
    [
        ("not_finite", Structure(Lattice.cubic(4), ["Cu", "Cu"], [[0, 0, 0], [np.nan, 0.5, 0.5]])),
        ("not_finite", Structure(Lattice(np.diag([np.inf, 4, 4])), ["Cu"], [[0, 0, 0]])),
        ("too_close", Structure(Lattice.cubic(4), ["Bi", "Se"], [[0, 0, 0], [0.95, 0, 0]])),
        ("too_close", Structure(Lattice.cubic(4), ["Bi", "Se"], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])),
        ("too_close", Structure(Lattice.orthorhombic(1.1, 6, 6), ["Cu"], [[0, 0, 0]])),
        ("too_dense", Structure(Lattice.cubic(1.65), ["Cu"], [[0, 0, 0]])),
        ("too_sparse", Structure(Lattice.cubic(7), ["Cu", "Cu"], [[0, 0, 0], [0.3, 0, 0]])),
        ("flat_cell", Structure(Lattice.from_parameters(6, 6, 6, 90, 90, 18), ["Cu"], [[0, 0, 0]])),
        ("flat_cell", Structure(Lattice.from_parameters(6, 6, 6, 90, 90, 165), ["Cu"], [[0, 0, 0]])),
        ("flat_cell", Structure(Lattice.from_parameters(8, 8, 8, 119, 119, 119), ["Cu"], [[0, 0, 0]])),
        ("isolated_atom", Structure(Lattice.cubic(5.2), ["Cu"], [[0, 0, 0]])),
        (
            "isolated_atom",
            Structure(Lattice.orthorhombic(5.5, 5.5, 12.5), ["Cu"] * 3, [[0] * 3, [0, 0, 0.176], [0, 0, 0.588]]),
        ),
    ],
)
def test_each_guard_has_its_name(reason: str, structure: Structure) -> None:
    assert check_structure(structure, GUARDS) == reason


def test_distance_of_an_atom_to_its_own_image_counts_across_a_cell_diagonal() -> None:
    """Two long edges whose difference is short: no edge is too short, an image is."""
    lattice = Lattice([[3, 0, 0], [2.0, 0.5, 0], [0, 0, 12]])
    assert check_structure(Structure(lattice, ["Cu"], [[0, 0, 0]]), Guards(min_angle=5)) == "too_close"


@pytest.mark.parametrize(
    ("reason", "energy", "force"),
    [
        ("", -3.8, 0.1),
        ("not_finite", float("nan"), 0.1),
        ("not_finite", -3.8, float("inf")),
        ("energy_exploded", -3.6e12, 0.1),
        ("energy_exploded", 51.0, 0.1),
        ("force_exploded", -3.8, 1001.0),
    ],
)
def test_each_step_guard_has_its_name(reason: str, energy: float, force: float) -> None:
    assert check_step(energy, force, GUARDS) == reason


@pytest.mark.parametrize("guards", [{"min_distanse": 1.0}, {"min_volume": -1}, {"max_angle": "wide"}])
def test_wrong_guards_are_named(guards: dict) -> None:
    with pytest.raises(InputError, match=f"relaxation.guards.{next(iter(guards))}"):
        Guards.from_config(guards)


# --- relaxation


@pytest.mark.parametrize("optimizer", ["BFGS", "FIRE", "LBFGS"])
def test_copper_finds_its_lattice_constant(optimizer: str) -> None:
    relaxation = AseRelaxMaker(fmax=0.01, optimizer=optimizer).relax(copper())
    assert (relaxation.status, relaxation.reason) == ("ok", "")
    assert relaxation.structure.volume / 2 == pytest.approx(11.57, abs=0.1)  # a = 3.59 angstrom in EMT
    assert relaxation.fmax < 0.01
    assert relaxation.n_steps == relaxation.stages[0]["n_steps"] > 0


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


def test_wall_clock_stops_a_relaxation() -> None:
    assert AseRelaxMaker(fmax=1e-6, wall_clock=1e-9).relax(copper()).reason == "wall_clock"


def test_lennard_jones_relaxes_any_element() -> None:
    maker = AseRelaxMaker(calculator="lj")
    relaxation = maker.relax(Structure(Lattice.cubic(3.2), ["Bi", "Se"], [[0] * 3, [0.5] * 3]))
    assert relaxation.status == "ok"


class Scripted(Calculator):
    """A calculator that answers what a test wants: energies (eV) in order, and one force on every atom."""

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
    relaxation = relax_in_stages(copper(), [Stage("scripted", calculator)], GUARDS, "FIRE")
    assert (relaxation.status, relaxation.reason, relaxation.n_steps) == ("failed", reason, n_steps)


def test_a_cell_that_blows_up_is_stopped_on_the_way() -> None:
    """Negative pressure without end: the crystal dissociates, and nobody waits for the last step."""
    calculator = Scripted([-8.0], pressure=-0.5)
    relaxation = relax_in_stages(copper(), [Stage("scripted", calculator)], GUARDS, "FIRE", max_steps=1000)
    assert relaxation.reason == "too_sparse"
    assert relaxation.n_steps < 1000


def test_a_crystal_that_converged_in_pieces_is_refused() -> None:
    """The rules that hold before also hold after: the calculator likes isolated atoms, the guards do not."""

    class Repel(Scripted):
        """Pulls atom 1 to the middle of the free space, then finds no force."""

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            self.results["forces"][1] = np.clip(5.4 - atoms.positions[1, 2], -1, 1) * np.array([0, 0, 1.0])

    close = Structure(Lattice.orthorhombic(5.2, 5.2, 10.8), ["Cu", "Cu"], [[0, 0, 0], [0, 0, 0.3]])
    relaxation = relax_in_stages(close, [Stage("repel", Repel([-8.0]))], GUARDS, "FIRE")
    assert check_structure(close, GUARDS) == ""
    assert (relaxation.status, relaxation.reason) == ("failed", "isolated_atom")
    assert relaxation.stages[-1]["converged"]


def test_only_the_last_stage_must_converge_and_its_energy_counts() -> None:
    restless, calm = Scripted([-8.0], force=0.2), Scripted([-6.0])
    stages = [Stage("restless", restless), Stage("calm", calm)]
    relaxation = relax_in_stages(copper(), stages, GUARDS, "FIRE", max_steps=3)
    assert (relaxation.status, relaxation.energy_per_atom) == ("ok", -3.0)
    assert [report["converged"] for report in relaxation.stages] == [False, True]
    backwards = relax_in_stages(copper(), stages[::-1], GUARDS, "FIRE", max_steps=3)
    assert (backwards.reason, backwards.energy_per_atom) == ("not_converged", -4.0)


# --- engines


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "gpaw"}, "relaxation.engine is 'gpaw'"),
        ({"optimizer": "adam"}, "relaxation.optimizer is 'adam'"),
        ({"ase": {"calculator": "tersoff"}}, "relaxation.ase.calculator is 'tersoff'"),
        ({"engine": "mlip", "mlip": {"models": ["7net-omni"]}}, "'7net-omni'.*nothing is downloaded"),
        ({"engine": "mlip", "mlip": {"models": []}}, "relaxation.mlip.models"),
    ],
)
def test_wrong_names_are_refused_at_once(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_engine(config(**changes))


def test_weights_that_are_missing_are_never_downloaded(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(mlip.WEIGHTS, "7net-0", "nowhere/checkpoint.pth")
    with pytest.raises(InputError, match="no weights of 7net-0"):
        MlipRelaxMaker(models=["7net-0"])


def test_an_engine_that_is_not_installed_says_so(monkeypatch) -> None:
    monkeypatch.setattr(mlip, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package sevenn"):
        make_engine(config(engine="mlip"))


def test_an_element_that_emt_does_not_know_is_named() -> None:
    with pytest.raises(InputError, match="knows no Bi"):
        AseRelaxMaker().relax(Structure(Lattice.cubic(3.5), ["Bi"], [[0, 0, 0]]))


def test_identity_changes_with_whatever_decides_the_result_and_nothing_else() -> None:
    base = identity(config())
    assert base == identity(config(batches=7, wall_clock=5, vasp={"encut": 1}))
    decisive = [
        {"fmax": 0.1},
        {"max_steps": 7},
        {"optimizer": "FIRE"},
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


def test_sevennet_relaxes_in_two_stages_offline(monkeypatch) -> None:
    """The last model's energy counts, at a geometry where the last model's forces vanish."""
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
    with pytest.raises(InputError, match="7net-0 was not trained on Po"):
        maker.check_elements({"Bi", "Po"})


def test_sevennet_finds_the_formation_energy_of_bismuth_selenide() -> None:
    """R-3m Bi2Se3 against R-3m Bi and trigonal Se: DFT has -0.385 to -0.394 eV/atom."""
    u, z = 0.2254, 0.2339
    crystals = [
        Structure(Lattice.rhombohedral(4.746, 57.23), ["Bi", "Bi"], [[z] * 3, [-z] * 3]),
        Structure(Lattice.hexagonal(4.45, 4.97), ["Se"] * 3, [[u, 0, 1 / 3], [0, u, 2 / 3], [-u, -u, 0]]),
        BI2SE3,
    ]
    maker = MlipRelaxMaker(models=["7net-0", "7net-l3i5"], device="cpu", fmax=0.05)
    bismuth, selenium, compound = (maker.relax(crystal).energy_per_atom for crystal in crystals)
    assert compound - 0.4 * bismuth - 0.6 * selenium == pytest.approx(-0.39, abs=0.02)


def test_sevennet_multi_fidelity_is_asked_for_pbe() -> None:
    calculator = mlip.load_calculator("7net-mf-0", "cpu")
    assert calculator.modal == "PBE"


# --- batches


def test_a_batch_keeps_order_info_and_failures(tmp_path: Path) -> None:
    crystals = alloys()
    results = relax_batch(crystals, config(), tmp_path, "b0")
    assert [crystal.id for crystal in results] == [crystal.id for crystal in crystals]
    assert [crystal.info["parent"] for crystal in results] == [c.info["parent"] for c in crystals]
    assert {crystal.info["stage"] for crystal in results} == {"relaxed"}
    assert {crystal.info["engine"] for crystal in results} == {"emt"}
    assert [c.id for c in results if c.info["status"] == "failed"] == ["c2"]
    refused = results[2]
    assert refused.info["reason"] == "too_close"
    assert np.isnan(refused.info["energy_per_atom"])
    assert refused.structure == crystals[2].structure
    assert all(c.info["fmax"] < 0.02 and c.info["n_steps"] > 0 for c in results if c.id != "c2")


def test_results_survive_a_structure_set(tmp_path: Path) -> None:
    results = relax_batch(alloys(4), config(), tmp_path, "b0")
    write_set(tmp_path / "relaxed.extxyz", results)
    again = read_set(tmp_path / "relaxed.extxyz")
    for name in ("status", "reason", "engine", "n_steps", "stage"):
        assert [c.info[name] for c in again] == [c.info[name] for c in results]
    energies = [[c.info["energy_per_atom"] for c in crystals] for crystals in (again, results)]
    np.testing.assert_allclose(*energies, rtol=1e-12)


def test_not_converged_is_recorded_and_the_geometry_is_kept(tmp_path: Path) -> None:
    crystals = [Crystal("short", copper())]
    (result,) = relax_batch(crystals, config(max_steps=1), tmp_path, "b0")
    assert (result.info["status"], result.info["reason"]) == ("failed", "not_converged")
    assert result.structure == crystals[0].structure


def test_a_crystal_that_failed_before_is_passed_on(tmp_path: Path) -> None:
    crystal = Crystal("lost", copper(), {"status": "failed", "reason": "no_cell", "energy_per_atom": -9.0})
    (result,) = relax_batch([crystal], config(), tmp_path, "b0")
    assert (result.info["status"], result.info["reason"]) == ("failed", "no_cell")
    assert np.isnan(result.info["energy_per_atom"])
    assert (tmp_path / "b0.jsonl").read_bytes() == b""


def count_relaxations(monkeypatch) -> list[str]:
    """Return a list that grows with each relaxation really done."""
    done = []
    original = AseRelaxMaker.relax

    def counted(self, structure):
        done.append(structure.formula)
        return original(self, structure)

    monkeypatch.setattr(AseRelaxMaker, "relax", counted)
    return done


def test_other_slices_find_every_result_again(tmp_path: Path, monkeypatch) -> None:
    crystals = alloys()
    whole = relax_batch(crystals, config(), tmp_path / "whole", "all")
    done = count_relaxations(monkeypatch)
    three = [relax_batch(slice_of(crystals, i, 3), config(), tmp_path / "cut", f"{i}of3") for i in range(3)]
    assert len(done) == len(crystals)
    two = [relax_batch(slice_of(crystals, i, 2), config(), tmp_path / "cut", f"{i}of2") for i in range(2)]
    assert len(done) == len(crystals)
    assert outcome(gather(three)) == outcome(gather(two)) == outcome(whole)
    assert [c.info["relax_seconds"] for c in gather(three)] == [c.info["relax_seconds"] for c in gather(two)]


@pytest.mark.parametrize("change", [{"code": "new"}, {"config": config(fmax=0.05)}])
def test_other_code_or_settings_do_not_find_them(tmp_path: Path, monkeypatch, change: dict) -> None:
    crystals = alloys(2)
    arguments = {"config": config(), "journal_dir": tmp_path, "batch": "b0", "code": "old"}
    relax_batch(crystals, **arguments)
    done = count_relaxations(monkeypatch)
    relax_batch(crystals, **arguments)
    assert done == []
    relax_batch(crystals, **arguments | change)
    assert len(done) == 2


def test_a_crystal_moved_by_less_than_the_key_sees_is_the_same(tmp_path: Path, monkeypatch) -> None:
    relax_batch([Crystal("a", copper(shift=0.05))], config(), tmp_path, "b0")
    done = count_relaxations(monkeypatch)
    relax_batch([Crystal("b", copper(shift=0.05 + 1e-9))], config(), tmp_path, "b0")
    assert len(done) == 0
    relax_batch([Crystal("c", copper(shift=0.051))], config(), tmp_path, "b0")
    assert len(done) == 1


def test_a_torn_last_line_costs_one_crystal_only(tmp_path: Path, monkeypatch) -> None:
    crystals = alloys()
    expected = outcome(relax_batch(crystals, config(), tmp_path, "b0"))
    journal = tmp_path / "b0.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    done = count_relaxations(monkeypatch)
    again = relax_batch(crystals, config(), tmp_path, "b0")
    assert len(done) == 1
    assert outcome(again) == expected
    lines = journal.read_bytes().splitlines()
    assert len(lines) == len({json.loads(line)["key"] for line in lines}) == len(crystals)


def test_a_torn_line_of_another_journal_is_skipped_and_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(b'{"key": "abc", "rea')
    (result,) = relax_batch([Crystal("a", copper())], config(), tmp_path, "b0")
    assert result.info["status"] == "ok"
    assert other.read_bytes() == b'{"key": "abc", "rea'


SLOW_BATCH = """
    import json, sys, time
    from pathlib import Path
    from ccdcgan.relaxation import batches, engines
    from ccdcgan.structures import read_set
    original = engines.AseRelaxMaker.relax
    def slow(self, structure):
        time.sleep(0.3)
        return original(self, structure)
    engines.AseRelaxMaker.relax = slow
    here = Path(sys.argv[1])
    batches.relax_batch(read_set(here / "in.extxyz"), json.loads(sys.argv[2]), here / "journal", "b0")
"""


def start_batch(folder: Path) -> subprocess.Popen:
    """Start a process that relaxes folder/in.extxyz slowly."""
    library = Path(engines.__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(SLOW_BATCH), str(folder), json.dumps(config())]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(library)})


def wait_for_lines(journal: Path, n: int, timeout: float = 60) -> None:
    """Wait until a journal has ``n`` lines."""
    deadline = time.monotonic() + timeout
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= n):
        assert time.monotonic() < deadline, "the batch did not get that far"
        time.sleep(0.02)


def test_a_killed_batch_goes_on_where_it_stopped(tmp_path: Path, monkeypatch) -> None:
    write_set(tmp_path / "in.extxyz", alloys())
    crystals = read_set(tmp_path / "in.extxyz")
    journal = tmp_path / "journal" / "b0.jsonl"
    process = start_batch(tmp_path)
    wait_for_lines(journal, 3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = journal.read_bytes().count(b"\n")
    assert 3 <= finished < len(crystals)
    done = count_relaxations(monkeypatch)
    resumed = relax_batch(crystals, config(), tmp_path / "journal", "b0")
    assert len(done) == len(crystals) - finished
    write_set(tmp_path / "resumed.extxyz", [c.updated(relax_seconds=0.0) for c in resumed])
    uninterrupted = relax_batch(crystals, config(), tmp_path / "elsewhere", "b0")
    write_set(tmp_path / "whole.extxyz", [c.updated(relax_seconds=0.0) for c in uninterrupted])
    assert outcome(resumed) == outcome(uninterrupted)
    assert (tmp_path / "resumed.extxyz").read_bytes() == (tmp_path / "whole.extxyz").read_bytes()


def test_two_processes_never_work_on_one_batch(tmp_path: Path, monkeypatch, caplog) -> None:
    write_set(tmp_path / "in.extxyz", alloys(5))
    crystals = read_set(tmp_path / "in.extxyz")
    process = start_batch(tmp_path)
    wait_for_lines(tmp_path / "journal" / "b0.jsonl", 1)
    done = count_relaxations(monkeypatch)
    with caplog.at_level(logging.INFO):
        relax_batch(crystals, config(), tmp_path / "journal", "b0")
    assert process.wait() == 0
    assert done == []
    assert "waiting" in caplog.text


def test_a_crash_inside_one_crystal_is_recorded_and_tried_again(tmp_path: Path, monkeypatch) -> None:
    crystals = alloys(4)
    original = AseRelaxMaker.relax

    def crash(self, structure):
        if structure == crystals[1].structure:
            raise RuntimeError("singular matrix")
        return original(self, structure)

    monkeypatch.setattr(AseRelaxMaker, "relax", crash)
    results = relax_batch(crystals, config(), tmp_path, "b0")
    assert [c.info["reason"] for c in results] == ["", "engine_error", "too_close", ""]
    record = json.loads((tmp_path / "b0.jsonl").read_text().splitlines()[1])
    assert record["detail"] == "RuntimeError: singular matrix"
    monkeypatch.setattr(AseRelaxMaker, "relax", original)
    again = relax_batch(crystals, config(), tmp_path, "b0")
    assert [c.info["reason"] for c in again] == ["", "", "too_close", ""]


def test_an_element_nobody_knows_stops_the_batch_before_it_starts(tmp_path: Path, monkeypatch) -> None:
    done = count_relaxations(monkeypatch)
    crystals = [*alloys(2), Crystal("bad", Structure(Lattice.cubic(3.5), ["Bi"], [[0, 0, 0]]))]
    with pytest.raises(InputError, match="knows no Bi"):
        relax_batch(crystals, config(), tmp_path, "b0")
    assert done == []


def test_progress_counts_failures(tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.INFO):
        relax_batch(alloys(4), config(), tmp_path, "b0")
    assert "relaxing b0: 4/4 (100 %)" in caplog.text
    assert "1 failed" in caplog.text


@given(st.lists(st.integers()), st.integers(1, 9))
def test_slices_gather_in_order(items: list[int], n: int) -> None:
    assert gather([slice_of(items, batch, n) for batch in range(n)]) == items


def test_slices_of_different_lists_do_not_gather() -> None:
    with pytest.raises(InputError, match="delete the relaxed batches"):
        gather([[1, 2], [3], [4, 5]])
    with pytest.raises(InputError, match="batch 3 is not one of 0 to 2"):
        slice_of([1], 3, 3)


def test_a_batch_of_nothing(tmp_path: Path) -> None:
    assert relax_batch([], config(), tmp_path, "empty") == []
