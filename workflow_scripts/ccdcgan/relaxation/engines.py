"""Engines: what relaxes a crystal. A configuration in, a maker out.

Every engine is a jobflow maker with ``.make(structure)``, a job (or flow) for any jobflow manager, and
``.relax(structure)``, which returns a :class:`~ccdcgan.relaxation.stages.Relaxation` at once. All of them
also have ``.label`` (their name in tables) and ``.check_elements(elements)``, which raises InputError.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from jobflow import Flow, Job
from pymatgen.core import Structure

from ccdcgan.errors import InputError
from ccdcgan.relaxation.force_fields import FORCE_FIELDS
from ccdcgan.relaxation.guards import Guards
from ccdcgan.relaxation.stages import Relaxation, Stage, StagedRelaxMaker, optimizer_class

PACKAGES = {
    "mlip": ("sevenn", "torch", "ase"),
    "vasp": ("atomate2", "custodian"),
    "gpaw": ("gpaw", "gpaw-data", "ase"),
    "ase": ("ase",),
}
"""The engines, and the packages whose versions are part of what they return."""

ENGINES = tuple(PACKAGES)
CALCULATORS = ("emt", "lj")


class Engine(Protocol):
    """What every engine can do."""

    label: str

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError naming an element this engine cannot relax."""

    def relax(self, structure: Structure) -> Relaxation:
        """Relax one crystal now."""

    def make(self, structure: Structure) -> Job | Flow:
        """Return the job or flow that relaxes one crystal."""


@dataclass
class AseRelaxMaker(StagedRelaxMaker):
    """Relax crystals with one of ASE's own toy potentials: for tests, never for results.

    calculator: "emt" (Al, Cu, Ag, Au, Ni, Pd, Pt and a few light elements) or "lj" (Lennard-Jones with
    epsilon 1 eV and sigma 2.5 angstrom for every element).
    """

    name: str = "ase relax"
    calculator: str = "emt"

    def __post_init__(self) -> None:
        """Refuse what cannot run before anything does; raises InputError."""
        if self.calculator not in CALCULATORS:
            raise InputError(
                f"relaxation.ase.calculator is {self.calculator!r}; choose one of {', '.join(CALCULATORS)}."
            )
        optimizer_class(self.optimizer)

    @property
    def label(self) -> str:
        """The calculator's name, as tables name this engine."""
        return self.calculator

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError naming the first element the calculator does not know."""
        from ase.calculators.emt import parameters

        if self.calculator == "emt":
            for element in sorted(elements - set(parameters)):
                raise InputError(
                    f"relaxation.ase.calculator emt knows no {element}, only {', '.join(parameters)}; "
                    "it is for tests: choose the engine mlip, vasp or gpaw."
                )

    def stages(self, structure: Structure) -> list[Stage]:
        """Return the one stage there is."""
        from ase.calculators.emt import EMT
        from ase.calculators.lj import LennardJones

        calculator = EMT() if self.calculator == "emt" else LennardJones(epsilon=1.0, sigma=2.5, rc=7.5)
        return [Stage(self.calculator, calculator)]


def make_engine(config: Mapping[str, Any], work_dir: str | Path | None = None) -> Engine:
    """Return the engine that the configuration's ``relaxation`` section asks for.

    work_dir: where engines that write files (vasp, gpaw) get a folder per crystal; the current folder if None.
    Raises InputError for an unknown engine, model, optimiser or guard, and for anything the engine needs
    and this machine lacks.
    """
    engine = config.get("engine")
    guards = Guards.from_config(config.get("guards", {}))
    if engine == "vasp":
        from ccdcgan.relaxation.vasp import VaspRelaxMaker

        return VaspRelaxMaker(
            fmax=config["fmax"],
            static=_is_static(config),
            guards=guards,
            work_dir=str(work_dir or Path.cwd()),
            **config.get("vasp", {}),
        )
    if engine not in ENGINES:
        raise InputError(f"relaxation.engine is {engine!r}; choose one of {', '.join(ENGINES)}.")
    shared = {key: config[key] for key in ("wall_clock", *_decisive(config))} | {"guards": guards}
    if engine == "mlip":
        from ccdcgan.relaxation.mlip import MlipRelaxMaker

        return MlipRelaxMaker(**shared, **config.get("mlip", {}))
    if engine == "gpaw":
        from ccdcgan.relaxation.gpaw import GpawRelaxMaker

        return GpawRelaxMaker(**shared, work_dir=str(work_dir or Path.cwd()), **config.get("gpaw", {}))
    return AseRelaxMaker(**shared, **config.get("ase", {}))


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that decides what an engine returns, for journals and provenance.

    Engine, the versions of its packages, models, settings, optimiser and guards. Left out is what changes
    nothing but time: device, command, modules, polling and the wall clock, which journals treat on their own.
    """
    engine = config.get("engine")
    if engine not in ENGINES:
        raise InputError(f"relaxation.engine is {engine!r}; choose one of {', '.join(ENGINES)}.")
    timing = ("device", "command", "modules", "wall_clock", "custodian_poll")
    settings = {key: value for key, value in config.get(engine, {}).items() if key not in timing}
    return {
        "engine": engine,
        "versions": {package: _version(package) for package in _packages(engine, config)},
        **settings,
        **{key: config[key] for key in _decisive(config)},
        "guards": vars(Guards.from_config(config.get("guards", {}))),
    }


def _packages(engine: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages that compute the energies, those of installed force fields included."""
    models = config["mlip"]["models"] if engine == "mlip" else ()
    return (*PACKAGES[engine], *(FORCE_FIELDS[model] for model in models if model in FORCE_FIELDS))


def _is_static(config: Mapping[str, Any]) -> bool:
    """Return whether energies are asked for where the crystals are."""
    return config.get("max_steps") == 0


def _decisive(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys shared by engines that decide what the configuration's engine returns."""
    if config["engine"] == "vasp":  # has its own optimiser, which it can only be told not to use
        return ("max_steps",) if _is_static(config) else ("fmax",)
    keys = ("fmax", "max_steps", "optimizer", "stiffness")
    if config["engine"] == "gpaw":  # could not pay for a crystal without symmetry
        return keys
    return (*keys, "displacement")


def _version(package: str) -> str:
    """Return the installed version, "" if the package is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
