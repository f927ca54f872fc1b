"""Validation of the configuration before the DAG is built.

Every error is one sentence that names the key, the value found and what is allowed.
"""

import difflib
import re
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from ase.data import atomic_numbers

from ccdcgan.utils.errors import InputError

KNOWN_ELEMENTS = {
    "mlip": {symbol for symbol, number in atomic_numbers.items() if 0 < number < 95 and not 83 < number < 89},
    "emt": {"H", "C", "N", "O", "Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"},
}
"""Potential -> the elements it supports: the 89 in the training data of SevenNet, and those of ASE's EMT."""

DATABASE_PROPERTIES = ("formation_energy", "e_above_hull", "energy_per_atom", "volume_per_atom", "density")
"""Properties that all relaxed crystals have; others are read from a file of the user."""

REMOVED_KEYS = {
    "xla": "was removed: trainings are not compiled with XLA any more; delete the key.",
    "flow.guidance": (
        "was removed together with the scheme guided-flow; use the scheme optimised-flow and the keys "
        "flow.optimisation_steps, flow.optimisation_length and flow.trust."
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
        config: Complete configuration: config.yaml, overridden by presets and the command line.
        schema_file: Path of the JSON schema, in YAML.

    Raises:
        InputError: A key or value is not allowed; one sentence about the first one.
    """
    _check_removed(config)
    schema = read_schema(schema_file)
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise InputError(_sentence(errors[0]))
    _check_system(config["system"])
    _check_engine(config)
    _check_compositions("holdout", config["holdout"], config["system"])
    _check_compositions("evaluation.compositions", config["evaluation"]["compositions"] or [], config["system"])
    _check_properties(config["properties"])
    _check_relations(config)


def read_schema(schema_file: str | Path) -> dict[str, Any]:
    """Return the JSON schema of the configuration from a YAML file."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # optional implementation in C, fifteen times as fast
    return yaml.load(Path(schema_file).read_text(encoding="utf-8"), Loader=loader)


def as_typed(value: Any, schema: dict[str, Any]) -> Any:
    """Return the configuration with strings converted to the type that the schema requires.

    Snakemake reads the numbers inside ``--config gan="{steps: 1000}"`` as strings.

    Args:
        value: Configuration, or a part of it.
        schema: JSON schema of ``value``.
    """
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return {key: as_typed(part, parts.get(key, {})) for key, part in value.items()}
    if isinstance(value, list):
        return [as_typed(part, schema.get("items", {})) for part in value]
    if isinstance(value, str) and kinds:
        if "null" in kinds and value in ("null", "~", ""):
            return None
        if "string" not in kinds:
            return yaml.safe_load(value)
    return value


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


def in_one_order(value: Any) -> Any:
    """Return the configuration with the keys of every section sorted."""
    if isinstance(value, dict):
        return {key: in_one_order(value[key]) for key in sorted(value)}
    return value


def load_configuration(config: dict[str, Any], checkout: str | Path) -> dict[str, Any]:
    """Return the checked configuration of a run, in one order.

    Snakemake compares parameters as text, so the order of the keys in the files must not matter.

    Args:
        config: The configuration as Snakemake merged it.
        checkout: Folder of the workflow, with ``schemas/``.

    Raises:
        InputError: A key or value is not allowed; one sentence about the first one.
    """
    schema_file = Path(checkout) / "schemas/config.schema.yaml"
    config = as_typed(config, read_schema(schema_file))
    check_configuration(config, schema_file)
    return in_one_order(config)


def _check_removed(config: dict[str, Any]) -> None:
    """Raise InputError if the configuration has a key or value of an earlier version."""
    for key, replacement in REMOVED_KEYS.items():
        *parents, last = key.split(".")
        section = _value_at(config, parents)
        if isinstance(section, dict) and last in section:
            raise InputError(f"config key {key} {replacement}")
    for (key, removed), replacement in REMOVED_VALUES.items():
        value = _value_at(config, key.split("."))
        if removed in (value if isinstance(value, list) else [value]):
            raise InputError(f"config key {key} names {removed}, {replacement}")


def _value_at(config: Any, path: list[str]) -> Any:
    """Return the value at a path of keys; None if a section is missing or is not a section."""
    for key in path:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def _sentence(error: jsonschema.ValidationError) -> str:
    """Return a schema error as one sentence that tells the user what to change."""
    key = ".".join(str(part) for part in error.absolute_path) or "the configuration"
    found, schema = error.instance, error.schema
    match error.validator:
        case "additionalProperties":
            unknown = sorted(set(found) - set(schema["properties"]))[0]
            full = unknown if not error.absolute_path else f"{key}.{unknown}"
            near = difflib.get_close_matches(unknown, schema["properties"], n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed here: {', '.join(schema['properties'])}."
            return f"config key {full} is unknown; {hint}"
        case "required":
            missing = next(name for name in error.validator_value if name not in found)
            full = missing if not error.absolute_path else f"{key}.{missing}"
            return f"config key {full} is missing; its default is in config.yaml."
        case "type":
            allowed = error.validator_value
            allowed = " or ".join(allowed) if isinstance(allowed, list) else allowed
            return f"config key {key} is {found!r}; it must be of type {allowed}."
        case "enum":
            return f"config key {key} is {found!r}; allowed are {', '.join(map(str, error.validator_value))}."
        case "pattern":
            return f"config key {key} is {found!r}; expected: {schema.get('description', error.validator_value)}."
        case "minItems":
            if found:
                return f"config key {key} is {found!r}; it must have at least {error.validator_value} items."
            allowed = schema["items"].get("enum")
            needed = f"at least one of {', '.join(allowed)}" if allowed else "at least one item"
            return f"config key {key} is empty; it must name {needed}."
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            low = schema.get("minimum", schema.get("exclusiveMinimum"))
            high = schema.get("maximum", schema.get("exclusiveMaximum"))
            low_text = "" if low is None else f"{'above' if 'exclusiveMinimum' in schema else 'at least'} {low:g}"
            high_text = "" if high is None else f"{'below' if 'exclusiveMaximum' in schema else 'at most'} {high:g}"
            return f"config key {key} is {found!r}; it must be {' and '.join(filter(None, (low_text, high_text)))}."
        case _:
            return f"config key {key} is {found!r}: {error.message}."


def _check_system(system: str) -> None:
    elements = elements_of(system)
    for element in elements:
        if element not in atomic_numbers or element == "X":
            known = [symbol for symbol in atomic_numbers if symbol != "X"]
            near = difflib.get_close_matches(element, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else 'write symbols such as "Bi-Se".'
            raise InputError(f"config key system is {system!r}, but {element} is not a chemical element; {hint}")
    if len(elements) < 2:
        raise InputError(f'config key system is {system!r}; it must name two or more elements, e.g. "Bi-Se".')
    if len(set(elements)) < len(elements):
        raise InputError(f"config key system is {system!r}; it must name each element once.")


def _check_compositions(key: str, formulas: list[str], system: str) -> None:
    elements = set(elements_of(system))
    for formula in formulas:
        try:
            reduced_formulas([formula])
            known = set(re.findall("[A-Z][a-z]?", formula)) <= elements
        except ValueError:
            known = False
        if not known:
            raise InputError(
                f"config key {key} names {formula!r}; it must be a composition of {system} such as "
                f"{''.join(sorted(elements, key=system.index)[:2])}2."
            )


def _check_engine(config: dict[str, Any]) -> None:
    """Raise InputError if the potential does not support an element of the system."""
    section = config["relaxation"]
    if section["engine"] not in KNOWN_ELEMENTS and section["engine"] != "ase":
        return
    calculator = section["ase"]["calculator"] if section["engine"] == "ase" else section["engine"]
    known = KNOWN_ELEMENTS.get(calculator)
    unknown = [element for element in elements_of(config["system"]) if known is not None and element not in known]
    if unknown:
        name = ", ".join(section["mlip"]["models"]) if calculator == "mlip" else calculator
        other = "choose the engine vasp or gpaw" if calculator == "mlip" else "it is for tests: choose the engine mlip"
        raise InputError(
            f"config key system is {config['system']!r}, but the potential {name} was not made for "
            f"{' and '.join(unknown)}; {other}, or another system."
        )


def _check_properties(targets: list[dict[str, Any]]) -> None:
    names = [target["name"] for target in targets]
    for target in targets:
        name = target["name"]
        if names.count(name) > 1:
            raise InputError(f"config key properties names {name!r} twice; each property may be named once.")
        if target.get("file") is None and name not in DATABASE_PROPERTIES:
            raise InputError(
                f"config key properties names {name!r}; give it a file, a CSV file with the columns id and {name}, "
                f"or use one of {', '.join(DATABASE_PROPERTIES)}."
            )


def _check_relations(config: dict[str, Any]) -> None:
    """Raise InputError if two keys contradict each other."""
    guards, evaluation = config["relaxation"]["guards"], config["evaluation"]
    pairs = [
        (
            "relaxation.guards.min_volume",
            guards["min_volume"],
            "relaxation.guards.max_volume",
            guards["max_volume"],
        ),
        (
            "relaxation.guards.min_angle",
            guards["min_angle"],
            "relaxation.guards.max_angle",
            guards["max_angle"],
        ),
        ("evaluation.stable", evaluation["stable"], "evaluation.meta_stable", evaluation["meta_stable"]),
    ]
    for low_key, low, high_key, high in pairs:
        if low > high:
            raise InputError(f"config key {low_key} is {low:g}; it must not exceed {high_key}, which is {high:g}.")
    if config["prototypes"]["max_length"] > config["representation"]["box"]:
        raise InputError(
            f"config key prototypes.max_length is {config['prototypes']['max_length']:g} angstrom; it must not "
            f"exceed representation.box, which is {config['representation']['box']:g}."
        )
    for source in config["hull"]["known"]:
        if source != "oqmd" and source not in config["prototypes"]["sources"]:
            raise InputError(
                f"config key hull.known names {source}, but prototypes.sources does not; name it there, too, or choose "
                "oqmd, which is shipped with the workflow."
            )
    for network in ("sites", "lattice"):
        latent = config["representation"][network]["latent"]
        if latent > config["representation"]["sites"]["latent"]:
            raise InputError(
                f"config key representation.{network}.latent is {latent}; it must not exceed "
                f"representation.sites.latent, which is {config['representation']['sites']['latent']}."
            )
