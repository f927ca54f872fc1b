"""Names of runs, and the order of the elements of a system.

The order of the elements is the order of the channels of the voxels, so it affects every trained model. A run therefore
has one order: that of increasing electronegativity, or the one with which the run was begun.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.runs.record import is_made, system_of

SYSTEM = "{system}"
"""Part of a run's name in the configuration that stands for the chemical system."""

EARLIER_NAMES = {"{system}-paper": "paper", "{system}-authors-code": "authors-code"}
"""Name of a run in a preset -> its name in earlier versions, whose folders are still found."""

_PAULING = """
H 2.20 Li 0.98 Be 1.57 B 2.04 C 2.55 N 3.04 O 3.44 F 3.98 Na 0.93 Mg 1.31 Al 1.61 Si 1.90 P 2.19 S 2.58 Cl 3.16 K 0.82
Ca 1.00 Sc 1.36 Ti 1.54 V 1.63 Cr 1.66 Mn 1.55 Fe 1.83 Co 1.88 Ni 1.91 Cu 1.90 Zn 1.65 Ga 1.81 Ge 2.01 As 2.18 Se 2.55
Br 2.96 Kr 3.00 Rb 0.82 Sr 0.95 Y 1.22 Zr 1.33 Nb 1.60 Mo 2.16 Tc 1.90 Ru 2.20 Rh 2.28 Pd 2.20 Ag 1.93 Cd 1.69 In 1.78
Sn 1.96 Sb 2.05 Te 2.10 I 2.66 Xe 2.60 Cs 0.79 Ba 0.89 La 1.10 Ce 1.12 Pr 1.13 Nd 1.14 Pm 1.13 Sm 1.17 Eu 1.20 Gd 1.20
Tb 1.10 Dy 1.22 Ho 1.23 Er 1.24 Tm 1.25 Yb 1.10 Lu 1.27 Hf 1.30 Ta 1.50 W 2.36 Re 1.90 Os 2.20 Ir 2.20 Pt 2.28 Au 2.54
Hg 2.00 Tl 1.62 Pb 2.33 Bi 2.02 Po 2.00 At 2.20 Rn 2.20 Fr 0.70 Ra 0.90 Ac 1.10 Th 1.30 Pa 1.50 U 1.38 Np 1.36 Pu 1.28
Am 1.30 Cm 1.30 Bk 1.30 Cf 1.30 Es 1.30 Fm 1.30 Md 1.30 No 1.30 Lr 1.30
"""
ELECTRONEGATIVITY = {symbol: float(value) for symbol, value in re.findall(r"([A-Z][a-z]?) (\S+)", _PAULING)}
"""Element -> electronegativity (Pauling's scale), as in pymatgen, whose import would take a second at every start."""

NOBLE_GASES = ("He", "Ne", "Ar")
"""Elements without an electronegativity."""


def by_electronegativity(elements: Sequence[str]) -> list[str]:
    """Return elements by increasing electronegativity, then by symbol; those without a value are last."""
    return sorted(elements, key=lambda element: (ELECTRONEGATIVITY.get(element, float("inf")), element))


def name_run(system: str, template: str | None, results: str | Path = "results") -> tuple[str, str]:
    """Return the system in the element order of its run, and the name of the run.

    A run that was begun with another order of the same elements is continued with that order.

    Args:
        system: Chemical system, e.g. "Se-Bi".
        template: Value of the key ``run``, which may contain ``{system}``; None: the system.
        results: Folder of all runs.
    """
    canonical = "-".join(by_electronegativity(system.split("-")))
    template, results = template or SYSTEM, Path(results)
    if SYSTEM not in template:
        return _order_in(results / template, canonical), template
    name = template.replace(SYSTEM, canonical)
    if not is_made(results / name):
        wanted = re.escape(template).replace(re.escape(SYSTEM), "(?P<system>[A-Za-z]+(?:-[A-Za-z]+)+)", 1)
        wanted = wanted.replace(re.escape(SYSTEM), "(?P=system)")
        for folder in sorted(path for path in results.glob("*") if is_made(path)):
            match = re.fullmatch(wanted, folder.name)
            if match and set(match["system"].split("-")) == set(system.split("-")):
                return match["system"], folder.name
        earlier = results / EARLIER_NAMES.get(template, name)
        if is_made(earlier) and same_elements(system_of(earlier), system):
            return _order_in(earlier, canonical), earlier.name
    return _order_in(results / name, canonical), name


def same_elements(one: str | None, other: str) -> bool:
    """Return whether two systems consist of the same elements; False if the first is not known."""
    return one is not None and sorted(one.split("-")) == sorted(other.split("-"))


def check_name(run: str, files: Sequence[str | Path], given: Mapping[str, Any], system: str) -> None:
    """Refuse a name of a new run that is that of another system.

    A configuration file may name both the system and the run. If ``--config`` then changes the system, it has to change
    the name, too.

    Args:
        run: Name of the run.
        files: Configuration files, in the order in which they were merged.
        given: Keys and values of ``--config``.
        system: Chemical system of the run.

    Raises:
        InputError: The name is misleading; the sentence contains another one.
    """
    symbols = list(takewhile(lambda word: word in ELECTRONEGATIVITY or word in NOBLE_GASES, run.split("-")))
    elements = set(system.split("-"))
    if len(symbols) > 1 and set(symbols[: len(elements)]) != elements:
        raise InputError(
            f"config key run is {run!r}, which names a run of {'-'.join(symbols)}, but the system is {system}; leave "
            f"run out, or set run={system}, or another name."
        )
    if "system" not in given or "run" in given:
        return
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in reversed(files):
        file = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=loader) or {}
        if file.get("run") is None:
            continue
        name, meant = str(file["run"]), file.get("system")
        if meant is not None and SYSTEM not in name and _letters(str(meant)) != _letters(system):
            raise InputError(
                f"config key run is {name!r}, the name that {path} gives to its system {meant}, but the system is "
                f"{system}; name this run as well: add run={name}-{system} to --config, or write run: "
                f'"{SYSTEM}-{name}" in that file.'
            )
        return


def free_name(run: str, results: str | Path = "results") -> str:
    """Return a name for another run like ``run`` that no folder has yet, e.g. "Bi-Se-2"."""
    number = 2
    while (Path(results) / f"{run}-{number}").exists():
        number += 1
    return f"{run}-{number}"


def _order_in(folder: Path, canonical: str) -> str:
    """Return the order of the elements in a run's folder, if it is of the same system; otherwise the canonical one."""
    made_for = system_of(folder)
    return made_for if made_for is not None and same_elements(made_for, canonical) else canonical


def _letters(system: str) -> list[str]:
    """Return the letters of a system, sorted, whatever the order, the case and the separators of its elements."""
    return sorted(re.findall("[a-z]", system.lower()))
