"""Potentials that the user has installed beside SevenNet, by the names that atomate2 gives them.

Their weights are the user's business too: a calculator that would have to download them is refused.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec

from ase.calculators.calculator import Calculator

from ccdcgan.utils.errors import InputError

FORCE_FIELDS = {
    "MACE-MP-0": "mace",
    "MACE-MP-0b3": "mace",
    "MACE-MPA-0": "mace",
    "MatterSim": "mattersim",
    "CHGNet": "chgnet",
    "M3GNet": "matgl",
    "MatPES-PBE": "matgl",
    "MatPES-r2SCAN": "matgl",
    "FAIRChem": "fairchem",
    "Nequip": "nequip",
    "DeepMD": "deepmd",
    "NEP": "calorine",
    "UPET": "upet",
    "SevenNet": "sevenn",
}
"""atomate2's name of a force field -> the package it needs; SevenNet is for weights of one's own."""


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

    options: its keywords as JSON, e.g. where its weights lie. Raises InputError if it cannot be loaded, above all if it
    would have to download its weights.
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
    """Refuse every look-up of a host in this process; yield the list of those that were asked for."""
    attempts: list[str] = []
    look_up = socket.getaddrinfo

    def refuse(host, *arguments, **keywords):
        attempts.append(str(host))
        raise socket.gaierror(f"{host} is not asked: weights are not downloaded")

    socket.getaddrinfo = refuse
    try:
        yield attempts
    finally:
        socket.getaddrinfo = look_up
