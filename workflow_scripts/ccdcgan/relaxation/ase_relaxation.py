"""The relaxation every ASE calculator shares: cell and positions, in stages, under the guards.

Forces in eV/angstrom, energies in eV/atom, times in seconds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE, LBFGS
from ase.optimize.optimize import Optimizer
from jobflow import Maker, job
from monty.json import MSONable
from pymatgen.core import Structure
from threadpoolctl import threadpool_limits

from ccdcgan.crystals.structures import from_atoms, to_atoms
from ccdcgan.relaxation.guards import Guards, check_cell, check_step, check_structure
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.hashing import fingerprint

OPTIMIZERS = {"BFGS": BFGS, "FIRE": FIRE, "LBFGS": LBFGS}


@dataclass(frozen=True)
class Relaxation(MSONable):
    """What an engine returns for one crystal, relaxed or not.

    structure: where the relaxation ended; energy_per_atom: eV/atom, NaN if none was computed; fmax: largest
    force, eV/angstrom, the cell's generalised force included where the engine has one; n_steps: of all
    stages; status: "ok" or "failed"; reason: "" or a short name; detail: a sentence; stages: one dict per
    stage with its model, n_steps, energy_per_atom, fmax and whether it converged; forces: (n_atoms, 3),
    eV/angstrom, and stress: (xx, yy, zz, yz, xz, xy), eV/angstrom^3, positive under tension, of the last
    step; provenance: what only the run itself knows of its program (VASP's version, POTCAR titles, inputs).
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
    """Return a failed relaxation with its reason and a sentence."""
    return Relaxation(structure, status="failed", reason=reason, detail=detail, **results)


@dataclass(frozen=True)
class Stage:
    """One calculator and the model's name, as reports call it."""

    model: str
    calculator: Calculator


def optimizer_class(name: str) -> type:
    """Return ASE's optimiser called ``name``; raises InputError for an unknown one."""
    if name not in OPTIMIZERS:
        raise InputError(f"relaxation.optimizer is {name!r}; choose one of {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[name]


def make_optimizer(name: str, crystal: FrechetCellFilter, stiffness: float, before: Optimizer | None) -> Optimizer:
    """Return ASE's optimiser ``name`` for cell and positions.

    stiffness: the curvature (eV/angstrom^2) that BFGS and LBFGS assume until they have learned it; before: the
    stage before, whose learned Hessian a BFGS goes on with. Raises InputError for an unknown optimiser.
    """
    kind = optimizer_class(name)
    if kind is FIRE:
        return FIRE(crystal, logfile=None)
    steps = kind(crystal, logfile=None, alpha=stiffness)
    if kind is BFGS and before is not None and before.state is not None:  # none yet after no step
        steps.H0 = before.H
    return steps


def displaced(structure: Structure, length: float) -> Structure:
    """Return the crystal with its atoms displaced at random by ``length`` (angstrom, root mean square).

    A relaxation keeps the symmetry it starts with and so can end on a saddle point. The displacements follow
    from the crystal itself: the same crystal is displaced the same way in every run, batch and order.
    """
    if not length:
        return structure
    known = (np.round(structure.lattice.matrix, 6), np.round(structure.frac_coords, 6), structure.atomic_numbers)
    entropy = fingerprint([(np.asarray(values) + 0.0).tolist() for values in known])
    vectors = np.random.default_rng(int(entropy, 16)).standard_normal((len(structure), 3))
    vectors *= length / np.sqrt((vectors**2).sum(axis=1).mean())
    return Structure(structure.lattice, structure.species, structure.cart_coords + vectors, coords_are_cartesian=True)


def relax_in_stages(
    structure: Structure,
    stages: Sequence[Stage],
    guards: Guards,
    optimizer: str = "BFGS",
    fmax: float = 0.05,
    max_steps: int = 250,
    wall_clock: float = 600.0,
    keep_step: Callable[[Atoms], None] | None = None,
    stiffness: float = 10.0,
) -> Relaxation:
    """Relax cell and positions, each stage from where the last one stopped; the last one's energy counts.

    A stage ends once no force is above ``fmax`` (eV/angstrom). An early stage may run out of its
    ``max_steps``; only the last one has to converge. With no steps at all the energy is that of the crystal as
    it is, and nothing has to converge. The guards hold before, at every step of every stage, and after. Reasons
    beyond the guards' own: ``wall_clock`` (seconds for all stages together, looked at after each step) and
    ``not_converged``. keep_step: called with the geometry of every step that passed; stiffness: see
    :func:`make_optimizer`, each stage learning from the one before.
    """
    reason = check_structure(structure, guards)
    if reason:
        return failed(structure, reason, "The crystal was refused before its relaxation.")
    atoms = to_atoms(structure)
    deadline = time.monotonic() + wall_clock
    reports: list[dict] = []
    converged, steps = False, None
    # One thread: the algebra of the cell is 3 x 3, where threads of several processes only spin.
    with threadpool_limits(1):
        for stage in stages:
            atoms.calc = stage.calculator
            # A new filter per stage: its deformation starts from the cell the last stage left.
            cell_and_positions = FrechetCellFilter(atoms)
            steps = make_optimizer(optimizer, cell_and_positions, stiffness, steps)
            for finished in steps.irun(fmax=fmax, steps=max_steps):
                converged = bool(finished) or not max_steps
                energy_per_atom = float(atoms.get_potential_energy()) / len(atoms)
                force = float(np.linalg.norm(cell_and_positions.get_forces(), axis=1).max())
                reason = check_step(energy_per_atom, force, guards)
                reason = reason or check_cell(atoms.cell.array, len(atoms), guards)
                if not reason and not converged and time.monotonic() > deadline:
                    reason = "wall_clock"
                if reason:
                    break
                if keep_step is not None:
                    keep_step(atoms)
            reports.append(
                {
                    "model": stage.model,
                    "n_steps": steps.nsteps,
                    "energy_per_atom": energy_per_atom,
                    "fmax": force,
                    "converged": converged,
                }
            )
            if reason:
                break
    relaxed = from_atoms(atoms)
    results = {
        "energy_per_atom": energy_per_atom,
        "fmax": force,
        "n_steps": sum(report["n_steps"] for report in reports),
        "stages": reports,
        "forces": atoms.get_forces().tolist(),
        "stress": atoms.get_stress().tolist(),
    }
    where = f"{reports[-1]['model']}, step {reports[-1]['n_steps']}"
    numbers = f"{energy_per_atom:.3f} eV/atom, largest force {force:.3f} eV/angstrom"
    if reason:
        return failed(relaxed, reason, f"Stopped at {where}: {numbers}.", **results)
    reason = check_structure(relaxed, guards)
    if reason:
        return failed(relaxed, reason, f"Refused after its last step, {where}: {numbers}.", **results)
    if not converged:
        return failed(relaxed, "not_converged", f"Out of steps at {where}: {numbers}.", **results)
    return Relaxation(relaxed, **results)


@dataclass
class StagedRelaxMaker(Maker):
    """What makers over ASE calculators share; each says which ``stages`` it goes through.

    fmax: eV/angstrom, of every stage (ending an early one coarsely saves no time and strands crystals near
    saddle points); max_steps: per stage, 0 for the energy of the crystal as it is; wall_clock: seconds per crystal;
    stiffness: eV/angstrom^2, see :func:`make_optimizer`; displacement: angstrom, see :func:`displaced`.
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
        """Raise InputError naming the first element this engine does not know."""
        raise NotImplementedError

    def stages(self, structure: Structure) -> list[Stage]:
        """Return the calculators that ``structure`` goes through, the last one's energy counts."""
        raise NotImplementedError

    def start(self, structure: Structure) -> Structure:
        """Return the geometry that the relaxation of ``structure`` starts from."""
        return displaced(structure, self.displacement) if self.max_steps else structure

    def keep_step(self, structure: Structure, atoms: Atoms) -> None:
        """Keep what a relaxation of ``structure`` that is killed could go on from; nothing by default."""

    def relax(self, structure: Structure) -> Relaxation:
        """Relax one crystal in this process; raises InputError for an element the engine does not know."""
        self.check_elements({element.symbol for element in structure.composition})
        return relax_in_stages(
            self.start(structure),
            self.stages(structure),
            self.guards,
            self.optimizer,
            self.fmax,
            self.max_steps,
            self.wall_clock,
            partial(self.keep_step, structure),
            self.stiffness,
        )

    @job
    def make(self, structure: Structure) -> Relaxation:
        """Return a jobflow job that relaxes ``structure``; its output is a :class:`Relaxation`."""
        return self.relax(structure)
