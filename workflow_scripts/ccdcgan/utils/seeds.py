"""One seed in the configuration; every stage, scheme and shard derives its own from it."""

import zlib

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 31-bit seed for the stream called ``names``, independent of every other stream.

    ``numpy.random.SeedSequence`` mixes the configured seed with the names, so neighbouring seeds and shards
    share nothing.
    """
    keys = [name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names]
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1)[0] >> 1)
