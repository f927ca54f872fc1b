"""The engine ``mlip``: machine-learned interatomic potentials.

The default potentials are SevenNet models (J. Chem. Theory Comput. 20, 4857 (2024) for SevenNet-0), whose weights are
part of the installed wheel. Other force fields can be installed by the user; they have the names that atomate2 gives
them, and the user provides their weights. Nothing is downloaded: a force field that tries to download its weights is
refused. Several models relax a crystal one after another, in the order given.
"""

import json
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from pymatgen.core import Structure

from ccdcgan.relaxation.ase_relaxation import Relaxation, Stage, StagedRelaxMaker, optimizer_class
from ccdcgan.relaxation.force_fields import FORCE_FIELDS
from ccdcgan.utils.errors import InputError

WEIGHTS = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
    "7net-mf-0": "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
}
"""SevenNet model -> its checkpoint in the sevenn wheel. Further models of sevenn are refused, since their weights would
be downloaded."""

MODELS = tuple(WEIGHTS)

MODALS = {"7net-mf-0": "PBE"}
"""Level of theory used of models that were trained on several."""


def weights_path(model: str) -> Path:
    """Return the checkpoint of a SevenNet model.

    Raises:
        InputError: If sevenn is not installed or its wheel does not contain the model.
    """
    if model not in WEIGHTS:
        raise InputError(
            f"relaxation.mlip.models has {model!r}; choose from {', '.join(WEIGHTS)}, whose weights are installed with "
            f"sevenn (nothing is downloaded), or from {', '.join(FORCE_FIELDS)}."
        )
    package = find_spec("sevenn")
    if package is None or package.origin is None:
        raise InputError("relaxation.engine mlip needs the package sevenn; install it (pip install sevenn).")
    path = Path(package.origin).parent / "pretrained_potentials" / WEIGHTS[model]
    if not path.is_file():
        raise InputError(f"the installed sevenn has no weights of {model} ({path} is missing); reinstall sevenn.")
    return path


def resolve_device(device: str) -> str:
    """Return the device to use, "cuda" or "cpu".

    Args:
        device: "auto", "cpu" or "cuda".

    Raises:
        InputError: If the device is unknown or not available.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise InputError(f"relaxation.mlip.device is {device!r}; choose auto, cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("relaxation.mlip.device is cuda, but torch finds no GPU; use auto or cpu.")
    return device


@cache
def load_calculator(model: str, device: str):
    """Return the ASE calculator of a SevenNet model, loaded once per process.

    Args:
        model: A key of WEIGHTS.
        device: "auto", "cpu" or "cuda".

    Raises:
        InputError: If the model, the device or a package is not available.
    """
    path = weights_path(model)
    try:
        import torch

        with warnings.catch_warnings():
            # sevenn warns about the missing GPU kernel library, which does not exist for CPUs, and its e3nn still uses
            # TorchScript. The user can fix neither.
            warnings.filterwarnings("ignore", message="No tensor product accelerator")
            warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")
            from sevenn.calculator import SevenNetCalculator

            from ccdcgan.relaxation.kernels.convolution import replace_convolutions

            # Two threads are not faster than one for cells this small; each process uses one core.
            torch.set_num_threads(1)
            calculator = SevenNetCalculator(path, device=resolve_device(device), modal=MODALS.get(model))
            if calculator.device.type == "cpu":
                replace_convolutions(calculator.model)
    except ImportError as error:
        raise InputError(
            f"relaxation.engine mlip cannot start: {error}; install sevenn, or choose another engine."
        ) from error
    return calculator


def check_force_field(name: str) -> None:
    """Raise InputError unless the package of a force field is installed."""
    if find_spec(FORCE_FIELDS[name]) is None:
        raise InputError(
            f"relaxation.mlip.models has {name}, which needs the package {FORCE_FIELDS[name]}; install it, or choose "
            "another model."
        )


@cache
def load_force_field(name: str, options: str) -> Calculator:
    """Return the ASE calculator of a force field, loaded once per process.

    Args:
        name: A key of FORCE_FIELDS.
        options: Keywords of the calculator as JSON, for instance the path of the weights.

    Raises:
        InputError: If the force field cannot be loaded, in particular if it would download its weights.
    """
    check_force_field(name)
    from atomate2.forcefields.utils import ase_calculator

    with _no_network() as attempts:
        try:
            calculator = ase_calculator(name, **json.loads(options))
        except Exception as error:
            if attempts:
                raise InputError(
                    f"relaxation.mlip.models: {name} would download its weights from {attempts[0]}; download them "
                    f"yourself and name the file in relaxation.mlip.options.{name}."
                ) from error
            raise InputError(
                f"relaxation.mlip.models: {name} cannot be loaded with relaxation.mlip.options.{name} = {options} "
                f"({type(error).__name__}: {error})."
            ) from error
    return calculator


@contextmanager
def _no_network() -> Iterator[list[str]]:
    """Refuse every host name look-up of this process; yield the list of the hosts that were requested."""
    attempts: list[str] = []
    look_up = socket.getaddrinfo

    def refuse(host, *arguments, **keywords):
        attempts.append(str(host))
        raise socket.gaierror(f"{host} is not contacted: weights are not downloaded")

    socket.getaddrinfo = refuse
    try:
        yield attempts
    finally:
        socket.getaddrinfo = look_up


@dataclass
class MlipRelaxMaker(StagedRelaxMaker):
    """Relaxation with machine-learned potentials.

    ``MlipRelaxMaker().make(structure)`` returns a jobflow job. ``.relax(structure)`` relaxes the crystal in this
    process, with models that stay loaded:

    >>> MlipRelaxMaker(models=["7net-0"]).relax(structure).energy_per_atom

    Args:
        models: Models of SevenNet or of FORCE_FIELDS, used one after another; the energy is that of the last one.
        device: "auto", "cpu" or "cuda".
        options: Name of a force field -> keywords of its calculator.
        batched: Whether batches of crystals are relaxed together, see :mod:`ccdcgan.relaxation.batched.mode`.

    Further fields are those of :class:`~ccdcgan.relaxation.ase_relaxation.StagedRelaxMaker`.
    """

    name: str = "mlip relax"
    models: list[str] = field(default_factory=lambda: ["7net-0", "7net-l3i5"])
    device: str = "auto"
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    batched: bool | str = False

    def __post_init__(self) -> None:
        """Check models and optimiser before anything runs; raises InputError."""
        if not self.models or isinstance(self.models, str):
            raise InputError(f"relaxation.mlip.models is {self.models!r}; give a list from {', '.join(WEIGHTS)}.")
        for model in self.models:
            if model in FORCE_FIELDS:
                check_force_field(model)
            else:
                weights_path(model)
        optimizer_class(self.optimizer)

    @property
    def label(self) -> str:
        """Name of this engine in tables: the models in order."""
        return "+".join(self.models)

    def check_elements(self, elements: set[str]) -> None:
        """Load the models and raise InputError for the first element that one of them was not trained on."""
        from ase.data import atomic_numbers

        for model in self.models:
            calculator = self._calculator(model)
            if model in FORCE_FIELDS:  # their calculators have no common list of elements
                continue
            for element in sorted(elements):
                if atomic_numbers[element] not in calculator.type_map:
                    raise InputError(
                        f"relaxation.mlip.models: {model} was not trained on {element}; "
                        f"choose another of {', '.join(WEIGHTS)}, or the engine vasp."
                    )

    def stages(self, structure: Structure) -> list[Stage]:
        """Return one stage per model."""
        return [Stage(model, self._calculator(model)) for model in self.models]

    def relax_together(self, structures: Sequence[Structure]) -> Iterator[tuple[int, Relaxation, float]]:
        """Relax crystals together; yield number, result and seconds of each as it is finished.

        Needs torch-sim and models of SevenNet. Results equal those of :meth:`relax` up to rounding, or rarely end in
        another minimum.
        """
        from ccdcgan.relaxation.batched.potentials import load_potential
        from ccdcgan.relaxation.batched.relaxations import relax_together

        return relax_together(self, self.models, partial(load_potential, device=self.device), structures)

    def _calculator(self, model: str) -> Calculator:
        if model in FORCE_FIELDS:
            return load_force_field(model, json.dumps(self.options.get(model, {}), sort_keys=True))
        return load_calculator(model, self.device)
