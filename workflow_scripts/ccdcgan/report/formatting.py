"""Formatting of numbers, formulas and words for the report."""

import re
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup, escape

NO_BREAK = "\u00a0"
"""A space at which no line ends."""


def words(name: str) -> str:
    """Return a name with spaces for its underscores."""
    return str(name).replace("_", " ")


def formula_html(formula: str) -> Markup:
    """Return a formula with its numbers as subscripts."""
    parts = re.split(r"(\d+(?:\.\d+)?)", str(formula))  # numbers stand at odd places
    marked = [Markup("<sub>{}</sub>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)]
    return Markup("").join(marked)


def group_html(space_group: str) -> Markup:
    """Return a space group with the numbers of its screw axes as subscripts."""
    parts = re.split(r"_(\d)", str(space_group))  # numbers stand at odd places
    return Markup("").join(
        Markup("<sub>{}</sub>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


def text(value: object) -> str:
    """Return a cell's text, a dash for a missing or empty one."""
    return "–" if value is None or value == "" or pd.isna(value) else str(value)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with a true minus sign, a dash for a missing one."""
    if value is None or pd.isna(value):
        return "–"
    return f"{float(value):.{digits}f}".replace("-", "−")


def ratio(numerator: int, denominator: int) -> str:
    """Return numerator / denominator and, unless nothing is divided by, their ratio in percent."""
    share = f" ({percent(numerator / denominator)})" if denominator else ""
    return f"{int(numerator):,}{NO_BREAK}/{NO_BREAK}{int(denominator):,}{share}"


def percent(share: float) -> str:
    """Return a share in percent, with two digits after the point where it is small."""
    return f"{100 * share:.{2 if 0 < share < 0.05 else 1}f}{NO_BREAK}%"


def relative(path: str) -> str:
    """Return a link that stays beside the report, whatever characters the path has."""
    link = quote(path)
    return link if link.startswith(("./", "../")) else "./" + link.lstrip("/")
