"""The engine of density functional theory without a licence: GPAW with plane waves, PBE by default.

GPAW is an optional extra (``make gpaw``). One process with one thread per crystal; a Gamma-centred mesh from
the crystal as it comes, kept for its whole relaxation. Cells need 500 eV or more: below, the stress is not
converged.
"""

import logging
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms
from pymatgen.core import Structure

from ccdcgan.crystals.structures import from_atoms, symmetrised
from ccdcgan.relaxation.ase_relaxation import Relaxation, Stage, StagedRelaxMaker, failed, optimizer_class
from ccdcgan.relaxation.guards import check_structure
from ccdcgan.relaxation.kpoints import gamma_mesh
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path
from ccdcgan.utils.hashing import fingerprint

log = logging.getLogger(__name__)

SYMPREC = 0.05
"""Distance (angstrom) within which the start is made symmetric: GPAW then needs the irreducible k-points only."""
LAST_STEP = "last.extxyz"


@dataclass
class GpawRelaxMaker(StagedRelaxMaker):
    """Relax crystals with GPAW, in a folder per crystal under work_dir that holds GPAW's log and the last step.

    A crystal whose relaxation was killed goes on at its last ionic step.

    encut: eV; k_length: angstrom; xc: functional; smearing: eV, width of the Fermi-Dirac occupation (energies
    are extrapolated to zero width); options: further GPAW keywords, which win over these.
    """

    name: str = "gpaw relax"
    encut: float = 500.0
    k_length: float = 40.0
    xc: str = "PBE"
    smearing: float = 0.1
    options: dict[str, Any] = field(default_factory=dict)
    work_dir: str = "."

    def __post_init__(self) -> None:
        """Look for GPAW and its data before anything runs; raises InputError."""
        for package in ("gpaw", "gpaw_data"):
            if find_spec(package) is None:
                raise InputError(
                    f"the engine gpaw needs the package {package}, which is not installed; "
                    "run `make gpaw` (docs/engines.md says what it needs), or choose another engine."
                )
        optimizer_class(self.optimizer)

    @property
    def label(self) -> str:
        """How tables name this engine."""
        return f"gpaw-{self.xc}"

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError naming the first element that has no PAW data set for the functional."""
        from gpaw import setup_paths

        for element in sorted(elements):
            if not any(list(Path(folder).glob(f"{element}.{self.xc}*")) for folder in setup_paths):
                raise InputError(
                    f"relaxation.gpaw.xc is {self.xc!r}, for which GPAW has no PAW data set of {element}; "
                    "choose PBE or LDA, or add the data set's folder to GPAW_SETUP_PATH."
                )

    def relax(self, structure: Structure) -> Relaxation:
        """Relax one crystal; a self-consistency that was not reached is the reason ``scf_not_converged``."""
        from gpaw import KohnShamConvergenceError

        reason = check_structure(structure, self.guards)
        if reason:
            return failed(structure, reason, "The crystal was refused before its relaxation.")
        try:
            return super().relax(structure)
        except KohnShamConvergenceError as error:
            return failed(structure, "scf_not_converged", f"GPAW: {error}")

    def stages(self, structure: Structure) -> list[Stage]:
        """Return the one stage there is, with the mesh of the crystal as it came."""
        from gpaw import GPAW

        settings = {
            "mode": {"name": "pw", "ecut": self.encut},
            "xc": self.xc,
            "kpts": {"size": gamma_mesh(structure, self.k_length), "gamma": True},
            "symmetry": {"symmorphic": False},
            "occupations": {"name": "fermi-dirac", "width": self.smearing},
            "txt": str(self._folder(structure) / "gpaw.txt"),
        }
        return [Stage(self.label, GPAW(**settings | self.options))]

    def start(self, structure: Structure) -> Structure:
        """Return where to start: the last step of an earlier attempt, or the crystal made symmetric.

        Without steps it is the crystal, for what a relaxation of it has left is elsewhere.
        """
        path = self._folder(structure) / LAST_STEP
        if self.max_steps and path.is_file():
            log.info("GPAW goes on at the last step in %s", path)
            return from_atoms(ase.io.read(path))
        return symmetrised(structure, SYMPREC)

    def keep_step(self, structure: Structure, atoms: Atoms) -> None:
        """Write the present geometry, so that a killed relaxation loses one step at most."""
        with atomic_path(self._folder(structure) / LAST_STEP) as temporary:
            ase.io.write(temporary, Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True), format="extxyz")

    def _folder(self, structure: Structure) -> Path:
        """Return the crystal's own folder, named by what is relaxed and how."""
        settings = (self.encut, self.k_length, self.xc, self.smearing, self.options)
        name = f"{structure.composition.reduced_formula}-{fingerprint([structure.as_dict(), settings])}"
        folder = Path(self.work_dir).resolve() / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
