"""Whether crystals are relaxed together, ``relaxation.mlip.batched``, and what that needs. Nothing is loaded for it."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from ccdcgan.relaxation.force_fields import SEVENNET
from ccdcgan.utils.errors import InputError

AUTO = "auto"
"""Value of ``batched``: crystals are relaxed together where there are a GPU and torch-sim."""

PACKAGE = "torch-sim-atomistic"

METHOD = 1
"""Version of the method, part of the identity of results. Increase it if a change of this package changes results."""

_OFF = "write relaxation: {mlip: {batched: auto}}"


def obstacle(config: Mapping[str, Any]) -> str:
    """Return why crystals cannot be relaxed together, as a sentence that ends with what to do; "" if they can.

    Args:
        config: The ``relaxation`` section of the configuration, with the engine ``mlip``.
    """
    others = [model for model in config["mlip"]["models"] if model not in SEVENNET]
    if others:
        return f"relaxation.mlip.models has {others[0]}, and only SevenNet models relax crystals together; {_OFF}."
    if config["optimizer"] != "BFGS":
        return f"relaxation.optimizer is {config['optimizer']}, and only BFGS relaxes crystals together; {_OFF}."
    if find_spec("torch_sim") is not None:
        return ""
    if sys.version_info < (3, 12):
        return (
            f"torch-sim needs Python 3.12 or newer, and this is Python {sys.version_info[0]}.{sys.version_info[1]}; "
            f"run make environment PYTHON=python3.12, then make gpu, or {_OFF}."
        )
    return f"torch-sim is not installed; run make gpu, or {_OFF}."


def is_batched(config: Mapping[str, Any]) -> bool:
    """Return whether this process relaxes crystals together.

    Args:
        config: The ``relaxation`` section of the configuration.

    Raises:
        InputError: If ``batched`` is true and something that it needs is missing.
    """
    wanted = config.get("mlip", {}).get("batched", False) if config.get("engine") == "mlip" else False
    if not wanted:
        return False
    reason = obstacle(config)
    if wanted == AUTO:
        return not reason and config["mlip"]["device"] != "cpu" and _has_gpu()
    if reason:
        raise InputError(f"relaxation.mlip.batched is true, but {reason}")
    return True


def _has_gpu() -> bool:
    """Return whether torch finds a GPU."""
    import torch

    return torch.cuda.is_available()
