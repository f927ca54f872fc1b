"""Numbers as people write them: accepted writings, and what to type in place of the others."""

import math
import re
import unicodedata
from decimal import Decimal
from typing import Any

from ccdcgan_workflow.check.errors import Path, problem
from ccdcgan_workflow.check.schema import Schema, kinds_of

NUMBER = re.compile(r"[+-]?(\d+(_\d+)*\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
UNIT = re.compile(
    r"(minutes|MB|s|degree|THz|angstrom(?:\^3/atom)?|eV(?:/atom|/angstrom\^2|/angstrom)?|fraction)(?![\w/^])"
)
"""Unit at the beginning of the description of a key."""

SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, "hour": 3600, "d": 86400, "day": 86400}
SECONDS |= {"second": 1, "minute": 60, "week": 604800, "w": 604800}
MEGABYTES = {"m": 1, "mb": 1, "mib": 1, "g": 1000, "gb": 1000, "gib": 1024, "t": 1e6, "tb": 1e6}
OTHER_UNITS = (
    ("eV", 1e-3, "meV"),
    ("fraction", 1e-2, "percent"),
    ("minutes", 1 / 60, "seconds"),
    ("MB", 1e-6, "bytes"),
    ("MB", 1e-3, "kB"),
    ("angstrom", 1e-2, "pm"),
)
"""Beginning of the unit of a key, factor from a unit that is often used in its place, and name of that."""

INFINITE = {".inf", "inf", "infinity", "+inf", "-inf", "-.inf", "+.inf", ".nan", "nan", "∞", "-infinity"}


def read_number(text: str, schema: Schema, path: Path) -> int | float | None:
    """Return the number that a text means.

    Args:
        text: The text as it was typed, e.g. "4e3".
        schema: Schema of the value, which says whether it is an integer.
        path: Keys that lead to the value.

    Returns:
        The number; None if the text is not recognised as one.

    Raises:
        KeyProblem: The text can be recognised, but not safely: it has a thousands separator, a comma, a unit, a percent
            sign or a leading zero, or is infinite. The sentence says what to type.
    """
    tidy = unicodedata.normalize("NFKC", text).strip().replace("\u2212", "-").replace("\u2013", "-")
    if NUMBER.fullmatch(tidy):
        if re.fullmatch(r"[+-]?0\d+", tidy):
            raise problem(path, text, f"a number begins with no zero; write {int(tidy)}.")
        return _plain(tidy, schema, path, text)
    if tidy.casefold() in INFINITE:
        raise problem(path, text, f"it must be a finite number{_finite(schema)}.")
    advice = _advice(tidy, schema)
    if advice:
        raise problem(path, text, advice)
    return None


def check_finite(value: Any, schema: Schema, path: Path) -> None:
    """Refuse infinite numbers, those that are not a number, and integers that no computer stores."""
    if isinstance(value, float) and not math.isfinite(value):
        raise problem(path, value, f"it must be a finite number{_finite(schema)}.")
    if isinstance(value, int) and abs(value) > 2**53:
        raise problem(path, value, f"it is too large{_range(schema)}.")


def check_numbers(value: Any, schema: Schema, path: Path = ()) -> None:
    """Refuse numbers that are not finite or too large, everywhere in the configuration."""
    if isinstance(value, dict):
        for key, part in value.items():
            check_numbers(part, schema.get("properties", {}).get(key, {}), (*path, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            check_numbers(part, schema.get("items", {}), (*path, number))
    else:
        check_finite(value, schema, path)


def limits(schema: Schema) -> str:
    """Return the range of a number, e.g. "at least 0 and at most 1"; "" if it has none."""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    low_text = "" if low is None else f"{'above' if 'exclusiveMinimum' in schema else 'at least'} {_short(low)}"
    high_text = "" if high is None else f"{'below' if 'exclusiveMaximum' in schema else 'at most'} {_short(high)}"
    return " and ".join(filter(None, (low_text, high_text)))


def unit_of(schema: Schema) -> str:
    """Return the unit with which the description of a key begins; "" if there is none."""
    found = UNIT.match(schema.get("description", ""))
    return found.group(1) if found else ""


def in_other_unit(number: float, schema: Schema) -> str:
    """Return the unit of a number outside the range, and what to type if it was meant in a usual other unit.

    Args:
        number: The number, e.g. 100 for a key in eV/atom.
        schema: Schema of the key.
    """
    unit = unit_of(schema)
    own = {"fraction": "", "s": "seconds"}.get(unit, unit)
    for start, factor, other in OTHER_UNITS:
        scaled = float(f"{number * factor:.10g}")
        if unit.startswith(start) and _is_within(scaled, schema):
            return f" {own}".rstrip() + f"; {number:g} {unit.replace(start, other, 1)} is {scaled:g}"
    return f" {own}".rstrip()


def _is_within(number: float, schema: Schema) -> bool:
    """Tell whether a number is in the range of a key."""
    return schema.get("minimum", -math.inf) <= number <= schema.get("maximum", math.inf) and schema.get(
        "exclusiveMinimum", -math.inf
    ) < number < schema.get("exclusiveMaximum", math.inf)


def time_advice(text: str, schema: Schema) -> str:
    """Return what to type for a duration such as 24:00:00 (hours, minutes, seconds) or 1-12:00 (as in Slurm)."""
    days, _, clock = text.rpartition("-")
    parts = [float(part) for part in clock.split(":")]
    seconds = sum(part * factor for part, factor in zip(parts, (3600, 60, 1), strict=False)) + int(days or 0) * 86400
    unit = unit_of(schema)
    if unit in ("minutes", "s"):
        amount = seconds / (60 if unit == "minutes" else 1)
        return f"write {_short(amount)}, the number of {'minutes' if unit == 'minutes' else 'seconds'}, without colons."
    return "write a number without colons."


def _plain(tidy: str, schema: Schema, path: Path, text: str) -> int | float:
    number = float(tidy.lower().replace("d", "e"))
    if not math.isfinite(number):
        raise problem(path, text, f"it is too large{_range(schema)}.")
    if re.fullmatch(r"[+-]?[\d_]+", tidy):
        return int(tidy)
    if "integer" in kinds_of(schema) and abs(number) < 2**53:
        exact = Decimal(tidy.lower().replace("d", "e").replace("_", ""))
        return int(exact) if exact == exact.to_integral_value() else number
    return number


def _advice(tidy: str, schema: Schema) -> str:
    """Return what to type in place of a text with a number in it; "" if there is none."""
    if re.fullmatch(r"[+-]?\d{1,3}([,' ]\d{3})+", tidy):
        whole = re.sub(r"[,' ]", "", tidy)
        decimal = f" (or {tidy.replace(',', '.')}, if the comma is a decimal comma)" if tidy.count(",") == 1 else ""
        return f"write {whole}, without a thousands separator{decimal if 'number' in kinds_of(schema) else ''}."
    if re.fullmatch(r"[+-]?\d*,\d+", tidy):
        whole = "number" not in kinds_of(schema)
        return "write a whole number." if whole else f"write {tidy.replace(',', '.')}, with a decimal point."
    if re.fullmatch(r"(\d+-)?\d+(:\d+){1,2}(\.\d*)?", tidy):
        return time_advice(tidy, schema)
    percent = re.fullmatch(rf"({NUMBER.pattern})\s*%", tidy)
    if percent:
        return f"write {float(percent.group(1)) / 100:g}, without a percent sign."
    power = re.fullmatch(r"(?:([\d.]+)\s*[x*×·]\s*)?10\s*(?:\^|\*\*)\s*([+-]?\d+)", tidy)
    if power:
        return f"write {power.group(1) or 1}e{power.group(2)}."
    fraction = re.fullmatch(r"(\d+)\s*[/⁄]\s*(\d+)", tidy)
    if fraction and int(fraction.group(2)):
        return f"write {int(fraction.group(1)) / int(fraction.group(2)):g}."
    with_unit = re.fullmatch(rf"(?P<number>{NUMBER.pattern})\s*(?P<unit>[^\W\d][\w/^*.Å°⁻ -]*)", tidy)
    if with_unit and not re.fullmatch(r"[xX][0-9a-fA-F]+|[oObB][0-7]+", with_unit["unit"]):
        return _unit_advice(float(with_unit["number"].lower().replace("d", "e")), with_unit["unit"].strip(), schema)
    return ""


def _unit_advice(number: float, unit: str, schema: Schema) -> str:
    own, word = unit_of(schema), unit.casefold().rstrip(".")
    word = word if word in SECONDS or word in MEGABYTES else word.removesuffix("s")
    if own in ("minutes", "s") and word in SECONDS:
        number *= SECONDS[word] / (60 if own == "minutes" else 1)
    elif own == "MB" and word in MEGABYTES:
        number *= MEGABYTES[word]
    elif not own and word in ("k", "m") and unit in ("k", "K", "M"):
        return f"write {_short(number * (1e3 if word == 'k' else 1e6))}."
    elif own in ("minutes", "s", "MB"):
        return f"write a number without a unit, in {'seconds' if own == 's' else own}."
    unit_text = f" in {'seconds' if own == 's' else own}" if own else ""
    if own and own not in ("minutes", "s", "MB") and _letters(unit) not in (_letters(own), _letters(own.split("/")[0])):
        return f"write a number{unit_text} without a unit."
    return f"write {_short(number)}, the number{unit_text} without a unit."


def _letters(unit: str) -> str:
    """Return a unit without signs: eV/A, eV/Å and eV/angstrom are the same."""
    unit = re.sub(r"angstroms?|ang\b|å", "a", unit.casefold())
    return re.sub(r"[^a-z]", "", re.sub(r"°|deg(ree)?s?", "degree", unit))


def _range(schema: Schema) -> str:
    return f"; it must be {limits(schema)}" if limits(schema) else ""


def _short(number: float) -> str:
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e15 else f"{number:g}"


def _finite(schema: Schema) -> str:
    return f", {limits(schema)}" if limits(schema) else ""
