"""Derivation of the seeds of all stages, schemes and shards from the one seed in the configuration."""

import zlib

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """Return the 31-bit seed of a random stream, independent of all other streams.

    ``numpy.random.SeedSequence`` mixes the configured seed with the names, so neighbouring seeds and shards are not
    correlated.

    Args:
        seed: Seed in the configuration.
        names: Name of the stream, in parts.
    """
    keys = [name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names]
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1)[0] >> 1)
