"""A probe of a generator in training: a small sample is decoded every few hundred steps.

Losses do not show whether a generator makes crystals. Those of a GAN compare two networks that both change; that of a
flow keeps falling while its samples stay the same. The probe counts candidates, compositions and different crystals,
always from the same noise.
"""

from collections.abc import Callable

import keras
import numpy as np
from pymatgen.core import Structure

from ccdcgan.representation.crystal_graph import CandidateRules, CrystalCodec

QUANTITIES = ("success_rate", "n_formulas", "n_different")
"""Columns of the learning curve: fraction of samples that are candidates, number of compositions among them, number of
different crystals."""

Probe = Callable[[keras.Model], tuple[float, int, int]]
"""A generator -> its QUANTITIES."""


def make_probe(codec: CrystalCodec, samples: int, seed: int, rules: CandidateRules) -> Probe:
    """Return the probe of a training.

    Args:
        codec: Decodes the crystal graphs.
        samples: Number of crystal graphs to decode.
        seed: Seed of their noise.
        rules: Rules of a candidate; cells are not expanded.
    """

    def probe(generator: keras.Model) -> tuple[float, int, int]:
        noise = np.random.default_rng(seed).standard_normal((samples, generator.input_shape[1])).astype(np.float32)
        graphs = np.asarray(generator.predict_on_batch(noise))
        if not np.all(np.isfinite(graphs)):
            return 0.0, 0, 0
        crystals = [decoded.structure for decoded in codec.decode(graphs, rules) if decoded.structure]
        keys = {_coarse_key(crystal) for crystal in crystals}
        return len(crystals) / samples, len({key[0] for key in keys}), len(keys)

    return probe


def _coarse_key(structure: Structure) -> tuple:
    """Return a key that distinguishes most crystals at no cost: composition, volume per atom and edges, rounded."""
    edges = sorted(round(2 * edge) / 2 for edge in structure.lattice.abc)  # to half an angstrom
    return structure.composition.formula, round(structure.volume / len(structure)), *edges
