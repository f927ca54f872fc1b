"""Formation energies measured for this project with density functional theory and the engines, one table a system.

benchmarks/hypothetical.py makes them; docs/accuracy.md says how.
"""

from collections.abc import Sequence
from pathlib import Path


def measured_points(elements: Sequence[str]) -> Path | None:
    """Return the table of a system's crystals, None if none were measured."""
    path = Path(__file__).parent / f"{'-'.join(sorted(elements))}.csv"
    return path if path.is_file() else None
