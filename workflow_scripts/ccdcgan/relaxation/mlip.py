"""The engine of machine-learned potentials: SevenNet models whose weights lie inside the installed wheel.

J. Chem. Theory Comput. 20, 4857 (2024) for SevenNet-0; models are relaxed through in the order given.
"""

import json
import warnings
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from pymatgen.core import Structure

from ccdcgan.relaxation.ase_relaxation import Stage, StagedRelaxMaker, optimizer_class
from ccdcgan.relaxation.force_fields import FORCE_FIELDS, check_force_field, load_force_field
from ccdcgan.utils.errors import InputError

WEIGHTS = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
    "7net-mf-0": "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
}
"""Checkpoints inside the sevenn wheel. Its other names would download theirs, so they are refused."""

MODELS = tuple(WEIGHTS)

MODALS = {"7net-mf-0": "PBE"}
"""Level of theory asked of the models trained on several."""


def weights_path(model: str) -> Path:
    """Return the checkpoint of ``model``; raises InputError for one that the wheel does not hold."""
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
    """Return "cuda" or "cpu" for "auto"; raises InputError for a device that is not there."""
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
    """Return the ASE calculator of ``model``, loaded once per process."""
    path = weights_path(model)
    try:
        import torch

        with warnings.catch_warnings():
            # sevenn warns that no GPU kernel library is installed (there is none for a CPU), and its
            # e3nn still uses TorchScript: neither is for the user to mend.
            warnings.filterwarnings("ignore", message="No tensor product accelerator")
            warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")
            from sevenn.calculator import SevenNetCalculator

            # Two threads are no faster than one for cells this small: a core per process instead.
            torch.set_num_threads(1)
            calculator = SevenNetCalculator(path, device=resolve_device(device), modal=MODALS.get(model))
    except ImportError as error:
        raise InputError(
            f"relaxation.engine mlip cannot start: {error}; install sevenn, or choose another engine."
        ) from error
    return calculator


@dataclass
class MlipRelaxMaker(StagedRelaxMaker):
    """Relax crystals with machine-learned potentials.

    ``MlipRelaxMaker().make(structure)`` is a jobflow job; ``.relax(structure)`` does the same at once, in
    this process, with models that stay loaded:

    >>> MlipRelaxMaker(models=["7net-0"]).relax(structure).energy_per_atom

    models: relaxed through in this order, the last one's energy counts, of SevenNet or of FORCE_FIELDS; device: auto,
    cpu or cuda; options: force field -> keywords of its calculator.
    """

    name: str = "mlip relax"
    models: list[str] = field(default_factory=lambda: ["7net-0", "7net-l3i5"])
    device: str = "auto"
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot run before anything does; raises InputError."""
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
        """The models in order, as tables name this engine."""
        return "+".join(self.models)

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError naming the first element that a model does not know. Loads the models."""
        from ase.data import atomic_numbers

        for model in self.models:
            calculator = self._calculator(model)
            if model in FORCE_FIELDS:  # does not say what it was trained on
                continue
            known = calculator.type_map
            for element in sorted(elements):
                if atomic_numbers[element] not in known:
                    raise InputError(
                        f"relaxation.mlip.models: {model} was not trained on {element}; "
                        f"choose another of {', '.join(WEIGHTS)}, or the engine vasp."
                    )

    def stages(self, structure: Structure) -> list[Stage]:
        """Return one stage per model."""
        return [Stage(model, self._calculator(model)) for model in self.models]

    def _calculator(self, model: str) -> Calculator:
        if model in FORCE_FIELDS:
            return load_force_field(model, json.dumps(self.options.get(model, {}), sort_keys=True))
        return load_calculator(model, self.device)
