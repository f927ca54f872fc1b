"""The engine ``vasp``: density functional theory with VASP, through atomate2, custodian and jobflow.

Each crystal is relaxed twice with PBE (GGA PE, ENCUT 500 eV); the second relaxation uses the plane-wave basis of the
first one's final cell. The k-point mesh is Gamma-centred with N_i = max(1, int(R_k |b_i| + 0.5)) points, where |b_i| is
the length of reciprocal vector i without 2 pi (VASP's automatic scheme). VASP is licensed software: the user provides
it and its POTCARs.
"""

import gzip
import json
import logging
import os
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import units
from atomate2.vasp.flows.core import DoubleRelaxMaker
from atomate2.vasp.jobs.core import RelaxMaker
from atomate2.vasp.run import DEFAULT_HANDLERS
from atomate2.vasp.sets.core import RelaxSetGenerator
from custodian.vasp.handlers import WalltimeHandler
from jobflow import Flow, JobStore, Maker, run_locally
from maggma.stores import MemoryStore
from pymatgen.core import Structure
from pymatgen.io.vasp import Kpoints

from ccdcgan.crystals.read_back import check_poscar, poscar_text, right_handed
from ccdcgan.relaxation.ase_relaxation import Relaxation, failed
from ccdcgan.relaxation.dft.kpoints import gamma_mesh
from ccdcgan.relaxation.dft.potcars import check_potcars, check_vasp_inputs, incar_tags, potcar_folder
from ccdcgan.relaxation.guards import Guards, check_step, check_structure
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.hashing import fingerprint

log = logging.getLogger(__name__)

VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
"""Rows and columns of a (3, 3) tensor in the order of ASE: xx, yy, zz, yz, xz, xy."""


@dataclass
class MeshRelaxSetGenerator(RelaxSetGenerator):
    """Relaxation inputs of atomate2 with an explicit Gamma-centred mesh.

    Args:
        k_length: Length that determines the mesh, angstrom; see :func:`~ccdcgan.relaxation.dft.kpoints.gamma_mesh`.
        mesh: Mesh to use instead; None: from ``k_length``.
    """

    k_length: float = 40.0
    mesh: list[int] | None = None

    @property
    def kpoints_updates(self) -> Kpoints:
        """Mesh of the current structure."""
        return Kpoints.gamma_automatic(self.mesh or gamma_mesh(self.structure, self.k_length))


@dataclass
class VaspRelaxMaker(Maker):
    """Relaxation with VASP.

    ``.make(structure)`` returns a jobflow flow for any jobflow manager. ``.relax(structure)`` runs it in this process,
    in a folder per crystal under ``work_dir``, which is kept. A relaxation that was interrupted or ran out of time
    resumes at its last ionic step.

    Args:
        name: Name of the jobs.
        command: Command that starts VASP, e.g. "srun vasp_std"; None: ATOMATE2_VASP_CMD, VASP_CMD or vasp_std.
        modules: Environment modules to load first.
        encut: Cut-off energy of the plane waves, eV.
        k_length: Length that determines the k-point mesh, angstrom.
        kpoints: Gamma-centred mesh to use instead; None: from ``k_length``.
        incar: INCAR tags to set, in capitals or not; None as a value removes a tag.
        potcar: Element -> POTCAR symbol.
        potcar_functional: Functional of the POTCAR library.
        potcar_spec: Whether to write names instead of POTCARs, for reviewing inputs and for tests.
        wall_clock: Time, s, after which VASP is asked to stop at the end of its ionic step; None: never.
        custodian_poll: Interval, s, at which custodian checks a running VASP.
        fmax: Largest force, eV/angstrom; sets EDIFFG.
        static: Whether to make one run without ionic steps, for the energy of the crystal as it is.
        guards: Limits of an acceptable crystal.
        work_dir: Folder of the crystals' folders.
    """

    name: str = "vasp relax"
    command: str | None = None
    modules: list[str] = field(default_factory=list)
    encut: float = 500.0
    k_length: float = 40.0
    kpoints: list[int] | None = None
    incar: dict[str, Any] = field(default_factory=dict)
    potcar: dict[str, str] = field(default_factory=dict)
    potcar_functional: str = "PBE_54"
    potcar_spec: bool = False
    wall_clock: float | None = None
    custodian_poll: float = 10.0
    fmax: float = 0.05
    static: bool = False
    guards: Guards = field(default_factory=Guards)
    work_dir: str = "."

    def __post_init__(self) -> None:
        """Check INCAR, VASP and the POTCAR library before anything runs; raises InputError."""
        check_vasp_inputs(self.incar, self.potcar_functional)
        self.command = self.command or os.environ.get("ATOMATE2_VASP_CMD") or os.environ.get("VASP_CMD") or "vasp_std"
        program = shlex.split(os.path.expandvars(self.command))[0]
        if self.modules:
            load = f"module load {shlex.join(self.modules)} && exec {os.path.expandvars(self.command)}"
            self.command = shlex.join(["bash", "-lc", load])
        elif shutil.which(program) is None:
            raise InputError(
                f"the engine vasp cannot find the program {program!r}; set relaxation.vasp.command or the "
                "environment variable VASP_CMD to the command that starts VASP, or choose another engine."
            )
        if not self.potcar_spec:
            potcar_folder(self.potcar_functional)

    @property
    def label(self) -> str:
        """Name of this engine in tables."""
        return "vasp-PBE"

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError for the first element whose POTCAR is missing or of another functional."""
        if not self.potcar_spec:
            check_potcars(elements, self.potcar, self.potcar_functional)

    def inputs(self) -> MeshRelaxSetGenerator:
        """Return the generator of the input files."""
        ions = {"NSW": 0, "IBRION": -1} if self.static else {"EDIFFG": -self.fmax}
        return MeshRelaxSetGenerator(
            user_incar_settings={"GGA": "PE", "ENCUT": self.encut, **ions, **incar_tags(self.incar)},
            user_potcar_settings=self.potcar,
            user_potcar_functional=self.potcar_functional,
            k_length=self.k_length,
            mesh=self.kpoints,
        )

    def write_inputs(self, structure: Structure, folder: Path) -> None:
        """Write INCAR, KPOINTS, POSCAR and POTCAR (or its names) of the first relaxation into ``folder``.

        Raises:
            InputError: pymatgen or ASE reads another crystal from the POSCAR.
        """
        inputs = self.inputs().get_input_set(right_handed(structure), potcar_spec=self.potcar_spec)
        inputs.write_input(folder)
        check_poscar((folder / "POSCAR").read_text(), structure, folder.name)

    def make(self, structure: Structure) -> Flow:
        """Return the flow of two relaxations (static: of one run); its output is the document of the last one."""
        structure = right_handed(structure)  # of another cell pymatgen's POSCAR is the mirror image
        gamma_command = os.environ.get("ATOMATE2_VASP_GAMMA_CMD", self.command)
        handlers = list(DEFAULT_HANDLERS)
        if self.wall_clock is not None:
            # VASP must stop before it is killed; one ionic step takes at most about a fifth of the time limit.
            handlers.append(WalltimeHandler(wall_time=self.wall_clock, buffer_time=min(300, self.wall_clock / 5)))
        relax = RelaxMaker(
            input_set_generator=self.inputs(),
            write_input_set_kwargs={"potcar_spec": True} if self.potcar_spec else {},
            # The first relaxation may run out of steps; relax checks whether the second one converged.
            stop_children_kwargs={"handle_unsuccessful": False},
            run_vasp_kwargs={
                "vasp_cmd": self.command,
                "vasp_gamma_cmd": gamma_command,
                "handlers": handlers,
                "custodian_kwargs": {"polling_time_step": self.custodian_poll},
            },
        )
        if self.static:
            run = relax.make(structure)
            return Flow([run], output=run.output)
        return DoubleRelaxMaker.from_relax_maker(relax).make(structure)

    def relax(self, structure: Structure) -> Relaxation:
        """Relax one crystal.

        A run with an error that custodian could not correct has the reason ``vasp_failed``, with custodian's message in
        its detail. A run that reached the time limit has the reason ``wall_clock`` and resumes in a later attempt.
        """
        reason = check_structure(structure, self.guards)
        if reason:
            return failed(structure, reason, "The crystal was refused before its relaxation.")
        self.check_elements({element.symbol for element in structure.composition})
        name = f"{structure.composition.reduced_formula}-{fingerprint(structure.as_dict())}"
        folder = Path(self.work_dir).resolve() / name
        folder.mkdir(parents=True, exist_ok=True)
        start = structure if self.static else last_geometry(folder, structure)
        try:
            poscar_text(right_handed(start), name)
        except InputError as error:
            return failed(structure, "vasp_failed", str(error))
        log.info("VASP runs in %s%s", folder, "" if start is structure else ", from the last ionic step in it")
        os.environ.pop("CUSTODIAN_WALLTIME_START", None)  # restarts custodian's clock for each crystal
        flow = self.make(start)
        store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
        before = set(folder.iterdir())
        try:
            responses = run_locally(
                flow, log=False, store=store, create_folders=True, root_dir=folder, raise_immediately=True
            )
        except Exception as error:
            errors = custodian_errors(set(folder.iterdir()) - before)
            seen = f" (custodian saw {', '.join(errors)})" if errors else ""
            return failed(structure, "vasp_failed", f"{type(error).__name__}: {error}{seen}")
        out_of_time = "Walltime reached" in custodian_errors(set(folder.iterdir()) - before)
        return self._relaxation([responses[uuid][1].output for uuid in flow.job_uuids], out_of_time)

    def _relaxation(self, documents: list[Any], out_of_time: bool) -> Relaxation:
        """Return the result described by the documents of atomate2, one per run, in order."""
        stages = []
        for document in documents:
            last = document.calcs_reversed[0].output.ionic_steps
            stages.append(
                {
                    "model": self.label,
                    "n_steps": 0 if self.static else len(last),
                    "energy_per_atom": float(document.output.energy_per_atom),
                    "fmax": float(np.linalg.norm(last[-1].forces, axis=1).max()),
                    "converged": str(getattr(document.state, "value", document.state)) == "successful",
                }
            )
        final, structure, calculation = stages[-1], documents[-1].output.structure, documents[-1].calcs_reversed[0]
        step = calculation.output.ionic_steps[-1]
        results = {
            "energy_per_atom": final["energy_per_atom"],
            "fmax": final["fmax"],
            "n_steps": sum(stage["n_steps"] for stage in stages),
            "stages": stages,
            "forces": np.asarray(step.forces, dtype=float).tolist(),
            # VASP reports the pressure tensor in kB, which is the negative stress.
            "stress": (-np.asarray(step.stress)[VOIGT] * 0.1 * units.GPa).tolist(),
            "provenance": {
                "vasp": calculation.vasp_version,
                "potcars": [spec.titel for spec in calculation.input.potcar_spec or []],
                "incar": {key: str(value) for key, value in (calculation.input.incar or {}).items()},
            },
        }
        structure = Structure(structure.lattice, structure.species, structure.frac_coords)
        reason = check_step(final["energy_per_atom"], final["fmax"], self.guards)
        reason = reason or check_structure(structure, self.guards)
        if reason:
            return failed(structure, reason, "The relaxed crystal was refused.", **results)
        # For pymatgen a run stopped before NSW steps has converged, so custodian's report is checked first.
        if out_of_time:
            return failed(structure, "wall_clock", "VASP was stopped at the end of its time.", **results)
        if not final["converged"]:
            return failed(structure, "not_converged", "VASP ran out of electronic or ionic steps.", **results)
        return Relaxation(structure, **results)


def last_geometry(folder: Path, structure: Structure) -> Structure:
    """Return the newest ionic step of earlier attempts in a crystal's folder, or ``structure`` without such a step."""
    contcars = [path for path in folder.glob("job_*/CONTCAR*") if path.stat().st_size]
    for path in sorted(contcars, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            geometry = Structure.from_file(path)
        except Exception as error:  # truncated when the run was killed; an older file is used
            log.info("%s cannot be read (%s)", path, error)
            continue
        if geometry.composition == structure.composition:
            return Structure(geometry.lattice, geometry.species, geometry.frac_coords)
    return structure


def custodian_errors(folders: set[Path]) -> list[str]:
    """Return the names of the errors that custodian reported in the given job folders."""
    errors = []
    for folder in sorted(folders):
        for path in sorted(folder.glob("custodian.json*")):
            opener = gzip.open if path.suffix == ".gz" else open
            with opener(path, "rt") as handle:
                for run in json.load(handle):
                    errors += [str(name) for correction in run["corrections"] for name in correction["errors"]]
    return errors
