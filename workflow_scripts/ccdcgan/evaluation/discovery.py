"""How fast a scheme finds crystals: discovery curves, and the comparison with random crystals under the same budget.

A find is a distinct meta-stable crystal. The measures follow MADE (arXiv:2601.20996) and the literature on autonomous
laboratories: the enhancement factor compares the number of finds after the same number of relaxations, the acceleration
factor the number of relaxations for the same number of finds.
"""

from typing import Any

import numpy as np
import pandas as pd

from ccdcgan import quantities
from ccdcgan.utils.tables import is_true

REFERENCE = "random"
"""Scheme that the others are compared with."""


def finds_in_order(candidates: pd.DataFrame) -> np.ndarray:
    """Return for each relaxation of a scheme whether it is a find, shape (n,).

    Args:
        candidates: Evaluated candidates of one scheme in the order of their relaxation: distinct, stability.
    """
    return (is_true(candidates["distinct"]) & candidates["stability"].isin(["stable", "meta-stable"])).to_numpy()


def discovery_curve(candidates: pd.DataFrame) -> np.ndarray:
    """Return the number of finds after 0, 1, ... n relaxations of one scheme, shape (n + 1,)."""
    return np.concatenate([[0], np.cumsum(finds_in_order(candidates))]).astype(int)


def area_under_curve(curve: np.ndarray) -> float:
    """Return the area under a discovery curve relative to that of a scheme whose relaxations are all finds; NaN: none.

    Args:
        curve: Discovery curve, shape (n + 1,).
    """
    return float(curve.sum() / _full(curve)) if len(curve) > 1 else np.nan


def enhancement_factor(curve: np.ndarray, reference: np.ndarray) -> float:
    """Return the finds per relaxation of a scheme divided by those of the reference; NaN if the reference has no find.

    Both are counted up to the smaller number of relaxations.

    Args:
        curve: Discovery curve of the scheme.
        reference: Discovery curve of the reference.
    """
    n = min(len(curve), len(reference)) - 1
    return float(curve[n] / reference[n]) if n >= 0 and reference[n] else np.nan


def acceleration_factor(curve: np.ndarray, reference: np.ndarray) -> float:
    """Return the relaxations that the reference needed divided by those of the scheme, for the same number of finds.

    The number of finds is the total of the one that found fewer; NaN if that is 0.

    Args:
        curve: Discovery curve of the scheme.
        reference: Discovery curve of the reference.
    """
    n_finds = min(curve[-1], reference[-1])
    return float(np.argmax(reference >= n_finds) / np.argmax(curve >= n_finds)) if n_finds else np.nan


def discovery_rows(candidates: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of the summary about the speed of discovery, for all schemes.

    Args:
        candidates: Evaluated candidates of all schemes, those of each in the order of relaxation: scheme, distinct,
            stability.

    Returns:
        Rows with scheme, quantity, numerator, denominator, value and unit. The factors are there only if the control
        ``random`` was evaluated; NaN where it or the scheme found nothing.
    """
    curves = {str(scheme): discovery_curve(table) for scheme, table in candidates.groupby("scheme", sort=False)}
    reference = curves.get(REFERENCE)
    rows = []
    for scheme, curve in curves.items():
        factors = {}
        if reference is not None:
            factors[quantities.ENHANCEMENT] = enhancement_factor(curve, reference)
            factors[quantities.ACCELERATION] = acceleration_factor(curve, reference)
        rows += [
            {"scheme": scheme, "quantity": quantity, "numerator": np.nan, "denominator": len(curve) - 1}
            | {"value": value, "unit": "times"}
            for quantity, value in factors.items()
        ]
        rows.append(
            {"scheme": scheme, "quantity": quantities.AREA, "numerator": int(curve.sum()), "denominator": _full(curve)}
            | {"value": area_under_curve(curve), "unit": ""}
        )
    return rows


def _full(curve: np.ndarray) -> int:
    """Return the sum of a discovery curve whose relaxations are all finds."""
    return len(curve) * (len(curve) - 1) // 2
