"""Construction of the relaxation engine from the configuration, and the identity of its results.

Every engine is a jobflow maker. ``.make(structure)`` returns a job (or flow) for any jobflow manager, and
``.relax(structure)`` relaxes the crystal in this process and returns a
:class:`~ccdcgan.relaxation.ase_relaxation.Relaxation`. Every engine also has ``.label``, its name in tables, and
``.check_elements(elements)``, which raises InputError.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from jobflow import Flow, Job
from pymatgen.core import Structure

from ccdcgan.relaxation.ase_relaxation import Relaxation
from ccdcgan.relaxation.batched.mode import METHOD, PACKAGE
from ccdcgan.relaxation.force_fields import FORCE_FIELDS
from ccdcgan.relaxation.guards import Guards
from ccdcgan.utils.errors import InputError

PACKAGES = {
    "mlip": ("sevenn", "torch", "ase"),
    "vasp": ("atomate2", "custodian"),
    "gpaw": ("gpaw", "gpaw-data", "ase"),
    "ase": ("ase",),
}
"""Engine -> the packages whose versions identify its results."""

ENGINES = tuple(PACKAGES)


class Engine(Protocol):
    """Interface of all engines."""

    label: str

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError for an element that this engine does not support."""

    def relax(self, structure: Structure) -> Relaxation:
        """Relax one crystal in this process."""

    def make(self, structure: Structure) -> Job | Flow:
        """Return the job or flow that relaxes one crystal."""


def make_engine(config: Mapping[str, Any], work_dir: str | Path | None = None) -> Engine:
    """Return the engine of the configuration.

    Args:
        config: The ``relaxation`` section of the configuration.
        work_dir: Folder in which engines that write files (vasp, gpaw) create a folder per crystal; None: the current
            folder.

    Raises:
        InputError: For an unknown engine, model, optimiser or guard, and for a missing program, package or file.
    """
    engine = config.get("engine")
    guards = Guards.from_config(config.get("guards", {}))
    if engine == "vasp":
        from ccdcgan.relaxation.dft.vasp import VaspRelaxMaker

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
        from ccdcgan.relaxation.dft.gpaw import GpawRelaxMaker

        return GpawRelaxMaker(**shared, work_dir=str(work_dir or Path.cwd()), **config.get("gpaw", {}))
    from ccdcgan.relaxation.ase_potentials import AseRelaxMaker

    return AseRelaxMaker(**shared, **config.get("ase", {}))


def identity(
    config: Mapping[str, Any], elements: Iterable[str] = (), former: bool = False, batched: bool = False
) -> dict[str, Any]:
    """Return everything that determines the results of an engine, for journals and provenance.

    This is the engine, the versions of its packages, its models and settings, the optimiser and the guards. Settings
    that affect only the time are left out: device, command, modules, polling interval and wall-clock limit. Journals
    handle the wall-clock limit themselves.

    Args:
        config: The ``relaxation`` section of the configuration.
        elements: Elements of the crystal. Guards by element are those of these elements; without them "auto" remains.
        former: Whether guards by element are replaced by the defaults of earlier versions, as in their journals.
        batched: Whether the crystal is relaxed together with others.

    Raises:
        InputError: For an unknown engine or guard.
    """
    engine = config.get("engine")
    if engine not in ENGINES:
        raise InputError(f"relaxation.engine is {engine!r}; choose one of {', '.join(ENGINES)}.")
    guards = Guards.from_config(config.get("guards", {}))
    timing = ("device", "command", "modules", "wall_clock", "custodian_poll", "batched")
    settings = {key: value for key, value in config.get(engine, {}).items() if key not in timing}
    return {
        "engine": engine,
        "versions": {package: _version(package) for package in (*_packages(engine, config), *[PACKAGE] * batched)},
        **({"batched": METHOD} if batched else {}),
        **settings,
        **{key: config[key] for key in _decisive(config)},
        "guards": (guards.former() if former else guards).described(elements),
    }


def _packages(engine: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages that compute the energies, including those of the force fields in use."""
    if engine != "mlip":
        return PACKAGES[engine]
    return (*PACKAGES[engine], *(FORCE_FIELDS[model] for model in config["mlip"]["models"] if model in FORCE_FIELDS))


def _is_static(config: Mapping[str, Any]) -> bool:
    """Return whether only the energies of the unrelaxed crystals are computed."""
    return config.get("max_steps") == 0


def _decisive(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys shared by engines that determine the results of the configured engine."""
    if config["engine"] == "vasp":  # uses its own optimiser, which can only be turned off
        return ("max_steps",) if _is_static(config) else ("fmax",)
    keys = ("fmax", "max_steps", "optimizer", "stiffness")
    if config["engine"] == "gpaw":  # keeps the symmetry: without it DFT is too expensive
        return keys
    return (*keys, "displacement")


@cache
def _version(package: str) -> str:
    """Return the installed version of a package, "" if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
