"""Reference points: formation energies computed for this project with density functional theory and with the engines.

There is one structure set per system. It contains the elements, whose formation energy is zero, with their structures.
benchmarks/hypothetical.py creates the sets; docs/validation/accuracy.md describes the method.
"""

from collections.abc import Sequence
from pathlib import Path

MEASURED = "measured"
"""Value of ``relaxation.energy_correction`` that selects these points."""


def measured_points(elements: Sequence[str]) -> Path | None:
    """Return the structure set of the reference points of a system; None if there is no such set."""
    path = Path(__file__).parent / "data" / f"{'-'.join(sorted(elements))}.extxyz"
    return path if path.is_file() else None
