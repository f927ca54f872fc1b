"""A look at what a generator makes while it learns: a small sample is decoded every few hundred steps.

Losses do not say whether a generator makes crystals: a GAN's compare two networks that both change, a flow's falls
on while its samples stay the same. The probe counts crystals, compositions and different crystals instead, always
from the same noise.
"""

import logging
from collections.abc import Callable

import keras
import numpy as np
from pymatgen.core import Structure

from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.crystal_graph import CrystalGraphs, decode_crystals

log = logging.getLogger(__name__)

QUANTITIES = ("success_rate", "n_formulas", "n_different")
"""Columns of the history: share of samples that are candidates; compositions among these; different ones."""

Probe = Callable[[keras.Model], tuple[float, int, int]]
"""A generator -> its QUANTITIES."""


def make_probe(
    known: CrystalGraphs,
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    samples: int,
    seed: int,
    min_distance: float,
    max_atoms: int,
    faint: float | None = None,
) -> Probe:
    """Return the probe of a run: known: how to read crystal graphs; samples: crystal graphs it decodes; seed: of
    their noise; min_distance (angstrom), max_atoms, faint: what makes a candidate, see ``decode_crystals``."""

    def probe(generator: keras.Model) -> tuple[float, int, int]:
        noise = np.random.default_rng(seed).standard_normal((samples, generator.input_shape[1])).astype(np.float32)
        graphs = np.asarray(generator.predict_on_batch(noise)) * known.scale
        if not np.all(np.isfinite(graphs)):
            return 0.0, 0, 0
        parts = (known.elements, lattice_autoencoder, sites_autoencoder, known.geometry, max_atoms, min_distance, faint)
        crystals = [decoded.structure for decoded in decode_crystals(graphs, *parts) if decoded.structure]
        looks = {_look(crystal) for crystal in crystals}
        return len(crystals) / samples, len({look[0] for look in looks}), len(looks)

    return probe


def _look(structure: Structure) -> tuple:
    """Return what tells most crystals apart at no cost: atoms of each element, volume and edges, coarsely."""
    edges = sorted(round(2 * edge) / 2 for edge in structure.lattice.abc)  # to half an angstrom
    return structure.composition.formula, round(structure.volume / len(structure)), *edges
