"""BFGS for the cells and positions of many crystals at once, step by step as ASE does it for one.

ASE's ``BFGS`` with a ``FrechetCellFilter`` minimises over the positions in the undeformed cell and over the logarithm
of its deformation, times the number of atoms. Here the rows of the deformation come first and the crystals are padded
at the end to the size of the largest one, so that the Hessian of a crystal is the upper left block of its padded one
whatever crystals enter or leave. (The BFGS of torch-sim 0.5.2 puts the rows of the cell behind the padding: in a batch
of crystals of different sizes only the cells of the largest ones relax.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch.nn.functional import pad

LONGEST = 0.2
"""Largest displacement of a row in one step, angstrom, as in ASE."""

SAME = 1e-7
"""Largest difference (angstrom) of two geometries between which the Hessian is not updated, as in ASE."""


@dataclass
class Batch:
    """Crystals that are relaxed together; n of them, padded to m atoms. In double precision, on one device.

    Args:
        numbers: Atomic numbers, shape (n, m); 0: padding.
        sizes: Numbers of atoms, shape (n,).
        origin: Undeformed cells, shape (n, 3, 3), rows are edges, angstrom.
        x: Rows of the deformation, then of the atoms, shape (n, 3 + m, 3), angstrom.
        hessian: Hessian, shape (n, 9 + 3 m, 9 + 3 m), eV/angstrom^2.
        moved: Whether a step was made, shape (n,).
        x_before: ``x`` before the last step.
        forces_before: Forces before the last step, eV/angstrom, shaped as ``x``.
    """

    numbers: torch.Tensor
    sizes: torch.Tensor
    origin: torch.Tensor
    x: torch.Tensor
    hessian: torch.Tensor
    moved: torch.Tensor
    x_before: torch.Tensor
    forces_before: torch.Tensor

    def __len__(self) -> int:
        return len(self.sizes)

    def select(self, which: torch.Tensor) -> "Batch":
        """Return some of the crystals, by number or by a mask, without padding that they do not need."""
        part = [getattr(self, name.name)[which] for name in fields(self)]
        numbers, sizes, origin, x, hessian, moved, x_before, forces_before = part
        most = int(sizes.max()) if len(sizes) else 0
        rows, dim = 3 + most, 9 + 3 * most
        return Batch(
            numbers[:, :most],
            sizes,
            origin,
            x[:, :rows],
            hessian[:, :dim, :dim],
            moved,
            x_before[:, :rows],
            forces_before[:, :rows],
        )


def start(numbers: torch.Tensor, cell: torch.Tensor, positions: torch.Tensor, hessian: torch.Tensor | float) -> Batch:
    """Return a batch of one crystal before its first step.

    Args:
        numbers: Atomic numbers, shape (n_atoms,).
        cell: Cell, shape (3, 3), rows are edges, angstrom.
        positions: Cartesian positions, shape (n_atoms, 3), angstrom.
        hessian: Hessian at the start, or its diagonal, eV/angstrom^2.
    """
    x = torch.cat([torch.zeros_like(cell), positions])
    if not isinstance(hessian, torch.Tensor):
        hessian = hessian * torch.eye(x.numel(), dtype=x.dtype, device=x.device)
    size = torch.tensor(len(numbers), device=x.device)
    none = torch.zeros_like(x)
    parts = (numbers, size, cell, x, hessian, torch.tensor(False, device=x.device), none, none)
    return Batch(*(part[None] for part in parts))


def joined(batches: Sequence[Batch]) -> Batch:
    """Return all crystals of several batches in one."""
    most = max(batch.numbers.shape[1] for batch in batches)

    def padded(batch: Batch) -> list[torch.Tensor]:
        more = most - batch.numbers.shape[1]
        rows = (0, 0, 0, more)
        return [
            pad(batch.numbers, (0, more)),
            batch.sizes,
            batch.origin,
            pad(batch.x, rows),
            pad(batch.hessian, (0, 3 * more, 0, 3 * more)),
            batch.moved,
            pad(batch.x_before, rows),
            pad(batch.forces_before, rows),
        ]

    return Batch(*map(torch.cat, zip(*map(padded, batches), strict=True)))


def geometry(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cells, shape (n, 3, 3), rows are edges, and Cartesian positions, shape (n, m, 3), angstrom."""
    deformation = torch.matrix_exp(_logarithm(batch)).mT
    return batch.origin @ deformation, batch.x[:, 3:] @ deformation


def generalised_forces(batch: Batch, forces: torch.Tensor, stresses: torch.Tensor) -> torch.Tensor:
    """Return the forces on the rows of ``x``, eV/angstrom.

    Args:
        batch: Crystals.
        forces: Forces on the atoms, shape (n, m, 3), eV/angstrom; padding is zero.
        stresses: Stresses, shape (n, 3, 3), eV/angstrom^3, positive under tension.
    """
    logarithm = _logarithm(batch)
    deformation = torch.matrix_exp(logarithm)
    cells = batch.origin @ deformation.mT
    virial = -torch.linalg.det(cells).abs()[:, None, None] * stresses
    gradient = virial @ torch.linalg.inv(deformation).mT
    # The derivative of the exponential, transposed: the upper right block of the exponential of [[L', G], [0, L']].
    block = torch.cat(
        [torch.cat([logarithm.mT, gradient], 2), torch.cat([torch.zeros_like(gradient), logarithm.mT], 2)], 1
    )
    on_cell = torch.matrix_exp(block)[:, :3, 3:] / batch.sizes[:, None, None]
    return torch.cat([on_cell, forces @ deformation], 1)


def largest(rows: torch.Tensor) -> torch.Tensor:
    """Return the length of the longest row of each crystal."""
    return rows.norm(dim=2).amax(dim=1)


def step(batch: Batch, forces: torch.Tensor) -> torch.Tensor:
    """Make one step of BFGS in place; return whether it is finite, shape (n,). Other crystals stay where they are.

    Args:
        batch: Crystals, whose forces are finite.
        forces: Forces on the rows of ``x``, eV/angstrom.
    """
    _update(batch, forces)
    finite = batch.hessian.isfinite().all(dim=2).all(dim=1)
    change = torch.zeros_like(batch.x)
    for size in batch.sizes[finite].unique().tolist():
        alike = finite & (batch.sizes == size)
        rows, dim = 3 + size, 9 + 3 * size
        curvatures, modes = torch.linalg.eigh(batch.hessian[alike, :dim, :dim])
        along = (forces[alike, :rows].reshape(-1, 1, dim) @ modes) / curvatures.abs()[:, None]
        change[alike, :rows] = (along @ modes.mT).reshape(-1, rows, 3)
    change *= (LONGEST / largest(change)).clamp(max=1)[:, None, None].nan_to_num(nan=1.0)
    finite = finite & change.isfinite().all(dim=2).all(dim=1)
    batch.x_before, batch.forces_before = batch.x, forces
    batch.x = batch.x + torch.where(finite[:, None, None], change, 0.0)
    batch.moved = torch.ones_like(batch.moved)
    return finite


def _update(batch: Batch, forces: torch.Tensor) -> None:
    """Update the Hessians with the change of the forces over the last step."""
    moves = (batch.x - batch.x_before).flatten(1)
    known = batch.moved & (moves.abs().amax(dim=1) >= SAME)
    if not known.any():
        return
    moves, hessian = moves[known], batch.hessian[known]
    change = (batch.forces_before - forces).flatten(1)[known]
    product = (hessian @ moves[:, :, None])[:, :, 0]
    scales = (moves * change).sum(dim=1), (moves * product).sum(dim=1)
    gained, lost = (
        vector[:, :, None] * vector[:, None, :] / scale[:, None, None]
        for vector, scale in zip((change, product), scales, strict=True)
    )
    batch.hessian[known] = hessian + gained - lost


def _logarithm(batch: Batch) -> torch.Tensor:
    """Return the logarithms of the deformations, shape (n, 3, 3)."""
    return batch.x[:, :3] / batch.sizes[:, None, None]
