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
from atomate2.vasp.flows.core import DoubleRelaxMaker
from atomate2.vasp.jobs.core import RelaxMaker
from atomate2.vasp.sets.core import RelaxSetGenerator
from jobflow import Flow, JobStore, Maker, run_locally
from maggma.stores import MemoryStore
from pymatgen.core import SETTINGS, Element, Structure
from pymatgen.io.vasp import Kpoints, PotcarSingle

from ccdcgan.errors import InputError
from ccdcgan.files import fingerprint
from ccdcgan.relaxation.guards import Guards, check_step, check_structure
from ccdcgan.relaxation.meshes import gamma_mesh
from ccdcgan.relaxation.stages import Relaxation, failed

log = logging.getLogger(__name__)


@dataclass
class MeshRelaxSetGenerator(RelaxSetGenerator):
    """atomate2's relaxation inputs with the explicit Gamma mesh; k_length in angstrom."""

    k_length: float = 40.0

    @property
    def kpoints_updates(self) -> Kpoints:
        """The mesh of the present structure."""
        return Kpoints.gamma_automatic(gamma_mesh(self.structure, self.k_length))


@dataclass
class VaspRelaxMaker(Maker):
    """Relax crystals with VASP.

    ``.make(structure)`` is a jobflow flow for any jobflow manager; ``.relax(structure)`` runs it here, in a
    folder of its own under work_dir, which is kept.

    command: how VASP is started, e.g. "srun vasp_std"; if None, ATOMATE2_VASP_CMD, VASP_CMD, then vasp_std.
    encut: eV; k_length: angstrom; incar: INCAR keys to set (None removes one); fmax: eV/angstrom, becomes
    EDIFFG; potcar_spec: write names in place of POTCARs, for looking at inputs and for tests;
    custodian_poll: seconds between custodian's looks at a running VASP. The wall clock is the batch system's.
    """

    name: str = "vasp relax"
    command: str | None = None
    encut: float = 500.0
    k_length: float = 40.0
    incar: dict[str, Any] = field(default_factory=dict)
    potcar_spec: bool = False
    custodian_poll: float = 10.0
    fmax: float = 0.05
    guards: Guards = field(default_factory=Guards)
    work_dir: str = "."

    def __post_init__(self) -> None:
        """Look for VASP and its POTCARs before anything runs; raises InputError."""
        self.command = self.command or os.environ.get("ATOMATE2_VASP_CMD") or os.environ.get("VASP_CMD") or "vasp_std"
        program = shlex.split(os.path.expandvars(self.command))[0]
        if shutil.which(program) is None:
            raise InputError(
                f"the engine vasp cannot find the program {program!r}; set relaxation.vasp.command or the "
                "environment variable VASP_CMD to the command that starts VASP, or choose another engine."
            )
        if not self.potcar_spec:
            folder = _potcar_folder()
            if folder is None or not folder.is_dir():
                raise InputError(
                    "the engine vasp needs the POTCAR library, but PMG_VASP_PSP_DIR is "
                    f"{'not set' if folder is None else f'{folder}, which is no folder'}; "
                    "set that environment variable, or the key of that name in ~/.config/.pmgrc.yaml, to the "
                    "folder that holds POT_PAW_PBE_54."
                )

    @property
    def label(self) -> str:
        """How tables name this engine."""
        return "vasp-PBE"

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError naming the first element whose POTCAR is missing."""
        if self.potcar_spec:
            return
        for element in sorted(elements):
            inputs = self._inputs()
            inputs.structure = Structure(np.eye(3) * 5, [Element(element)], [[0, 0, 0]])
            (symbol,) = inputs.potcar_symbols
            try:
                PotcarSingle.from_symbol_and_functional(symbol, inputs.user_potcar_functional)
            except (OSError, ValueError) as error:
                raise InputError(
                    f"the engine vasp finds no POTCAR {symbol} ({inputs.user_potcar_functional}) "
                    f"for {element} under PMG_VASP_PSP_DIR={_potcar_folder()}; add it to that library."
                ) from error

    def _inputs(self) -> MeshRelaxSetGenerator:
        """Return the generator of VASP's input files."""
        return MeshRelaxSetGenerator(
            user_incar_settings={"GGA": "PE", "ENCUT": self.encut, "EDIFFG": -self.fmax, **self.incar},
            k_length=self.k_length,
        )

    def make(self, structure: Structure) -> Flow:
        """Return atomate2's flow of two relaxations; its output is atomate2's document of the second."""
        gamma_command = os.environ.get("ATOMATE2_VASP_GAMMA_CMD", self.command)
        relax = RelaxMaker(
            input_set_generator=self._inputs(),
            write_input_set_kwargs={"potcar_spec": True} if self.potcar_spec else {},
            # The first relaxation may run out of steps; whether the second converged is for relax to say.
            stop_children_kwargs={"handle_unsuccessful": False},
            run_vasp_kwargs={
                "vasp_cmd": self.command,
                "vasp_gamma_cmd": gamma_command,
                "custodian_kwargs": {"polling_time_step": self.custodian_poll},
            },
        )
        return DoubleRelaxMaker.from_relax_maker(relax).make(structure)

    def relax(self, structure: Structure) -> Relaxation:
        """Relax one crystal; a run that custodian could not save has the reason ``vasp_failed``."""
        reason = check_structure(structure, self.guards)
        if reason:
            return failed(structure, reason, "The crystal was refused before its relaxation.")
        self.check_elements({element.symbol for element in structure.composition})
        name = f"{structure.composition.reduced_formula}-{fingerprint(structure.as_dict())}"
        folder = Path(self.work_dir).resolve() / name
        folder.mkdir(parents=True, exist_ok=True)
        log.info("VASP runs in %s", folder)
        flow = self.make(structure)
        store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
        before = set(folder.iterdir())
        try:
            responses = run_locally(
                flow, log=False, store=store, create_folders=True, root_dir=folder, raise_immediately=True
            )
        except Exception as error:
            tried = _corrections(set(folder.iterdir()) - before)
            return failed(structure, "vasp_failed", f"{type(error).__name__}: {error}{tried}")
        return self._judge([responses[uuid][1].output for uuid in flow.job_uuids])

    def _judge(self, documents: list[Any]) -> Relaxation:
        """Return the relaxation that atomate2's documents (one per run, in order) amount to."""
        stages = []
        for document in documents:
            last = document.calcs_reversed[0].output.ionic_steps
            stages.append(
                {
                    "model": self.label,
                    "n_steps": len(last),
                    "energy_per_atom": float(document.output.energy_per_atom),
                    "fmax": float(np.linalg.norm(last[-1].forces, axis=1).max()),
                    "converged": str(getattr(document.state, "value", document.state)) == "successful",
                }
            )
        final, structure = stages[-1], documents[-1].output.structure
        results = {
            "energy_per_atom": final["energy_per_atom"],
            "fmax": final["fmax"],
            "n_steps": sum(stage["n_steps"] for stage in stages),
            "stages": stages,
        }
        structure = Structure(structure.lattice, structure.species, structure.frac_coords)
        reason = check_step(final["energy_per_atom"], final["fmax"], self.guards)
        reason = reason or check_structure(structure, self.guards)
        if reason:
            return failed(structure, reason, "The relaxed crystal was refused.", **results)
        if not final["converged"]:
            return failed(structure, "not_converged", "VASP ran out of electronic or ionic steps.", **results)
        return Relaxation(structure, **results)


def _potcar_folder() -> Path | None:
    """Return PMG_VASP_PSP_DIR of the environment or of pymatgen's settings, None if neither has it."""
    folder = os.environ.get("PMG_VASP_PSP_DIR") or SETTINGS.get("PMG_VASP_PSP_DIR")
    return Path(folder).expanduser() if folder else None


def _corrections(folders: set[Path]) -> str:
    """Return what custodian saw and tried in the given job folders, as the end of a sentence."""
    errors = []
    for folder in sorted(folders):
        for path in sorted(folder.glob("custodian.json*")):
            opener = gzip.open if path.suffix == ".gz" else open
            with opener(path, "rt") as handle:
                for run in json.load(handle):
                    errors += [name for correction in run["corrections"] for name in correction["errors"]]
    return f" (custodian saw {', '.join(map(str, errors))})" if errors else ""
