"""The crystals that one model relaxes together: they enter while there is room, and leave when they are finished."""

import logging
import time
from collections import deque
from dataclasses import dataclass, field

import torch
from pymatgen.core import Lattice, Structure

from ccdcgan.relaxation.ase_relaxation import RelaxationSettings, report
from ccdcgan.relaxation.batched.potentials import Evaluation, Potential
from ccdcgan.relaxation.batched.quasi_newton import Batch, generalised_forces, geometry, joined, largest, start, step
from ccdcgan.relaxation.guards import check_cell, check_step
from ccdcgan.utils.errors import InputError

log = logging.getLogger(__name__)


@dataclass
class Traveller:
    """A crystal on its way through the stages.

    Args:
        number: Its number among the crystals.
        structure: Its present geometry: that at the start of a stage until it is finished there.
        seconds: Its share of the time of the calls so far, by number of atoms.
        hessian: Hessian at the end of the last stage, eV/angstrom^2; None: no step was made there.
        reports: Reports of the stages.
        reason: Reason of a failure; "" otherwise.
        detail: An exception in words.
        forces: Forces at the end, shape (n_atoms, 3), eV/angstrom.
        stress: Stress at the end, (xx, yy, zz, yz, xz, xy), eV/angstrom^3.
    """

    number: int
    structure: Structure
    seconds: float = 0.0
    hessian: torch.Tensor | None = None
    reports: list[dict] = field(default_factory=list)
    reason: str = ""
    detail: str = ""
    forces: list = field(default_factory=list)
    stress: list = field(default_factory=list)


class Lane:
    """One stage of the relaxation of many crystals.

    Args:
        model: Name of the model in reports.
        potential: The model.
        settings: Limits and guards; the optimiser is BFGS.
        room: Room of one call, in the units of the potential's ``size``.
    """

    def __init__(self, model: str, potential: Potential, settings: RelaxationSettings, room: float) -> None:
        self.model, self.potential, self.settings, self.room = model, potential, settings, room
        self.waiting: deque[Traveller] = deque()
        self._inside: list[Traveller] = []
        self._steps: list[int] = []
        self._last: list[tuple[float, float]] = []
        self._batch: Batch | None = None
        self._unshared = 0.0

    def __len__(self) -> int:
        """Number of crystals that are waiting or inside."""
        return len(self.waiting) + len(self._inside)

    def advance(self) -> list[Traveller]:
        """Compute all crystals inside, remove those that are finished and return them, and move the others by a step.

        A crystal is finished if it has converged, is out of steps, or is refused by the guards. Cells are checked
        before they are computed, since the neighbours of one collapsed cell could fill the memory of all.
        """
        begun = time.monotonic()
        self._let_in()
        if not self._inside:
            return []
        finished = self._leave(self._refused_cells(), None)
        if not self._inside:
            return finished
        cells, positions = geometry(self._batch)
        evaluation, errors = self._evaluate(self._batch.numbers, cells, positions)
        forces = generalised_forces(self._batch, evaluation.forces, evaluation.stresses)
        energies = (evaluation.energies / self._batch.sizes).tolist()
        self._last = list(zip(energies, largest(forces).tolist(), strict=True))
        computed = time.monotonic()
        self._share(computed - begun + self._unshared)
        verdicts = {number: verdict for number in range(len(self._inside)) if (verdict := self._verdict(number)) != ""}
        for number, error in errors.items():
            verdicts[number], self._inside[number].detail = "engine_error", error
        stays = torch.tensor([number not in verdicts for number in range(len(self._inside))], device=forces.device)
        finished += self._leave(verdicts, evaluation)
        if self._inside:
            most = self._batch.numbers.shape[1]
            is_finite = step(self._batch, forces[stays][:, : 3 + most])
            self._steps = [count + 1 for count in self._steps]
            stuck = (~is_finite).nonzero()[:, 0].tolist()
            finished += self._leave(dict.fromkeys(stuck, "not_finite"), None)
        self._unshared = time.monotonic() - computed
        return finished

    def _let_in(self) -> None:
        """Let crystals in, in order, while there is room; one is always let in if none is inside."""
        taken = sum(self.potential.size(crystal.structure) for crystal in self._inside)
        new = []
        while self.waiting:
            taken += self.potential.size(self.waiting[0].structure)
            if taken > self.room and (self._inside or new):
                break
            new.append(self.waiting.popleft())
        if not new:
            return
        device = self.potential.device
        batches = [self._batch] if self._batch is not None else []
        for crystal in new:
            hessian = self.settings.stiffness if crystal.hessian is None else crystal.hessian
            numbers = torch.tensor(crystal.structure.atomic_numbers, device=device)
            cell = torch.tensor(crystal.structure.lattice.matrix.copy(), device=device)
            positions = torch.tensor(crystal.structure.cart_coords, device=device)
            batches.append(start(numbers, cell, positions, hessian))
        self._batch = joined(batches)
        self._inside += new
        self._steps += [0] * len(new)
        self._last += [(float("nan"), float("nan"))] * len(new)

    def _refused_cells(self) -> dict[int, str]:
        """Return the reasons of the crystals whose cells are refused."""
        cells = geometry(self._batch)[0].cpu().numpy()
        guards = self.settings.guards
        reasons = {
            number: check_cell(cell, [site.specie.symbol for site in crystal.structure], guards)
            for number, (cell, crystal) in enumerate(zip(cells, self._inside, strict=True))
        }
        return {number: reason for number, reason in reasons.items() if reason}

    def _evaluate(
        self, numbers: torch.Tensor, cells: torch.Tensor, positions: torch.Tensor
    ) -> tuple[Evaluation, dict[int, str]]:
        """Compute crystals, in two halves if one call fails; return also the exceptions of single crystals."""
        try:
            return self.potential.evaluate(numbers, cells, positions), {}
        except InputError:
            raise
        except Exception as error:
            if len(numbers) == 1:
                log.exception("%s: the model raised an exception", self.model)
                nothing = Evaluation(
                    torch.full_like(cells[:, 0, 0], torch.nan),
                    torch.full_like(positions, torch.nan),
                    torch.full_like(cells, torch.nan),
                )
                return nothing, {0: f"{type(error).__name__}: {error}"}
            if isinstance(error, torch.OutOfMemoryError):
                self.room = 0.5 * sum(self.potential.size(crystal.structure) for crystal in self._inside)
                log.warning("%s: %d crystals do not fit in memory; fewer are taken", self.model, len(numbers))
        torch.cuda.empty_cache()
        half = len(numbers) // 2
        first, first_errors = self._evaluate(numbers[:half], cells[:half], positions[:half])
        second, second_errors = self._evaluate(numbers[half:], cells[half:], positions[half:])
        errors = first_errors | {half + number: error for number, error in second_errors.items()}
        return Evaluation.of([first, second]), errors

    def _share(self, seconds: float) -> None:
        """Divide the time of a call among the crystals, by number of atoms."""
        atoms = sum(len(crystal.structure) for crystal in self._inside)
        for crystal in self._inside:
            crystal.seconds += seconds * len(crystal.structure) / atoms

    def _verdict(self, number: int) -> str | None:
        """Return the reason why a crystal failed, None if it is finished without a failure, "" if it goes on."""
        settings = self.settings
        reason = check_step(*self._last[number], settings.guards)
        converged = self._has_converged(number)
        if not reason and not converged and self._inside[number].seconds > settings.wall_clock:
            reason = "wall_clock"
        if reason:
            return reason
        return None if converged or self._steps[number] >= settings.max_steps else ""

    def _has_converged(self, number: int) -> bool:
        return self._last[number][1] < self.settings.fmax or not self.settings.max_steps

    def _leave(self, verdicts: dict[int, str | None], evaluation: Evaluation | None) -> list[Traveller]:
        """Remove crystals with their results and return them.

        Args:
            verdicts: Number of a crystal -> the reason why it failed, or None.
            evaluation: Results of the present geometry; None: it was not computed.
        """
        if not verdicts:
            return []
        # One copy to the processor for all, since each one waits for the GPU.
        cells, positions = (part.cpu().numpy() for part in geometry(self._batch))
        moved = self._batch.moved.tolist()
        if evaluation is not None:
            forces, stresses = evaluation.forces.cpu(), evaluation.stresses.cpu()
        for number, reason in verdicts.items():
            crystal, count = self._inside[number], len(self._inside[number].structure)
            energy, force = self._last[number] if evaluation is not None else (float("nan"), float("nan"))
            converged = not reason and self._has_converged(number)
            crystal.reason = reason or ""
            crystal.reports.append(report(self.model, self._steps[number], energy, force, converged))
            dim = 9 + 3 * count
            crystal.hessian = self._batch.hessian[number, :dim, :dim].clone() if moved[number] else None
            species = crystal.structure.species
            place = positions[number, :count]
            crystal.structure = Structure(Lattice(cells[number]), species, place, coords_are_cartesian=True)
            if evaluation is not None:
                crystal.forces = forces[number, :count].tolist()
                stress = stresses[number].tolist()
                crystal.stress = [stress[i][j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]
            else:
                crystal.forces, crystal.stress = [], []
        finished = [self._inside[number] for number in sorted(verdicts)]
        stays = [number for number in range(len(self._inside)) if number not in verdicts]
        self._inside, self._steps, self._last = (
            [values[number] for number in stays] for values in (self._inside, self._steps, self._last)
        )
        which = torch.tensor(stays, dtype=torch.long, device=self._batch.x.device)
        self._batch = self._batch.select(which) if stays else None
        return finished
