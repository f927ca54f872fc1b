"""The engine ``gpaw``: density functional theory with GPAW, plane waves, PBE by default.

GPAW is free software and an optional extra (``make gpaw``). Each crystal is computed by one process with one thread, on
a Gamma-centred mesh that is determined from the initial cell and fixed during the relaxation. The cut-off energy should
be 500 eV or more: the stress is not converged below.
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
from ccdcgan.relaxation.dft.kpoints import gamma_mesh
from ccdcgan.relaxation.guards import check_structure
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path
from ccdcgan.utils.hashing import fingerprint

log = logging.getLogger(__name__)

SYMPREC = 0.05
"""Tolerance (angstrom) of the symmetrisation of the start, after which GPAW needs only the irreducible k-points."""
LAST_STEP = "last.extxyz"
"""File of the last ionic step in the folder of a crystal."""


@dataclass
class GpawRelaxMaker(StagedRelaxMaker):
    """Relaxation with GPAW.

    Each crystal has a folder under ``work_dir`` with GPAW's log and the last ionic step, at which an interrupted
    relaxation resumes.

    Args:
        encut: Cut-off energy of the plane waves, eV.
        k_length: Length that determines the k-point mesh, angstrom; see
            :func:`~ccdcgan.relaxation.dft.kpoints.gamma_mesh`.
        xc: Exchange-correlation functional.
        smearing: Width of the Fermi-Dirac occupation, eV; energies are extrapolated to zero width.
        options: Further keywords of GPAW, which take precedence.
        work_dir: Folder of the crystals' folders.

    Further fields are those of :class:`~ccdcgan.relaxation.ase_relaxation.StagedRelaxMaker`.
    """

    name: str = "gpaw relax"
    encut: float = 500.0
    k_length: float = 40.0
    xc: str = "PBE"
    smearing: float = 0.1
    options: dict[str, Any] = field(default_factory=dict)
    work_dir: str = "."

    def __post_init__(self) -> None:
        """Check that GPAW and its data are installed before anything runs; raises InputError."""
        for package in ("gpaw", "gpaw_data"):
            if find_spec(package) is None:
                raise InputError(
                    f"the engine gpaw needs the package {package}, which is not installed; "
                    "run `make gpaw` (docs/engines.md says what it needs), or choose another engine."
                )
        optimizer_class(self.optimizer)

    @property
    def label(self) -> str:
        """Name of this engine in tables."""
        return f"gpaw-{self.xc}"

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError for the first element without a PAW data set for the functional."""
        from gpaw import setup_paths

        for element in sorted(elements):
            if not any(list(Path(folder).glob(f"{element}.{self.xc}*")) for folder in setup_paths):
                raise InputError(
                    f"relaxation.gpaw.xc is {self.xc!r}, for which GPAW has no PAW data set of {element}; "
                    "choose PBE or LDA, or add the data set's folder to GPAW_SETUP_PATH."
                )

    def relax(self, structure: Structure) -> Relaxation:
        """Relax one crystal; its reason is ``scf_not_converged`` if self-consistency was not reached."""
        from gpaw import KohnShamConvergenceError

        reason = check_structure(structure, self.guards)
        if reason:
            return failed(structure, reason, "The crystal was refused before its relaxation.")
        try:
            return super().relax(structure)
        except KohnShamConvergenceError as error:
            return failed(structure, "scf_not_converged", f"GPAW: {error}")

    def stages(self, structure: Structure) -> list[Stage]:
        """Return the single stage of this engine, with the k-point mesh of ``structure``."""
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
        """Return the geometry to start from: the last step of an earlier attempt, or the symmetrised crystal.

        Without ionic steps it is the symmetrised crystal, whatever an earlier relaxation left.
        """
        path = self._folder(structure) / LAST_STEP
        if self.max_steps and path.is_file():
            log.info("GPAW resumes at the last ionic step in %s", path)
            return from_atoms(ase.io.read(path))
        return symmetrised(structure, SYMPREC)

    def keep_step(self, structure: Structure, atoms: Atoms) -> None:
        """Write the current geometry, so that an interrupted relaxation loses at most one step."""
        with atomic_path(self._folder(structure) / LAST_STEP) as temporary:
            ase.io.write(temporary, Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True), format="extxyz")

    def _folder(self, structure: Structure) -> Path:
        """Return the folder of a crystal, whose name identifies the crystal and the settings."""
        settings = (self.encut, self.k_length, self.xc, self.smearing, self.options)
        name = f"{structure.composition.reduced_formula}-{fingerprint([structure.as_dict(), settings])}"
        folder = Path(self.work_dir).resolve() / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
