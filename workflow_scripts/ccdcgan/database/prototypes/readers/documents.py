"""Crystals of POSCAR files and of JSON documents of pymatgen."""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar

from ccdcgan.database.prototypes.checks import MOST_SITES, check_cell
from ccdcgan.database.prototypes.source import Refusal


def read_poscar(text: str) -> Iterator[Callable[[], Structure]]:
    """Yield one function that returns the crystal of a POSCAR or raises an error.

    Args:
        text: Content of the file.
    """
    yield lambda: _read_poscar(text)


def _read_poscar(text: str) -> Structure:
    lines = text.split("\n")
    if len(lines) < 8:
        raise Refusal("unreadable", f"{len(lines)} lines, a POSCAR has at least 8")
    scale = [float(number) for number in lines[1].split()[:3] if re.match(r"[-+.\d]", number)]
    cell = np.array([[float(number) for number in line.split()[:3]] for line in lines[2:5]])
    for row in (6, 5):  # names of elements in line 6 are optional
        counts = [word for word in lines[row].split("!")[0].split("#")[0].split()]
        if counts and all(re.fullmatch(r"\d+", count, re.ASCII) for count in counts):
            break
    else:
        raise Refusal("unreadable", "neither line 6 nor line 7 holds numbers of atoms")
    numbers = [int(count[:12]) for count in counts]
    if len(numbers) > MOST_SITES or sum(numbers) > MOST_SITES:
        raise Refusal("too_many_atoms", f"{sum(numbers)} atoms in the cell of the file, at most {MOST_SITES}")
    if not np.isfinite(scale).all() or not np.isfinite(cell).all():
        raise Refusal("not_finite_numbers", "the scale or a cell vector is not finite")
    if len(scale) == 1 and scale[0] > 0:
        check_cell(cell * scale[0], sum(numbers))
    begin = row + 1 + bool(re.match(r"\s*s", lines[row + 1], re.IGNORECASE)) + 1
    after = lines[begin + sum(numbers) : begin + sum(numbers) + 1]
    if after and re.match(r"\s*([-+]?(\d+\.?\d*|\.\d+)\S*\s+){2}[-+.\d]", after[0]):
        raise Refusal("unreadable", f"more coordinates follow than the {sum(numbers)} atoms that are stated")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a POSCAR without names of elements
        return Poscar.from_str(text, read_velocities=False).structure


def read_json(text: str) -> Iterator[Callable[[], Structure]]:
    """Yield one function for each structure in a JSON document of pymatgen, at any depth of its objects and lists.

    Args:
        text: Content of the file.
    """
    for value in _structures_in(json.loads(text)):
        yield lambda value=value: _from_dictionary(value)


def _structures_in(value: Any) -> Iterator[dict]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "sites" in value and ("lattice" in value or "@class" in value):
                yield value
            else:
                waiting += reversed(list(value.values()))
        elif isinstance(value, list):
            waiting += reversed(value)


def _from_dictionary(value: dict) -> Structure:
    """Return the crystal of a dictionary of pymatgen."""
    if not isinstance(value.get("lattice"), dict):
        raise Refusal("not_three_dimensional", f"{value.get('@class', 'the structure')} has no cell")
    if not isinstance(value["sites"], list):
        raise Refusal("unreadable", "sites is not a list")
    if len(value["sites"]) > MOST_SITES:
        raise Refusal("too_many_atoms", f"{len(value['sites'])} atoms, at most {MOST_SITES}")
    if "matrix" in value["lattice"]:
        check_cell(np.array(value["lattice"]["matrix"], dtype=float), len(value["sites"]))
    return Structure.from_dict({key: value[key] for key in ("lattice", "sites", "charge") if key in value})
