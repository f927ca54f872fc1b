"""How good a ground the latents are for a generator: their range, and what decodes near them and between them.

A generator never hits a latent exactly. So crystals are read back after noise on their latents, and from points
between the latents of two crystals.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ccdcgan.crystals.structures import Crystal, shortest_distance
from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.crystal_graph import CrystalGraphs, decode_crystals, disassemble
from ccdcgan.representation.reconstruction import compare
from ccdcgan.utils.progress import Progress
from ccdcgan.utils.seeds import derive_seed

SATURATED = 0.99
"""Absolute value above which a component of a latent, a tanh, is saturated."""
IDLE = 0.001
"""Standard deviation over the crystals below which a component tells nothing."""
NOISE = (0.0, 0.01, 0.05, 0.1)
"""Standard deviations of the noise, each in those of the component over the crystals."""
BETWEEN = (0.25, 0.5)
"""Where, on the line from the latents of one crystal to those of another."""
RANGE_COLUMNS = ("latent", "n", "components", "least", "largest", "spread", "saturated_share", "idle")
TEST_COLUMNS = ("test", "level", "n", "n_decoded", "n_valid", "n_matched", "mean_rms")


def latent_ranges(graphs: CrystalGraphs) -> pd.DataFrame:
    """Return one row for the lattice latent and one for the sites latents of each element, with RANGE_COLUMNS.

    n: crystals; components: length of the latent; least, largest: value; spread: mean over the components of the
    standard deviation over the crystals; saturated_share: of all values; idle: number of components.
    """
    lattices, sites = disassemble(graphs.latents, len(graphs.elements), graphs.latent_sites, graphs.latent_lattice)
    rows = []
    for name, values in [("lattice", lattices), *((name, sites[:, k]) for k, name in enumerate(graphs.elements))]:
        spreads = values.std(axis=0)
        row = {"latent": name, "n": len(values), "components": values.shape[1]}
        row |= {"least": values.min(), "largest": values.max(), "spread": spreads.mean()}
        row |= {"saturated_share": np.mean(np.abs(values) > SATURATED), "idle": int(np.sum(spreads < IDLE))}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(RANGE_COLUMNS))


def latent_tests(
    crystals: Sequence[Crystal],
    graphs: CrystalGraphs,
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    *,
    n: int,
    seed: int,
    max_atoms: int,
    min_distance: float,
) -> pd.DataFrame:
    """Return one row per test and level, with TEST_COLUMNS.

    crystals: the database's; of those with a crystal graph ``n`` are drawn, and ``n`` pairs, fewer if there are not as
    many. test ``noise``: normal noise on every component of the latents, level (see NOISE) times its standard
    deviation over the crystals; test ``between``: level is the share of the way (BETWEEN) to another crystal.
    n_decoded: crystals read; n_valid: those in which no two atoms are closer than ``min_distance`` (angstrom);
    n_matched: those that are the crystal the latents came from (of ``between``, in general, none); mean_rms: of the
    matched.
    """
    structures = {crystal.id: crystal.structure for crystal in crystals}
    rng = np.random.default_rng(derive_seed(seed, "latent tests"))
    latents, n_crystals = graphs.latents, len(graphs.ids)
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
        parts = (graphs.elements, lattice_autoencoder, sites_autoencoder, graphs.geometry, max_atoms)
        found, valid = [], 0
        for row, decoded in zip(chosen, decode_crystals(tested, *parts), strict=True):
            found.append(compare(structures[graphs.ids[row]], decoded))
            valid += decoded.structure is not None and shortest_distance(decoded.structure) >= min_distance
            progress.advance(1)
        table = pd.DataFrame(found, columns=["n_atoms_decoded", "matched", "rms"])
        counts = {"n_decoded": int(table["n_atoms_decoded"].notna().sum()), "n_valid": int(valid)}
        counts["n_matched"] = int(table["matched"].sum())
        rows.append({"test": test, "level": level, "n": n} | counts | {"mean_rms": table["rms"].mean()})
    return pd.DataFrame(rows, columns=list(TEST_COLUMNS))


def _noise(rng: np.random.Generator, shape: tuple[int, ...], spreads: np.ndarray) -> np.ndarray:
    """Return normal noise (n, side, side, 1), float32, with these standard deviations (side, side, 1)."""
    return (rng.standard_normal(shape) * spreads).astype(np.float32)
