"""The source ``aflow``: prototypes of the AFLOW encyclopedia, which pymatgen includes."""

from collections import Counter
from collections.abc import Iterator

from ccdcgan.database.prototypes.source import SourceEntry, SourceQuery


def read_aflow(query: SourceQuery) -> Iterator[SourceEntry]:
    """Yield the 288 prototypes in pymatgen, with any number of elements; no network is needed.

    Args:
        query: Query of the source; none of its fields is used.
    """
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    seen: Counter[str] = Counter()
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        label = entry["tags"]["aflow"]
        seen[label] += 1
        suffix = f"-{seen[label]}" if seen[label] > 1 else ""
        yield SourceEntry(f"aflow-{label}{suffix}", "aflow", entry["snl"].structure)
