"""Formatting of numbers, formulas and words for the report."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup, escape

NO_BREAK = "\u00a0"
"""Non-breaking space."""


def words(name: str) -> str:
    """Return a name with spaces in place of underscores."""
    return str(name).replace("_", " ")


def formula_html(formula: str) -> Markup:
    """Return a formula with subscripts."""
    parts = re.split(r"(\d+(?:\.\d+)?)", str(formula))  # numbers have odd indices
    marked = [Markup("<sub>{}</sub>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)]
    return Markup("").join(marked)


def group_html(space_group: str) -> Markup:
    """Return a space group with the subscripts of its screw axes."""
    parts = re.split(r"_(\d)", str(space_group))  # numbers have odd indices
    return Markup("").join(
        Markup("<sub>{}</sub>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


def text(value: object) -> str:
    """Return the text of a cell, a dash if it is missing or empty."""
    return "–" if value is None or value == "" or pd.isna(value) else str(value)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with a minus sign, a dash if it is missing."""
    if value is None or pd.isna(value):
        return "–"
    rounded = round(float(value), digits) + 0.0  # adding zero turns the negative zero into zero
    return f"{rounded:.{digits}f}".replace("-", "−")


def ratio(numerator: int, denominator: int) -> str:
    """Return numerator / denominator and, unless the denominator is 0, their ratio in percent."""
    share = f" ({percent(numerator / denominator)})" if denominator else ""
    return f"{int(numerator):,}{NO_BREAK}/{NO_BREAK}{int(denominator):,}{share}"


def percent(share: float) -> str:
    """Return a fraction in percent, with two decimals if it is small."""
    return f"{100 * share:.{2 if 0 < share < 0.05 else 1}f}{NO_BREAK}%"


def relative(path: str) -> str:
    """Return a link relative to the report, whatever characters the path has."""
    link = quote(path)
    return link if link.startswith(("./", "../")) else "./" + link.lstrip("/")


def describe_phonons(row: Mapping[str, Any]) -> str:
    """Describe the dynamical stability of a candidate, and the crystal to which imaginary modes led.

    Args:
        row: Row of the table of phonons, of a candidate that relaxed. Runs of earlier versions followed no modes.
    """
    stable = str(row["dynamically_stable"]) == "True"
    verdict = "dynamically stable" if stable else "dynamically unstable (saddle point)"
    words = f"{verdict}, lowest frequency {number(row['lowest_frequency'], 2)} THz"
    outcome = row.get("end_of_modes")
    words += f" ({outcome})" if isinstance(outcome, str) and outcome else ""
    followed = row.get("n_followed")
    if followed is None or pd.isna(followed) or not int(followed):
        return words
    becomes = row.get("becomes")
    known = f", which is {becomes}," if isinstance(becomes, str) and becomes else ""
    lower = number(-1000 * float(row["energy_change"]), 1)
    return (
        f"{words}, after an imaginary mode ({number(row['first_frequency'], 2)} THz) was followed to a crystal{known} "
        f"that is lower by {lower} meV/atom"
    )
