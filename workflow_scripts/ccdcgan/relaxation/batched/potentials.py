"""SevenNet models that compute many crystals in one call, through torch-sim, and how many fit in it."""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch
from pymatgen.core import Structure

from ccdcgan.relaxation.mlip import MODALS, resolve_device, weights_path

log = logging.getLogger(__name__)

ATOMS_ON_CPU = 64
"""Largest number of atoms in one call on a processor, where larger calls are no faster."""

SHARE_OF_MEMORY = 0.8
"""Share of the estimated memory of a GPU that is used."""

MOST_ATOMS = 30_000
"""Largest number of atoms in one call for which the memory of a GPU is tried."""


@dataclass(frozen=True)
class Evaluation:
    """Energies (n,), eV; forces on the atoms (n, m, 3), eV/angstrom; stresses (n, 3, 3), eV/angstrom^3."""

    energies: torch.Tensor
    forces: torch.Tensor
    stresses: torch.Tensor

    @classmethod
    def of(cls, parts: Sequence["Evaluation"]) -> "Evaluation":
        """Return the evaluations of several calls as one."""
        most = max(part.forces.shape[1] for part in parts)
        forces = [torch.nn.functional.pad(part.forces, (0, 0, 0, most - part.forces.shape[1])) for part in parts]
        return cls(
            torch.cat([part.energies for part in parts]),
            torch.cat(forces),
            torch.cat([part.stresses for part in parts]),
        )


class Potential(Protocol):
    """A model that computes many crystals in one call."""

    device: torch.device

    def evaluate(self, numbers: torch.Tensor, cells: torch.Tensor, positions: torch.Tensor) -> Evaluation:
        """Compute crystals: atomic numbers (n, m), 0 for padding; cells (n, 3, 3); positions (n, m, 3), angstrom."""

    def size(self, structure: Structure) -> float:
        """Return how much of the room of a call a crystal takes."""

    def room(self, structures: Sequence[Structure]) -> float:
        """Return the room of a call, in units of :meth:`size`, for crystals like these."""


class TorchSimPotential:
    """A SevenNet model in torch-sim.

    Args:
        model: Name of the model.
        device: "cpu" or "cuda".
        atoms: Largest number of atoms in one call; None: ATOMS_ON_CPU, or what fits in the memory of the GPU.
    """

    def __init__(self, model: str, device: str, atoms: int | None = None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of the libraries about their own parts
            from torch_sim.neighbors import torch_nl_n2

            from ccdcgan.relaxation.batched.sevennet import WholeGraphModel
            from ccdcgan.relaxation.kernels.convolution import replace_convolutions

            # The search for neighbours is named, since the default depends on what else is installed.
            keywords = {"modal": MODALS.get(model), "device": device, "neighbor_list_fn": torch_nl_n2}
            self._model = WholeGraphModel(str(weights_path(model)), **keywords)
        if device == "cpu":
            replace_convolutions(self._model.model)
        self._atoms = ATOMS_ON_CPU if atoms is None and device == "cpu" else atoms
        self.device = torch.device(device)

    def evaluate(self, numbers: torch.Tensor, cells: torch.Tensor, positions: torch.Tensor) -> Evaluation:
        """Compute crystals, see :class:`Potential`."""
        is_atom = numbers > 0
        results = self._model(self._state(numbers, cells, positions, is_atom))
        forces = torch.zeros_like(positions)
        forces[is_atom] = results["forces"].to(forces.dtype)
        return Evaluation(results["energy"].to(cells.dtype), forces, results["stress"].to(cells.dtype))

    def size(self, structure: Structure) -> float:
        """Return the number of atoms, times that per nm^3 where memory limits: it scales with their neighbours."""
        if self._atoms is not None:
            return len(structure)
        return len(structure) ** 2 / (structure.volume / 1000)

    def room(self, structures: Sequence[Structure]) -> float:
        """Return the largest number of atoms, or what fits in the memory by torch-sim's estimate."""
        if self._atoms is not None:
            return self._atoms
        from torch_sim.autobatching import estimate_max_memory_scaler

        extremes = [limit(structures, key=self.size) for limit in (min, max)]
        with contextlib.redirect_stdout(io.StringIO()):  # torch-sim prints what it tries
            most = estimate_max_memory_scaler(
                [self._state_of(structure) for structure in extremes],
                self._model,
                [self.size(structure) for structure in extremes],
                max_atoms=min(sum(map(len, structures)), MOST_ATOMS),
            )
        torch.cuda.empty_cache()
        return SHARE_OF_MEMORY * most

    def _state_of(self, structure: Structure):
        """Return one crystal as torch-sim has it."""
        numbers = torch.tensor([structure.atomic_numbers], device=self.device)
        cells = torch.tensor(structure.lattice.matrix.copy(), device=self.device)[None]
        positions = torch.tensor(structure.cart_coords, device=self.device)[None]
        return self._state(numbers, cells, positions, numbers > 0)

    def _state(self, numbers: torch.Tensor, cells: torch.Tensor, positions: torch.Tensor, is_atom: torch.Tensor):
        """Return crystals as torch-sim has them: their atoms one after another, the edges of cells as columns.

        The edges of a left-handed cell are reversed, which gives the same lattice: the model takes the signed volume.
        """
        from torch_sim.state import SimState

        cells = cells * torch.linalg.det(cells).sign()[:, None, None]
        return SimState(
            positions=positions[is_atom].float(),
            masses=torch.ones(int(is_atom.sum()), device=self.device),
            cell=cells.mT.float().contiguous(),
            pbc=True,
            atomic_numbers=numbers[is_atom],
            system_idx=is_atom.nonzero()[:, 0],
        )


@cache
def load_potential(model: str, device: str) -> TorchSimPotential:
    """Return a SevenNet model in torch-sim, loaded once per process.

    Args:
        model: Name of the model.
        device: "auto", "cpu" or "cuda".

    Raises:
        InputError: If the model or the device is not available.
    """
    if resolve_device(device) == "cpu":
        torch.set_num_threads(1)  # as for one crystal; each process uses one core
    return TorchSimPotential(model, resolve_device(device))
