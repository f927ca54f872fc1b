"""Potentials for batches of crystals that compute each of them with EMT, for tests without torch-sim.

It loads torch: tests import it inside functions and are marked with ``pytest.mark.torch``.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from ase import Atoms
from ase.calculators.emt import EMT
from pymatgen.core import Structure

from ccdcgan.relaxation.ase_relaxation import Relaxation, StagedRelaxMaker
from ccdcgan.relaxation.batched.potentials import Evaluation
from ccdcgan.relaxation.batched.relaxations import relax_together


class EmtPotential:
    """EMT for batches.

    Args:
        atoms: Largest number of atoms in one call.
    """

    device = torch.device("cpu")

    def __init__(self, atoms: int = 20) -> None:
        self.atoms = atoms
        self.calls: list[int] = []

    def evaluate(self, numbers: torch.Tensor, cells: torch.Tensor, positions: torch.Tensor) -> Evaluation:
        """Compute each crystal with EMT."""
        self.calls.append(int((numbers > 0).sum()))
        energies, forces, stresses = [], torch.zeros_like(positions), []
        for number, (own, cell, places) in enumerate(zip(numbers, cells, positions, strict=True)):
            is_atom = own > 0
            atoms = Atoms(numbers=own[is_atom], cell=cell, positions=places[is_atom], pbc=True, calculator=EMT())
            energies.append(atoms.get_potential_energy())
            forces[number, is_atom] = torch.tensor(atoms.get_forces())
            stresses.append(atoms.get_stress(voigt=False))
        return Evaluation(torch.tensor(energies, dtype=torch.float64), forces, torch.tensor(np.array(stresses)))

    def size(self, structure: Structure) -> float:
        """Return the number of atoms."""
        return len(structure)

    def room(self, structures: Sequence[Structure]) -> float:
        """Return the largest number of atoms."""
        return self.atoms


class Squeezing(EmtPotential):
    """EMT under a large pressure. A cell of less than 18 angstrom^3 must not be computed."""

    def evaluate(self, numbers: torch.Tensor, cells: torch.Tensor, positions: torch.Tensor) -> Evaluation:
        """Compute each crystal."""
        assert torch.linalg.det(cells).abs().min() > 18
        evaluation = super().evaluate(numbers, cells, positions)
        return replace(evaluation, stresses=evaluation.stresses + 50 * torch.eye(3))


class WithoutNickel(EmtPotential):
    """EMT that raises an exception if there is nickel in a call."""

    def evaluate(self, numbers: torch.Tensor, cells: torch.Tensor, positions: torch.Tensor) -> Evaluation:
        """Compute each crystal."""
        if (numbers == 28).any():
            raise RuntimeError("no parameters of nickel")
        return super().evaluate(numbers, cells, positions)


class Small(EmtPotential):
    """EMT in a memory for ten atoms."""

    def evaluate(self, numbers: torch.Tensor, cells: torch.Tensor, positions: torch.Tensor) -> Evaluation:
        """Compute each crystal."""
        if (numbers > 0).sum() > 10:
            raise torch.OutOfMemoryError("too many atoms")
        return super().evaluate(numbers, cells, positions)


def together(
    maker: StagedRelaxMaker, potential: EmtPotential, crystals: Sequence[Structure], stages: int = 1
) -> list[Relaxation]:
    """Return the relaxations of crystals that are relaxed together, in their order."""
    models = [f"emt {stage}" for stage in range(stages)]
    done = {number: result for number, result, _ in relax_together(maker, models, lambda _: potential, crystals)}
    return [done[number] for number in range(len(crystals))]
