"""Engines: what relaxes a crystal. A configuration in, a maker out.

Every engine is a jobflow maker with ``.make(structure)``, a job (or flow) for any jobflow manager, and
``.relax(structure)``, which returns a :class:`~ccdcgan.relaxation.ase_relaxation.Relaxation` at once. All of them
also have ``.label`` (their name in tables) and ``.check_elements(elements)``, which raises InputError.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from jobflow import Flow, Job
from pymatgen.core import Structure

from ccdcgan.relaxation.ase_relaxation import Relaxation
from ccdcgan.relaxation.force_fields import FORCE_FIELDS
from ccdcgan.relaxation.guards import Guards
from ccdcgan.utils.errors import InputError

PACKAGES = {
    "mlip": ("sevenn", "torch", "ase"),
    "vasp": ("atomate2", "custodian"),
    "gpaw": ("gpaw", "gpaw-data", "ase"),
    "ase": ("ase",),
}
"""The engines, and the packages whose versions are part of what they return."""

ENGINES = tuple(PACKAGES)


class Engine(Protocol):
    """What every engine can do."""

    label: str

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError naming an element this engine cannot relax."""

    def relax(self, structure: Structure) -> Relaxation:
        """Relax one crystal now."""

    def make(self, structure: Structure) -> Job | Flow:
        """Return the job or flow that relaxes one crystal."""


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
    from ccdcgan.relaxation.ase_potentials import AseRelaxMaker

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
