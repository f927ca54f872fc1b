"""What a run needs besides its configuration, checked before its first job: folders, files, keys, packages, a GPU."""

import ctypes
import fnmatch
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ccdcgan.relaxation.batched.mode import obstacle
from ccdcgan.relaxation.force_fields import PACKAGES
from ccdcgan.utils.errors import InputError

Settings = Mapping[str, Any]

PATTERNS = ("*.cif", "*.mcif", "*.vasp", "*poscar*", "*contcar*", "*.xyz", "*.extxyz", "*.db", "*.json")
"""Names of files of crystals, in lower case; a compressed one has one more ending."""

KINDS = "CIF (*.cif), POSCAR (*.vasp, *POSCAR*), extended XYZ (*.xyz, *.extxyz), ASE database (*.db) or JSON (*.json)"

INSTALL = {"mace": "mace-torch", "deepmd": "deepmd-kit", "fairchem": "fairchem-core"}
"""Package -> its name at the Python package index, where that differs."""

MP_KEYS = ("MP_API_KEY", "PMG_MAPI_KEY")


def missing_inputs(config: Settings) -> Iterator[InputError]:
    """Yield what is missing of the user's own files.

    Args:
        config: Checked configuration.
    """
    if "files" in config["prototypes"]["sources"]:
        yield from _missing_folder(config["prototypes"]["files"]["folder"])
    points = config["relaxation"]["energy_correction"]
    if points not in (None, "measured"):
        yield from _missing_file("relaxation.energy_correction", points, "the DFT points")
    for number, target in enumerate(config["properties"]):
        if target.get("file"):
            yield from _missing_file(f"properties.{number}.file", target["file"], f"the values of {target['name']}")


def missing_potential(config: Settings, local: bool) -> Iterator[InputError]:
    """Yield what the engine mlip misses: packages, and a GPU.

    Args:
        config: Checked configuration.
        local: Whether the jobs run on this machine; only then its GPU matters.
    """
    mlip = config["relaxation"]["mlip"]
    if config["relaxation"]["engine"] != "mlip":
        return
    for model in mlip["models"]:
        if find_spec(PACKAGES[model]) is None:
            name = INSTALL.get(PACKAGES[model], PACKAGES[model])
            yield InputError(
                f"config key relaxation.mlip.models names {model}, which needs the package {name}, but it is not "
                f"installed; run pip install {name}, or write relaxation: {{mlip: {{models: [7net-0, 7net-l3i5]}}}}."
            )
    reason = obstacle(config["relaxation"]) if mlip["batched"] is True else ""
    if reason:
        yield InputError(f"config key relaxation.mlip.batched is true, but {reason}")
    if mlip["device"] == "cuda" and local and not has_gpu():
        yield InputError(
            "config key relaxation.mlip.device is 'cuda', but this machine has no GPU that can be used; write "
            "relaxation: {mlip: {device: auto}}, which takes a GPU where there is one."
        )


def missing_installation(config: Settings) -> Iterator[InputError]:
    """Yield what this machine misses, although the machines of the jobs may have it: GPAW, the key of a service.

    Args:
        config: Checked configuration.
    """
    for key in ("relaxation", "verify"):
        if config[key]["engine"] == "gpaw" and find_spec("gpaw") is None:
            yield InputError(
                f"config key {key}.engine is 'gpaw', but GPAW is not installed; run make gpaw, or choose another one."
            )
    if "materials_project" in config["prototypes"]["sources"] and not _has_api_key():
        yield InputError(
            "config key prototypes.sources names materials_project, which needs an API key; get one at "
            "https://next-gen.materialsproject.org/api and type export MP_API_KEY=YOUR_KEY first."
        )


def test_potential(config: Settings) -> str:
    """Return a sentence about the Lennard-Jones potential, with which a run is a test only; "" without it."""
    used = "classical" in (config["relaxation"]["engine"], config["verify"]["engine"])
    if not used or config["relaxation"]["classical"]["calculator"] != "lj":
        return ""
    return (
        "config key relaxation.classical.calculator is 'lj', a potential for tests, which is the same for all "
        "elements: the energies of this run mean nothing; for results, write relaxation: {engine: mlip}."
    )


def has_gpu() -> bool:
    """Return whether a GPU can be used, without loading torch: one of NVIDIA, or the driver of AMD."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int()
        found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):
        found = False
    return found or os.path.exists("/dev/kfd")


def _has_api_key() -> bool:
    """Return whether a key is in the environment or in a file of pymatgen's settings."""
    if any(os.environ.get(name, "").strip() for name in MP_KEYS):
        return True
    files = [os.environ.get("PMG_CONFIG_FILE"), "~/.config/.pmgrc.yaml", "~/.pmgrc.yaml"]
    for file in filter(None, files):
        try:
            if "PMG_MAPI_KEY" in Path(file).expanduser().read_text(encoding="utf-8"):
                return True
        except (OSError, UnicodeDecodeError):
            continue
    return False


def _missing_folder(name: str) -> Iterator[InputError]:
    folder, key = Path(name), "prototypes.files.folder"
    if not folder.exists():
        yield InputError(
            f"{key}: {name} does not exist (seen from {Path.cwd()}); create it with {KINDS} files, or name another "
            f"folder: prototypes: {{files: {{folder: FOLDER}}}}."
        )
    elif not folder.is_dir():
        yield InputError(f"{key}: {name} is not a folder; name the folder with it, {folder.parent}.")
    elif not any(_is_of_crystals(file) for _, _, files in os.walk(folder) for file in files):
        yield InputError(f"{key}: {name} holds no {KINDS} file; put some there or choose another source.")


def _is_of_crystals(name: str) -> bool:
    name = name.lower()
    names = (name, name.rpartition(".")[0] if name.endswith((".gz", ".bz2", ".xz")) else name)
    return not name.startswith(".") and any(
        fnmatch.fnmatchcase(each, pattern) for each in names for pattern in PATTERNS
    )


def _missing_file(key: str, name: str, what: str) -> Iterator[InputError]:
    if not Path(name).is_file():
        yield InputError(
            f"config key {key} is {name!r}, but there is no such file (seen from {Path.cwd()}); write the path of the "
            f"file with {what}."
        )
