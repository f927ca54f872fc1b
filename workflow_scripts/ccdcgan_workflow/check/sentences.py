"""What the schema refuses, as one sentence that names what the user probably meant."""

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any

import jsonschema

from ccdcgan_workflow.check.errors import KeyProblem, Path, both_ways, dotted, in_file, shown
from ccdcgan_workflow.check.numbers import in_other_unit, limits, unit_of
from ccdcgan_workflow.check.schema import Schema, all_keys, choices_of, kinds_of, named, same_spelling

PROVIDERS = {
    "mp": "https://optimade.materialsproject.org",
    "oqmd": "https://oqmd.org/optimade",
    "alexandria": "https://alexandria.icams.rub.de/pbe",
    "cod": "https://www.crystallography.net/cod/optimade",
    "jarvis": "https://jarvis.nist.gov/optimade/jarvisdft",
    "nmd": "https://nomad-lab.eu/prod/rae/optimade",
    "odbx": "https://optimade.odbx.science",
}
"""Short name of an OPTIMADE provider -> address of its database."""

VALUES = {
    "gpu": "cuda",
    "mp": "materials_project",
    "sevennet": "mlip",
    "7net": "mlip",
    "mace": "mlip",
    "chgnet": "mlip",
    "mattersim": "mlip",
    "dft": "gpaw",
    "sevennet-0": "7net-0",
    "7net-l3": "7net-l3i5",
    "half": "mixed_float16",
    "fp16": "mixed_float16",
    "bf16": "mixed_bfloat16",
    "bfloat": "mixed_bfloat16",
    "fp32": "float32",
    "single": "float32",
    "none": "raw",
    "min": "minimise",
    "low": "minimise",
    "lowest": "minimise",
    "max": "maximise",
    "high": "maximise",
    "highest": "maximise",
    "gan": "dcgan",
    "cgan": "ccdcgan",
    "diffusion": "flow",
}
"""Value of another program or of everyday language -> the value that is meant, if it is allowed."""

KEYS = {
    "lr": "learning_rate",
    "epochs": "steps",
    "iterations": "steps",
    "batch": "batch_size",
    "batches": "jobs",
    "njobs": "jobs",
    "validation_split": "validation_fraction",
    "test_fraction": "validation_fraction",
    "trust_region": "trust_radius",
    "memory": "mem_mb",
    "mem": "mem_mb",
    "time": "runtime",
    "walltime": "runtime",
    "time_limit": "runtime",
    "elements": "system",
    "chemsys": "system",
    "chemical_system": "system",
    "name": "run",
    "output": "run",
    "outdir": "run",
    "composition": "compositions",
    "formula": "compositions",
    "cutoff": "encut",
    "ecut": "encut",
    "potential": "engine",
    "force": "fmax",
    "gpu": "device",
    "url": "urls",
    "database": "sources",
}
"""Key of another program or of everyday language -> the key that is meant."""

ELSEWHERE = {
    "cores": "it is an option of Snakemake: snakemake --cores 4",
    "threads": "it is an option of Snakemake: snakemake --cores 4",
    "jobs": "it is an option of Snakemake: snakemake --jobs 100",
    "api_key": "the key of the Materials Project is not kept in files: type export MP_API_KEY=YOUR_KEY",
    "mp_api_key": "the key of the Materials Project is not kept in files: type export MP_API_KEY=YOUR_KEY",
    "include": "give several files: snakemake --configfile ONE.yaml OTHER.yaml",
    "configfile": "give several files: snakemake --configfile ONE.yaml OTHER.yaml",
}
"""Key that belongs to something else -> where it belongs."""

ENOUGH = 3
"""Maximum number of places of a key that a sentence names."""


def nearest(word: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the name that is most similar to a word; None if none is similar."""
    spelled = {same_spelling(name): name for name in names}
    near = difflib.get_close_matches(same_spelling(word), spelled, n=1, cutoff=cutoff)
    return spelled[near[0]] if near else None


def near_choice(value: Any, choices: list[str]) -> str | None:
    """Return the one allowed value that a wrong one resembles or is a part of; None if there is none or several."""
    word = same_spelling(str(value))
    if VALUES.get(str(value).casefold()) in choices:
        return VALUES[str(value).casefold()]
    within = [name for name in choices if word and (word in same_spelling(name) or same_spelling(name) in word)]
    if len(within) == 1:
        return within[0]
    return nearest(str(value), choices)


def schema_problem(error: jsonschema.ValidationError, schema: Schema, defaults: Any = None) -> KeyProblem:
    """Return an error of the validation as one sentence that tells the user what to change.

    Args:
        error: The error.
        schema: Schema of the whole configuration.
        defaults: The default configuration, for examples.
    """
    path, found, part = tuple(error.absolute_path), error.instance, error.schema
    key = dotted(path) or "the configuration"
    start = f"config key {key} is {shown(found)}"
    match error.validator:
        case "additionalProperties":
            unknown = (*path, next(name for name in found if name not in part["properties"]))
            return KeyProblem(unknown, unknown_key(unknown, found[unknown[-1]], schema))
        case "required":
            missing = (*path, next(name for name in error.validator_value if name not in found))
            if any(isinstance(key, int) for key in path):
                said = f"is missing; write {missing[-1]}: VALUE, {part['properties'][missing[-1]]['description']}."
                return KeyProblem(missing, f"config key {dotted(missing)} {said}")
            return KeyProblem(
                missing, f"config key {dotted(missing)} is missing; its default is in schemas/defaults.yaml."
            )
        case "type":
            text = f"{start}; it must be of type {_types(error.validator_value)}{_wrong_type(found, part)}."
            text += _default(path, part, defaults)
        case "enum" | "anyOf":
            text = f"{start}; {_allowed(found, part, path)}"
        case "pattern":
            text = f"{start}; expected: {part.get('description', error.validator_value)}{_likely(found, path)}."
        case "minItems" if not found:
            choices = choices_of(part.get("items", {}))
            needed = f"at least one of {', '.join(choices)}" if choices else "at least one item"
            text = f"config key {key} is empty; it must name {needed}.{_list_of(1, part, path)}"
        case "minItems" | "maxItems":
            most = "least" if error.validator == "minItems" else "most"
            count = error.validator_value
            text = f"{start}; it must have at {most} {count} items.{_list_of(count, part, path)}"
        case "minLength":
            text = f"config key {key} is empty; expected: {part.get('description', 'a text')}."
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            text = f"{start}; it must be {limits(part)}{in_other_unit(found, part)}."
        case "uniqueItems":
            once = [item for number, item in enumerate(found) if item not in found[:number]]
            text = f"{start}; name each once: {in_file(path, once)}."
        case _:
            text = f"{start}: {error.message}."
    return KeyProblem(path, text)


def _list_of(count: int, schema: Schema, path: Path) -> str:
    """Return an example of a list with a number of items; "" if its items are texts."""
    items = schema.get("items", {})
    if "object" in kinds_of(items):
        return f" Write e.g. {in_file(path, [{'name': 'formation_energy', 'goal': 'minimise'}])}."
    return f" Write e.g. {in_file(path, [4] * count)}." if "integer" in kinds_of(items) else ""


def _types(allowed: str | list[str]) -> str:
    return " or ".join(allowed) if isinstance(allowed, list) else allowed


def _wrong_type(found: Any, schema: Schema) -> str:
    """Return what to write for a value of another type; "" if the type says it."""
    if schema.get("type") == "boolean":
        return ": write true or false"
    return f", in {unit_of(schema)}" if unit_of(schema) and isinstance(found, str) else ""


def _default(path: Path, schema: Schema, defaults: Any) -> str:
    """Return the default of a number or text as an example; "" if there is none."""
    for key in path:
        defaults = defaults.get(key) if isinstance(defaults, dict) else None
    if schema.get("type") == "boolean" or defaults is None or isinstance(defaults, (dict, list)):
        return ""
    return f" Write e.g. {in_file(path, defaults)}."


def _allowed(found: Any, schema: Schema, path: Path) -> str:
    """Return the allowed values, the one that is meant first."""
    choices = choices_of(schema)
    values = [value if isinstance(value, str) else json.dumps(value) for value in schema.get("enum", choices)]
    number = " or a number" if "anyOf" in schema else ""
    near = near_choice(found, choices) if isinstance(found, str) else None
    meant = f"; did you mean {near}?" if near else "."
    if found == "all" and isinstance(path[-1], int):
        meant = f"; name those that you want, e.g. {in_file(path[:-1], choices)}."
    if path == ("verify", "engine") and found == "mlip":
        meant = (
            "; a verification needs another method than the potential: write verify: {engine: gpaw} or {engine: vasp}."
        )
    return f"allowed are {', '.join(values)}{number}{meant}"


def _likely(found: Any, path: Path) -> str:
    """Return what to type for an address without https://; "" for everything else."""
    if not isinstance(found, str) or not re.search(r"urls|endpoint", dotted(path)):
        return ""
    if found.casefold() in PROVIDERS:
        return f"; write {PROVIDERS[found.casefold()]}"
    if re.fullmatch(r"[\w-]+(\.[\w-]+)+(/\S*)?", found):
        return f"; write https://{found}"
    return f"; the known ones are {', '.join(PROVIDERS.values())}" if "urls" in path else ""


def unknown_key(path: Path, value: Any, schema: Schema) -> str:
    """Return one sentence about a key that does not exist at this place.

    Args:
        path: Keys that lead to it, its own included.
        value: Its value.
        schema: Schema of the whole configuration.
    """
    *parents, key = path
    siblings = list(_section(schema, tuple(parents)).get("properties", {}))
    start = f"config key {dotted(path)} is unknown; "
    if not isinstance(key, str):
        return f"{start}keys are names such as system, not {shown(key)}."
    if re.fullmatch(r"[\d_]+", key):
        return f"{start}a comma separates entries, so write numbers without thousands separators, e.g. 4000."
    colon = re.fullmatch(r"(\w+)[:=](\S+)", key)
    if colon and named(colon.group(1), siblings):
        example = both_ways((*parents, named(colon.group(1), siblings)), colon.group(2))
        return f"{start}a colon needs a blank after it: {example}."
    if key.casefold() in ELSEWHERE:
        return f"{start}{ELSEWHERE[key.casefold()]}."
    if isinstance(value, dict) and not parents and any(name in siblings for name in value):
        return f"{start}write its keys at the top level, without it."
    if KEYS.get(key.casefold()) in siblings:
        return f"{start}did you mean {KEYS[key.casefold()]}?"
    places = _places(key, schema) or _places(KEYS.get(key.casefold(), key), schema)
    if places and not nearest(key, siblings, 0.9):
        names = [dotted(place) for place in places]
        if len(places) == 1:
            return f"{start}it belongs elsewhere: {both_ways(places[0], _example(value))}."
        several = f"{', '.join(names[:ENOUGH])}{' and others' if len(names) > ENOUGH else ''}"
        return f"{start}keys of this name are {several}: {both_ways(places[0], _example(value))}."
    near = nearest(key, siblings)
    if near:
        return f"{start}did you mean {near}?"
    everywhere = {place[-1]: place for place, _ in all_keys(schema) if isinstance(place[-1], str)}
    far = nearest(key, everywhere, 0.75)
    if far:
        places = _places(far, schema)
        return f"{start}did you mean {dotted(places[0])}? Then {both_ways(places[0], _example(value))}."
    if not parents:
        anchor = " (an anchor, &, belongs to the first key that uses it)" if isinstance(value, (dict, list)) else ""
        return f"{start}all keys are in schemas/defaults.yaml; delete this one{anchor}."
    if len(siblings) > 12:
        return f"{start}the keys of {dotted(tuple(parents))} are in schemas/defaults.yaml."
    return f"{start}the keys of {dotted(tuple(parents))} are {', '.join(siblings)}."


def _places(key: str, schema: Schema) -> list[Path]:
    """Return the paths of the keys of this name, sections joined by a dot included, those of the top level first."""
    words = [same_spelling(word) for word in key.replace("/", ".").split(".")]
    found = [path for path, _ in all_keys(schema) if [same_spelling(word) for word in path[-len(words) :]] == words]
    return sorted(found, key=len)


def _section(schema: Schema, path: Path) -> Schema:
    for key in path:
        schema = schema.get("items", {}) if isinstance(key, int) else schema.get("properties", {}).get(key, {})
    return schema


def _example(value: Any) -> Any:
    """Return the value for an example of one line."""
    return value if isinstance(value, (str, int, float, bool)) or value is None else "..."
