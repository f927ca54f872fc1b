"""Formation energies measured for this project with density functional theory and the engines.

One structure set a system; the elements, whose formation energy is zero, are in it with their structures.
benchmarks/hypothetical.py makes them; docs/accuracy.md says how.
"""

from collections.abc import Sequence
from pathlib import Path

MEASURED = "measured"
"""Value of ``relaxation.correction`` for these points."""


def measured_points(elements: Sequence[str]) -> Path | None:
    """Return the structure set of a system's crystals, None if none were measured."""
    path = Path(__file__).parent / "data" / f"{'-'.join(sorted(elements))}.extxyz"
    return path if path.is_file() else None
