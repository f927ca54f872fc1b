"""The source ``aflow``: the AFLOW encyclopedia's prototypes that pymatgen ships."""

from collections import Counter
from collections.abc import Iterator

from ccdcgan.database.prototypes.source import Found, Request


def read_aflow(request: Request) -> Iterator[Found]:
    """Yield the 288 prototypes inside pymatgen, of any number of elements; no network."""
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    seen: Counter[str] = Counter()
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        label = entry["tags"]["aflow"]
        seen[label] += 1
        suffix = f"-{seen[label]}" if seen[label] > 1 else ""
        yield Found(f"aflow-{label}{suffix}", "aflow", entry["snl"].structure)
