"""Diagnostics of the latent space: value ranges, robustness to noise, interpolation between crystals.

A generator never reproduces a latent exactly. Crystals are therefore decoded after noise was added to their latents,
and from points between the latents of two crystals.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ccdcgan.crystals.distances import satisfies
from ccdcgan.crystals.structures import Crystal
from ccdcgan.representation.crystal_graph import CandidateRules, CrystalCodec, CrystalGraphs
from ccdcgan.representation.reconstruction import compare_with_original
from ccdcgan.utils.progress import Progress
from ccdcgan.utils.seeds import derive_seed

SATURATED = 0.99
"""Absolute value above which a component of a latent, a tanh, is saturated."""
IDLE = 0.001
"""Standard deviation over the crystals below which a component carries no information."""
NOISE = (0.0, 0.01, 0.05, 0.1)
"""Standard deviations of the noise, in units of the component's standard deviation over the crystals."""
BETWEEN = (0.25, 0.5)
"""Fractions of the way from the latents of one crystal to those of another."""
RANGE_COLUMNS = ("latent", "n", "components", "least", "largest", "spread", "saturated_share", "idle")
TEST_COLUMNS = ("test", "level", "n", "n_decoded", "n_valid", "n_matched", "mean_rms")


def latent_ranges(codec: CrystalCodec, graphs: CrystalGraphs) -> pd.DataFrame:
    """Return the value ranges of the lattice latent and of the sites latents of each element, one row each.

    Returns:
        Table with RANGE_COLUMNS. n: number of crystals; components: length of the latent; least, largest: extreme
        values; spread: mean over the components of the standard deviation over the crystals; saturated_share: fraction
        of saturated values; idle: number of idle components.
    """
    lattices, sites = codec.split(graphs.graphs * codec.scale)
    rows = []
    for name, values in [("lattice", lattices), *((name, sites[:, k]) for k, name in enumerate(codec.elements))]:
        spreads = values.std(axis=0)
        row = {"latent": name, "n": len(values), "components": values.shape[1]}
        row |= {"least": values.min(), "largest": values.max(), "spread": spreads.mean()}
        row |= {"saturated_share": np.mean(np.abs(values) > SATURATED), "idle": int(np.sum(spreads < IDLE))}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(RANGE_COLUMNS))


def latent_tests(
    codec: CrystalCodec, graphs: CrystalGraphs, crystals: Sequence[Crystal], rules: CandidateRules, n: int, seed: int
) -> pd.DataFrame:
    """Decode latents with noise and latents between two crystals.

    Args:
        codec: Decodes the latents.
        graphs: Crystal graphs of the database.
        crystals: A set that contains all crystals of ``graphs``.
        rules: ``max_atoms`` and ``min_distance`` count.
        n: Number of crystals, and of pairs of crystals, drawn at random; fewer if there are not as many.
        seed: Seed of the run.

    Returns:
        Table with TEST_COLUMNS, one row per test and level. test ``noise``: normal noise on every component, level (see
        NOISE) times its standard deviation over the crystals; test ``between``: level is the fraction of the way
        (BETWEEN) to another crystal. n_decoded: number of crystals decoded; n_valid: of these, number without two atoms
        closer than ``min_distance``; n_matched: number that equal the crystal of the latents (in general none for
        ``between``); mean_rms: mean over the matched ones.
    """
    structures = {crystal.id: crystal.structure for crystal in crystals}
    rng = np.random.default_rng(derive_seed(seed, "latent tests"))
    latents, n_crystals = graphs.graphs * codec.scale, len(graphs.ids)
    spreads = latents.std(axis=0)
    n = min(n, n_crystals)
    chosen = np.sort(rng.permutation(n_crystals)[:n])
    points = [
        ("noise", level, latents[chosen] + _noise(rng, latents[chosen].shape, level * spreads)) for level in NOISE
    ]
    if n_crystals > 1:
        others = (chosen + rng.integers(1, n_crystals, n)) % n_crystals
        points += [("between", share, (1 - share) * latents[chosen] + share * latents[others]) for share in BETWEEN]
    progress = Progress(len(points) * n, "latents", unit="crystals")
    rows = []
    for test, level, tested in points:
        comparisons, valid = [], 0
        for row, decoded in zip(chosen, codec.decode_latents(tested, replace(rules, min_distance=0.0)), strict=True):
            comparisons.append(compare_with_original(structures[graphs.ids[row]], decoded))
            valid += decoded.structure is not None and satisfies(decoded.structure, rules.min_distance)
            progress.advance(1)
        table = pd.DataFrame(comparisons, columns=["n_atoms_decoded", "matched", "rms"])
        counts = {"n_decoded": int(table["n_atoms_decoded"].notna().sum()), "n_valid": int(valid)}
        counts["n_matched"] = int(table["matched"].sum())
        rows.append({"test": test, "level": level, "n": n} | counts | {"mean_rms": table["rms"].mean()})
    return pd.DataFrame(rows, columns=list(TEST_COLUMNS))


def _noise(rng: np.random.Generator, shape: tuple[int, ...], spreads: np.ndarray) -> np.ndarray:
    """Return normal noise (n, side, side, 1), float32, with these standard deviations (side, side, 1)."""
    return (rng.standard_normal(shape) * spreads).astype(np.float32)
