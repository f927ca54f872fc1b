"""The engine of density functional theory: VASP through atomate2, custodian and jobflow.

Two PBE relaxations in a row (GGA PE, ENCUT 500 eV), the second with the plane waves of the cell the first
one found; a Gamma-centred mesh of N_i = max(1, int(R_k |b_i| + 0.5)) points, |b_i| the length of reciprocal
vector i without 2 pi, which is VASP's own automatic scheme. VASP is licensed: the user brings it and its
POTCARs.
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

from ccdcgan.relaxation.ase_relaxation import Relaxation, failed
from ccdcgan.relaxation.guards import Guards, check_step, check_structure
from ccdcgan.relaxation.kpoints import gamma_mesh
from ccdcgan.relaxation.potcars import check_potcars, potcar_folder
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.hashing import fingerprint

log = logging.getLogger(__name__)

VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
"""Rows and columns of a (3, 3) tensor in ASE's order xx, yy, zz, yz, xz, xy."""


@dataclass
class MeshRelaxSetGenerator(RelaxSetGenerator):
    """atomate2's relaxation inputs with an explicit Gamma mesh; k_length in angstrom, mesh wins over it."""

    k_length: float = 40.0
    mesh: list[int] | None = None

    @property
    def kpoints_updates(self) -> Kpoints:
        """The mesh of the present structure."""
        return Kpoints.gamma_automatic(self.mesh or gamma_mesh(self.structure, self.k_length))


@dataclass
class VaspRelaxMaker(Maker):
    """Relax crystals with VASP.

    ``.make(structure)`` is a jobflow flow for any jobflow manager; ``.relax(structure)`` runs it here, in a
    folder of its own under work_dir, which is kept. A crystal whose relaxation was killed or ran out of time
    goes on at its last ionic step.

    command: how VASP is started, e.g. "srun vasp_std"; if None, ATOMATE2_VASP_CMD, VASP_CMD, then vasp_std;
    modules: environment modules loaded first; encut: eV; k_length: angstrom; kpoints: a Gamma mesh in its
    place; incar: INCAR keys to set (None removes one); potcar: element -> POTCAR symbol; potcar_functional:
    the POTCAR library; fmax: eV/angstrom, becomes EDIFFG; static: one run without ionic steps in place of the
    relaxations, for the energy of the crystal as it is; potcar_spec: write names in place of POTCARs, for
    looking at inputs and for tests; wall_clock: seconds after which VASP is asked to stop at the end of its
    ionic step (None: never); custodian_poll: seconds between custodian's looks at a running VASP.
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
        """Look for VASP and its POTCARs before anything runs; raises InputError."""
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
            potcar_folder()

    @property
    def label(self) -> str:
        """How tables name this engine."""
        return "vasp-PBE"

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError naming the first element whose POTCAR is missing."""
        if not self.potcar_spec:
            check_potcars(elements, self.potcar, self.potcar_functional)

    def inputs(self) -> MeshRelaxSetGenerator:
        """Return the generator of VASP's input files."""
        ions = {"NSW": 0, "IBRION": -1} if self.static else {"EDIFFG": -self.fmax}
        return MeshRelaxSetGenerator(
            user_incar_settings={"GGA": "PE", "ENCUT": self.encut, **ions, **self.incar},
            user_potcar_settings=self.potcar,
            user_potcar_functional=self.potcar_functional,
            k_length=self.k_length,
            mesh=self.kpoints,
        )

    def write_inputs(self, structure: Structure, folder: Path) -> None:
        """Write INCAR, KPOINTS, POSCAR and POTCAR (or its names) of the first relaxation into ``folder``."""
        inputs = self.inputs().get_input_set(structure, potcar_spec=self.potcar_spec)
        inputs.write_input(folder)

    def make(self, structure: Structure) -> Flow:
        """Return atomate2's flow of two relaxations (static: of one run); its output is the last one's document."""
        gamma_command = os.environ.get("ATOMATE2_VASP_GAMMA_CMD", self.command)
        handlers = list(DEFAULT_HANDLERS)
        if self.wall_clock is not None:
            # One ionic step takes about a fifth of the time at most: VASP must end before it is killed.
            handlers.append(WalltimeHandler(wall_time=self.wall_clock, buffer_time=min(300, self.wall_clock / 5)))
        relax = RelaxMaker(
            input_set_generator=self.inputs(),
            write_input_set_kwargs={"potcar_spec": True} if self.potcar_spec else {},
            # The first relaxation may run out of steps; whether the second converged is for relax to say.
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

        A run that custodian could not save has the reason ``vasp_failed`` and custodian's own words in its
        detail; one that ran out of ``wall_clock`` has that reason, and is taken up again in a later attempt.
        """
        reason = check_structure(structure, self.guards)
        if reason:
            return failed(structure, reason, "The crystal was refused before its relaxation.")
        self.check_elements({element.symbol for element in structure.composition})
        name = f"{structure.composition.reduced_formula}-{fingerprint(structure.as_dict())}"
        folder = Path(self.work_dir).resolve() / name
        folder.mkdir(parents=True, exist_ok=True)
        start = structure if self.static else last_geometry(folder, structure)
        log.info("VASP runs in %s%s", folder, "" if start is structure else ", from the last ionic step found there")
        os.environ.pop("CUSTODIAN_WALLTIME_START", None)  # custodian's clock starts anew with each crystal
        flow = self.make(start)
        store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
        before = set(folder.iterdir())
        try:
            responses = run_locally(
                flow, log=False, store=store, create_folders=True, root_dir=folder, raise_immediately=True
            )
        except Exception as error:
            tried = what_custodian_saw(set(folder.iterdir()) - before)
            seen = f" (custodian saw {', '.join(tried)})" if tried else ""
            return failed(structure, "vasp_failed", f"{type(error).__name__}: {error}{seen}")
        out_of_time = "Walltime reached" in what_custodian_saw(set(folder.iterdir()) - before)
        return self._judge([responses[uuid][1].output for uuid in flow.job_uuids], out_of_time)

    def _judge(self, documents: list[Any], out_of_time: bool) -> Relaxation:
        """Return the relaxation that atomate2's documents (one per run, in order) amount to."""
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
            # VASP gives the pressure tensor in kB: the stress with its sign turned.
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
        # A run stopped before NSW steps counts as converged with pymatgen, so custodian's word comes first.
        if out_of_time:
            return failed(structure, "wall_clock", "VASP was stopped at the end of its time.", **results)
        if not final["converged"]:
            return failed(structure, "not_converged", "VASP ran out of electronic or ionic steps.", **results)
        return Relaxation(structure, **results)


def last_geometry(folder: Path, structure: Structure) -> Structure:
    """Return the newest ionic step that earlier attempts left in a crystal's folder; ``structure`` if none did."""
    contcars = [path for path in folder.glob("job_*/CONTCAR*") if path.stat().st_size]
    for path in sorted(contcars, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            found = Structure.from_file(path)
        except Exception as error:  # a file torn by the kill; an older one will do
            log.info("%s cannot be read (%s)", path, error)
            continue
        if found.composition == structure.composition:
            return Structure(found.lattice, found.species, found.frac_coords)
    return structure


def what_custodian_saw(folders: set[Path]) -> list[str]:
    """Return the errors that custodian saw in the given job folders, by its own names."""
    errors = []
    for folder in sorted(folders):
        for path in sorted(folder.glob("custodian.json*")):
            opener = gzip.open if path.suffix == ".gz" else open
            with opener(path, "rt") as handle:
                for run in json.load(handle):
                    errors += [str(name) for correction in run["corrections"] for name in correction["errors"]]
    return errors
