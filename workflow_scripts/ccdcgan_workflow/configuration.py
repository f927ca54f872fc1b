"""Validation of the configuration before the DAG is built.

Every error is one sentence that names the key, the value found and what is allowed. The package
:mod:`ccdcgan_workflow.check` has the parts.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
from ase.data import atomic_names, atomic_numbers

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.contradictions import check_relations, check_tags
from ccdcgan_workflow.check.errors import KeyProblem
from ccdcgan_workflow.check.numbers import check_numbers
from ccdcgan_workflow.check.schema import read_schema
from ccdcgan_workflow.check.sentences import nearest, schema_problem
from ccdcgan_workflow.check.writings import as_typed, check_depth
from ccdcgan_workflow.check.yaml_files import Written
from ccdcgan_workflow.keys.layers import SCHEMA, Layer, combined, default_configuration, how_written, read_layers
from ccdcgan_workflow.keys.sections import MISSING, in_one_order, value_at
from ccdcgan_workflow.keys.unused import check_unused
from ccdcgan_workflow.runs.autoencoder_start import check_start

KNOWN_ELEMENTS = {
    "mlip": {symbol for symbol, number in atomic_numbers.items() if 0 < number < 95 and not 83 < number < 89},
    "vasp": {symbol for symbol, number in atomic_numbers.items() if 0 < number < 97},
    "gpaw": {symbol for symbol, number in atomic_numbers.items() if 0 < number < 87} - {"Tc", "Po", "At"},
    "emt": {"H", "C", "N", "O", "Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"},
}
"""Engine or potential -> the elements it supports: the 89 in the training data of SevenNet, those of the POTCARs of
PBE_54 and of gpaw-data, and those of ASE's EMT."""

WITHOUT_VOLUME = {symbol for symbol, number in atomic_numbers.items() if number > 99} | {"X", "At", "Fr"}
"""Elements whose atomic volume is unknown; without it no crystal of the database can be scaled."""

DATABASE_PROPERTIES = ("formation_energy", "e_above_hull", "energy_per_atom", "volume_per_atom", "density")
"""Properties that all relaxed crystals have; others are read from a file of the user."""

REMOVED_KEYS = {
    "xla": "was removed: trainings are not compiled with XLA any more; delete the key.",
    "flow.guidance": (
        "was removed together with the scheme guided-flow; use the scheme optimised-flow and the keys "
        "flow.optimisation_steps, flow.optimisation_length and flow.trust_radius."
    ),
}
"""Key of an earlier version, sections joined by "." -> why it was removed and what replaces it."""

REMOVED_VALUES = {
    ("schemes", "guided-flow"): "which was removed; use optimised-flow in its place.",
}
"""Key and value of an earlier version -> what replaces the value; a key may hold one value or a list of them."""


def check_configuration(config: dict[str, Any], schema_file: str | Path) -> None:
    """Validate a configuration against the JSON schema and against rules that a schema cannot express.

    Args:
        config: Complete configuration.
        schema_file: Path of the JSON schema, in YAML.

    Raises:
        InputError: A key or value is not allowed; one sentence about the first one.
    """
    check_depth(config)
    _check_removed(config)
    schema = read_schema(schema_file)
    _check_names(config)
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise schema_problem(errors[0], schema, default_configuration(Path(schema_file).resolve().parents[1]))
    check_numbers(config, schema)
    _check_system(config["system"])
    _check_engines(config)
    _check_compositions("held_out_compositions", config["held_out_compositions"], config["system"])
    _check_compositions("evaluation.compositions", config["evaluation"]["compositions"] or [], config["system"])
    _check_properties(config["properties"])
    check_relations(config)


def elements_of(system: str) -> list[str]:
    """Return the element symbols of a chemical system, e.g. ``["Bi", "Se"]`` for "Bi-Se"."""
    return system.split("-")


def reduced_formulas(formulas: list[str]) -> list[str]:
    """Return the distinct reduced formulas of the compositions, sorted.

    Raises:
        ValueError: A formula is not a composition.
    """
    if not formulas:
        return []
    from pymatgen.core import Composition  # imported here because it is slow and rarely needed

    return sorted({Composition(formula).reduced_formula for formula in formulas})


def energy_alone(properties: list[dict[str, Any]]) -> bool:
    """Return whether the formation energy is the only target and is minimised, as in Long et al.

    In this case its constraint network is the objective.
    """
    return [(target["name"], target["goal"]) for target in properties] == [("formation_energy", "minimise")]


def load_configuration(
    checkout: str | Path,
    files: Sequence[str | Path] = (),
    options: Sequence[str] = (),
    given: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the checked configuration of a run, see :func:`~ccdcgan_workflow.keys.layers.read_layers`.

    Args:
        checkout: Folder of the workflow.
        files: Configuration files, config.yaml first, each overriding those before.
        options: Settings of the command line, KEY=VALUE, which override the files.
        given: Settings of another workflow, of which this one is a module.

    Raises:
        InputError: A key or value is not allowed; one sentence about the first one.
    """
    return checked_configuration(read_layers(checkout, files, options, given), checkout)


def checked_configuration(layers: Sequence[Layer], checkout: str | Path) -> dict[str, Any]:
    """Return the complete configuration, checked and in one order.

    Snakemake compares parameters as text, so the order of the keys in the files must not matter.

    Args:
        layers: Settings above the default values, lowest layer first.
        checkout: Folder of the workflow.

    Raises:
        InputError: A key or value is not allowed; one sentence about the first one, with the file and line where the
            user wrote it.
    """
    schema_file = Path(checkout) / SCHEMA
    schema, defaults = read_schema(schema_file), default_configuration(checkout)
    written = how_written(layers, defaults)
    config = combined(layers, defaults)
    try:
        check_depth(config)
        _check_removed(config)
        config = as_typed(config, schema, written, defaults)
        check_configuration(config, schema_file)
        check_tags(as_typed(combined(layers), schema, written, defaults), config, defaults)
        check_unused(layers, config, defaults)
        check_start(config, defaults)
    except KeyProblem as error:
        raise InputError(f"{error}{_place(error, written, defaults)}") from None
    return in_one_order(config)


def _place(error: KeyProblem, written: Written, defaults: dict[str, Any]) -> str:
    """Return where the value of an error was typed, e.g. " (my.yaml, line 3)"; "" if that is not known."""
    for length in range(len(error.path), 0, -1):
        path = error.path[:length]
        places = [typed.place for each, typed in written.items() if each[:length] == path]
        if places:
            lines = [place for place in places if ", line " in place]
            return f" ({min(lines, key=_line)})" if lines else ""
        if value_at(defaults, path) is not MISSING:
            return ""
    return ""


def _line(place: str) -> int:
    return int(place.rpartition(" ")[2])


def _check_removed(config: dict[str, Any]) -> None:
    """Raise InputError if the configuration has a key or value of an earlier version."""
    for key, replacement in REMOVED_KEYS.items():
        *parents, last = key.split(".")
        section = value_at(config, tuple(parents))
        if isinstance(section, dict) and last in section:
            raise InputError(f"config key {key} {replacement}")
    for (key, removed), replacement in REMOVED_VALUES.items():
        value = value_at(config, tuple(key.split(".")))
        if removed in (value if isinstance(value, list) else [value]):
            raise InputError(f"config key {key} names {removed}, {replacement}")


def _check_names(config: Any, path: str = "the configuration") -> None:
    """Raise InputError if a key is no text, which the validation expects."""
    if isinstance(config, dict):
        for key, part in config.items():
            if not isinstance(key, str):
                raise InputError(
                    f"{path} has the key {key!r}; keys are names such as system (in quotes: {str(key)!r})."
                )
            _check_names(part, f"config key {key}")
    elif isinstance(config, list):
        for part in config:
            _check_names(part, path)


def _check_system(system: str) -> None:
    elements = elements_of(system)
    for element in elements:
        if element not in atomic_numbers or element == "X":
            known = [symbol for symbol in atomic_numbers if symbol != "X"]
            near = nearest(element, known, 0.5)
            hint = f"did you mean {near}?" if near else 'write symbols such as "Bi-Se".'
            hint = "isotopes of hydrogen are written H." if element in ("D", "T") else hint
            text = f"config key system is {system!r}, but {element} is not a chemical element; {hint}"
            raise KeyProblem(("system",), text)
    if len(elements) < 2:
        raise KeyProblem(
            ("system",), f'config key system is {system!r}; it must name two or more elements, e.g. "Bi-Se".'
        )
    if len(set(elements)) < len(elements):
        raise KeyProblem(("system",), f"config key system is {system!r}; it must name each element once.")


def _check_compositions(key: str, formulas: list[str], system: str) -> None:
    elements = set(elements_of(system))
    for formula in formulas:
        try:
            reduced_formulas([formula])
            known = set(re.findall("[A-Z][a-z]?", formula)) <= elements
        except ValueError:
            known = False
        if not known:
            raise KeyProblem(
                tuple(key.split(".")),
                f"config key {key} names {formula!r}; it must be a composition of {system} such as "
                f"{''.join(sorted(elements, key=system.index)[:2])}2.",
            )


def _check_engines(config: dict[str, Any]) -> None:
    """Raise InputError if an engine does not support an element of the system."""
    elements = elements_of(config["system"])
    for section in ("relaxation", "verify"):
        engine = config[section]["engine"]
        potential = config["relaxation"]["classical"]["calculator"] if engine == "classical" else engine
        allowed = set(KNOWN_ELEMENTS.get(potential, atomic_numbers)) - WITHOUT_VOLUME
        unknown = [element for element in elements if element not in allowed]
        listed = ", ".join(sorted(allowed, key=atomic_numbers.get))
        if potential is not None and unknown:
            raise KeyProblem(
                ("system",),
                f"config key system is {config['system']!r}, but {_called(potential, config)} "
                f"{' and '.join(unknown)}; {_alternative(potential, unknown, elements, section)}. "
                f"The elements that can be used are {listed}.",
            )


def _called(potential: str, config: dict[str, Any]) -> str:
    """Return a potential and that it lacks elements, for a sentence that goes on with them."""
    if potential not in KNOWN_ELEMENTS:
        return "no atomic volume is known for"
    if potential in ("vasp", "gpaw"):
        return f"{potential} has no {'POTCAR' if potential == 'vasp' else 'dataset'} for"
    name = ", ".join(config["relaxation"]["mlip"]["models"]) if potential == "mlip" else potential
    return f"the potential {name} was not made for"


def _alternative(potential: str, unknown: list[str], elements: list[str], section: str) -> str:
    """Return what to choose in place of a potential that lacks elements."""
    if potential == "emt":
        return "it is for tests: choose the engine mlip, or another system"
    others = ("mlip", "vasp", "gpaw") if section == "relaxation" else ("vasp", "gpaw")
    able = [
        engine for engine in others if engine != potential and set(elements) <= KNOWN_ELEMENTS[engine] - WITHOUT_VOLUME
    ]
    if not able:
        names = " and ".join(f"{symbol} ({atomic_names[atomic_numbers[symbol]].lower()})" for symbol in unknown)
        return f"no engine has {names}: choose another system"
    return f"choose the engine {' or '.join(able)}, e.g. {section}: {{engine: {able[0]}}}, or another system"


def _check_properties(targets: list[dict[str, Any]]) -> None:
    names = [target["name"] for target in targets]
    for target in targets:
        name = target["name"]
        if names.count(name) > 1:
            raise KeyProblem(
                ("properties",), f"config key properties names {name!r} twice; each property may be named once."
            )
        if target.get("file") is None and name not in DATABASE_PROPERTIES:
            raise KeyProblem(
                ("properties",),
                f"config key properties names {name!r}; give it a file, a CSV file with the columns id and {name}, "
                f"or use one of {', '.join(DATABASE_PROPERTIES)}.",
            )
