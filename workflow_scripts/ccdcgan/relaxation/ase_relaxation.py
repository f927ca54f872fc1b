"""Relaxation of cell and positions with any ASE calculator, in stages and under the guards.

Forces in eV/angstrom, energies in eV/atom, times in seconds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE, LBFGS
from ase.optimize.optimize import Optimizer
from jobflow import Maker, job
from monty.json import MSONable
from pymatgen.core import Structure
from threadpoolctl import threadpool_limits

from ccdcgan.crystals.structures import from_atoms, to_atoms
from ccdcgan.relaxation.guards import AT_END, Guards, check_cell, check_step, check_structure
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.hashing import fingerprint

OPTIMIZERS = {"BFGS": BFGS, "FIRE": FIRE, "LBFGS": LBFGS}


@dataclass(frozen=True)
class Relaxation(MSONable):
    """Result of an engine for one crystal, relaxed or failed.

    Args:
        structure: Final geometry.
        energy_per_atom: Energy, eV/atom; NaN if none was computed.
        fmax: Largest force, eV/angstrom, including the generalised force on the cell where the engine has one.
        n_steps: Number of ionic steps of all stages.
        status: "ok" or "failed".
        reason: Short name of the reason of a failure; "" otherwise.
        detail: The failure in a sentence.
        stages: One dictionary per stage: model, n_steps, energy_per_atom, fmax and converged. If models differ, that
            of the first stage has also AT_END, the energy of its model at the final geometry, eV/atom.
        forces: Forces of the last step, shape (n_atoms, 3), eV/angstrom.
        stress: Stress of the last step, (xx, yy, zz, yz, xz, xy), eV/angstrom^3, positive under tension.
        provenance: Facts about the program that only the run knows (VASP's version, POTCAR titles, inputs).
    """

    structure: Structure
    energy_per_atom: float = float("nan")
    fmax: float = float("nan")
    n_steps: int = 0
    status: str = "ok"
    reason: str = ""
    detail: str = ""
    stages: list = field(default_factory=list)
    forces: list = field(default_factory=list)
    stress: list = field(default_factory=list)
    provenance: dict = field(default_factory=dict)


def failed(structure: Structure, reason: str, detail: str, **results) -> Relaxation:
    """Return a failed relaxation.

    Args:
        structure: Final geometry.
        reason: Short name of the reason.
        detail: The failure in a sentence.
        results (Any): Further fields of :class:`Relaxation`.
    """
    return Relaxation(structure, status="failed", reason=reason, detail=detail, **results)


@dataclass(frozen=True)
class Stage:
    """One stage of a relaxation.

    Args:
        model: Name of the model in reports.
        calculator: ASE calculator.
    """

    model: str
    calculator: Calculator


@dataclass(frozen=True)
class RelaxationSettings:
    """Settings of a relaxation in stages.

    Args:
        optimizer: Name of the optimiser, one of OPTIMIZERS.
        fmax: Force below which a stage has converged, eV/angstrom.
        max_steps: Largest number of steps per stage; 0: only the energy of the crystal as it is.
        wall_clock: Time limit of all stages together, s; checked after each step.
        stiffness: Diagonal of the initial Hessian of BFGS and LBFGS, eV/angstrom^2.
        guards: Limits of an acceptable crystal.
        keep_symmetry: Whether the symmetry of the start is imposed on forces and stress.
    """

    optimizer: str = "BFGS"
    fmax: float = 0.05
    max_steps: int = 250
    wall_clock: float = 600.0
    stiffness: float = 10.0
    guards: Guards = Guards()
    keep_symmetry: bool = False


def optimizer_class(name: str) -> type:
    """Return the ASE optimiser of a name; raises InputError for an unknown one."""
    if name not in OPTIMIZERS:
        raise InputError(f"relaxation.optimizer is {name!r}; choose one of {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[name]


def make_optimizer(name: str, crystal: FrechetCellFilter, stiffness: float, before: Optimizer | None) -> Optimizer:
    """Return an ASE optimiser for cell and positions.

    Args:
        name: Name of the optimiser, one of OPTIMIZERS.
        crystal: Filter over cell and positions.
        stiffness: Diagonal of the initial Hessian of BFGS and LBFGS, eV/angstrom^2.
        before: Optimiser of the previous stage, whose Hessian BFGS starts from; None for the first stage.

    Raises:
        InputError: For an unknown optimiser.
    """
    kind = optimizer_class(name)
    if kind is FIRE:
        return FIRE(crystal, logfile=None)
    steps = kind(crystal, logfile=None, alpha=stiffness)
    if kind is BFGS and before is not None and before.state is not None:  # no state if no step was made
        steps.H0 = before.H
    return steps


def displaced(structure: Structure, length: float) -> Structure:
    """Return the crystal with its atoms displaced at random.

    A relaxation preserves the symmetry of its start and so can end on a saddle point. The displacements are derived
    from the crystal: the same crystal is displaced in the same way in every run, batch and order.

    Args:
        structure: Crystal.
        length: Root mean square displacement, angstrom; 0: none.
    """
    if not length:
        return structure
    geometry = (np.round(structure.lattice.matrix, 6), np.round(structure.frac_coords, 6), structure.atomic_numbers)
    entropy = fingerprint([(np.asarray(values) + 0.0).tolist() for values in geometry])
    vectors = np.random.default_rng(int(entropy, 16)).standard_normal((len(structure), 3))
    vectors *= length / np.sqrt((vectors**2).sum(axis=1).mean())
    return Structure(structure.lattice, structure.species, structure.cart_coords + vectors, coords_are_cartesian=True)


def relax_in_stages(
    structure: Structure,
    stages: Sequence[Stage],
    settings: RelaxationSettings,
    keep_step: Callable[[Atoms], None] | None = None,
) -> Relaxation:
    """Relax cell and positions, each stage from the final geometry of the previous one.

    The energy is that of the last stage. Only the last stage has to converge; an earlier one may run out of steps. With
    ``max_steps`` 0 the energy is that of the crystal as it is, and nothing has to converge. The guards are checked
    before, at every step of every stage, and after. Reasons of a failure beside theirs are ``wall_clock`` and
    ``not_converged``.

    Args:
        structure: Geometry to start from.
        stages: Stages in order.
        settings: Optimiser, limits and guards.
        keep_step: Function called with the geometry of every accepted step.
    """
    guards = settings.guards
    refused = refusal(structure, guards)
    if refused is not None:
        return refused
    atoms = to_atoms(structure)
    if settings.keep_symmetry:
        atoms.set_constraint(FixSymmetry(atoms))
    deadline = time.monotonic() + settings.wall_clock
    reports: list[dict] = []
    converged, steps = False, None
    # One thread: the linear algebra of the cell is 3 x 3, for which threads of several processes only compete.
    with threadpool_limits(1):
        for stage in stages:
            atoms.calc = stage.calculator
            # A new filter per stage: its deformation is relative to the final cell of the previous stage.
            cell_and_positions = FrechetCellFilter(atoms)
            steps = make_optimizer(settings.optimizer, cell_and_positions, settings.stiffness, steps)
            for finished in steps.irun(fmax=settings.fmax, steps=settings.max_steps):
                converged = bool(finished) or not settings.max_steps
                energy_per_atom = float(atoms.get_potential_energy()) / len(atoms)
                force = float(np.linalg.norm(cell_and_positions.get_forces(), axis=1).max())
                reason = check_step(energy_per_atom, force, guards)
                reason = reason or check_cell(atoms.cell.array, atoms.symbols, guards)
                if not reason and not converged and time.monotonic() > deadline:
                    reason = "wall_clock"
                if reason:
                    break
                if keep_step is not None:
                    keep_step(atoms)
            reports.append(report(stage.model, steps.nsteps, energy_per_atom, force, converged))
            if reason:
                break
    forces, stress = atoms.get_forces().tolist(), atoms.get_stress().tolist()
    if not reason and len({stage.model for stage in stages}) > 1:
        reports[0][AT_END] = energy_per_atom_of(atoms, stages[0].calculator)
    return concluded(from_atoms(atoms), reason, guards, stages=reports, forces=forces, stress=stress)


def energy_per_atom_of(atoms: Atoms, calculator: Calculator) -> float:
    """Return the energy of a crystal as it is, eV/atom."""
    atoms.calc = calculator
    with threadpool_limits(1):
        return float(atoms.get_potential_energy()) / len(atoms)


def refusal(structure: Structure, guards: Guards) -> Relaxation | None:
    """Return the failed relaxation of a crystal that the guards refuse before it starts; None: they accept it."""
    reason = check_structure(structure, guards)
    return failed(structure, reason, "The crystal was refused before its relaxation.") if reason else None


def report(model: str, n_steps: int, energy_per_atom: float, fmax: float, converged: bool) -> dict:
    """Return the report of one stage, see :class:`Relaxation`."""
    return {
        "model": model,
        "n_steps": n_steps,
        "energy_per_atom": energy_per_atom,
        "fmax": fmax,
        "converged": converged,
    }


def concluded(
    relaxed: Structure, reason: str, guards: Guards, *, stages: list[dict], forces: list, stress: list
) -> Relaxation:
    """Return the result of a relaxation whose last stage has ended.

    Args:
        relaxed: Final geometry.
        reason: Reason for which the last stage was stopped; "": it converged or is out of steps.
        guards: Limits of an acceptable crystal, checked here for the final geometry.
        stages: Reports of the stages.
        forces: Forces of the last step, shape (n_atoms, 3), eV/angstrom.
        stress: Stress of the last step, (xx, yy, zz, yz, xz, xy), eV/angstrom^3.
    """
    last = stages[-1]
    results = {
        "energy_per_atom": last["energy_per_atom"],
        "fmax": last["fmax"],
        "n_steps": sum(stage["n_steps"] for stage in stages),
        "stages": stages,
        "forces": forces,
        "stress": stress,
    }
    where = f"{last['model']}, step {last['n_steps']}"
    numbers = f"{last['energy_per_atom']:.3f} eV/atom, largest force {last['fmax']:.3f} eV/angstrom"
    if reason:
        return failed(relaxed, reason, f"Stopped at {where}: {numbers}.", **results)
    reason = check_structure(relaxed, guards)
    if reason:
        return failed(relaxed, reason, f"Refused after its last step, {where}: {numbers}.", **results)
    if not last["converged"]:
        return failed(relaxed, "not_converged", f"Out of steps at {where}: {numbers}.", **results)
    return Relaxation(relaxed, **results)


@dataclass
class StagedRelaxMaker(Maker):
    """Base class of the makers over ASE calculators; a subclass defines its ``stages``.

    Args:
        name: Name of the jobs.
        fmax: Force below which a stage has converged, eV/angstrom. It is the same for all stages: an early stage that
            ends coarsely saves no time and leaves crystals near saddle points.
        max_steps: Largest number of steps per stage; 0: only the energy of the crystal as it is.
        wall_clock: Time limit per crystal, s.
        optimizer: Name of the optimiser, one of OPTIMIZERS.
        stiffness: Diagonal of the initial Hessian of BFGS and LBFGS, eV/angstrom^2.
        displacement: Root mean square displacement of the atoms at the start, angstrom; see :func:`displaced`.
        guards: Limits of an acceptable crystal.
    """

    name: str = "relax"
    fmax: float = 0.05
    max_steps: int = 250
    wall_clock: float = 600.0
    optimizer: str = "BFGS"
    stiffness: float = 10.0
    displacement: float = 0.0
    guards: Guards = field(default_factory=Guards)

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError for the first element that this engine does not support."""
        raise NotImplementedError

    def stages(self, structure: Structure) -> list[Stage]:
        """Return the stages of the relaxation of ``structure``."""
        raise NotImplementedError

    def first_energy(self, structure: Structure) -> float:
        """Return the energy of a crystal as it is in the model of the first stage, eV/atom."""
        return energy_per_atom_of(to_atoms(structure), self.stages(structure)[0].calculator)

    def start(self, structure: Structure) -> Structure:
        """Return the geometry that the relaxation of ``structure`` starts from."""
        return displaced(structure, self.displacement) if self.max_steps else structure

    def keep_step(self, structure: Structure, atoms: Atoms) -> None:
        """Save restart data of the relaxation of ``structure`` after each step; no-op by default."""

    def settings(self) -> RelaxationSettings:
        """Return the settings of :func:`relax_in_stages`."""
        return RelaxationSettings(
            optimizer=self.optimizer,
            fmax=self.fmax,
            max_steps=self.max_steps,
            wall_clock=self.wall_clock,
            stiffness=self.stiffness,
            guards=self.guards,
        )

    def relax(self, structure: Structure) -> Relaxation:
        """Relax one crystal in this process; raises InputError for an element the engine does not support."""
        self.check_elements({element.symbol for element in structure.composition})
        start, stages = self.start(structure), self.stages(structure)
        return relax_in_stages(start, stages, self.settings(), partial(self.keep_step, structure))

    @job
    def make(self, structure: Structure) -> Relaxation:
        """Return a jobflow job that relaxes ``structure``; its output is a :class:`Relaxation`."""
        return self.relax(structure)
