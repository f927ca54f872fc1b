"""Hashes that identify data."""

import hashlib
import json
from typing import Any


def fingerprint(data: Any) -> str:
    """Return 16 hexadecimal digits that identify JSON-serialisable data, independent of the order of keys."""
    canonical = json.dumps(data, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
