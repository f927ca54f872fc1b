"""Decoding of latents with refinement: decode, encode again, compare, correct.

A decoder blurs its voxels, always in a similar way, and peaks overlap that the latent resolves. What was found in a
decoded voxel (atoms, or a cell) is therefore converted to its exact voxel, which is encoded and decoded again. The
difference of the two decoded voxels is what the result still lacks; it does not contain the blur. It is added to the
exact voxel, in which atoms or cell are located once more. Of all results, the one whose own latent lies nearest to the
given latent is taken. A result without atoms is never preferred to one with atoms: latents of a generator lie between
those of crystals, and the latent of the empty voxel is often the nearest to that of a faint atom. Results whose latent
is still far from the given one are varied by one atom less and one atom more.
"""

from collections.abc import Callable

import numpy as np
from pymatgen.core import Lattice

from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.decoding.peaks import find_peaks
from ccdcgan.representation.voxel_decoding import FAINT, THRESHOLD, decode_cells, decode_many_sites
from ccdcgan.representation.voxels import RESOLVED, Geometry, lattice_voxel, sites_voxels, voxel_centres

CONVERGED = 0.01
"""Relative distance of two latents below which nothing is left to correct."""
GAIN = 0.9
"""A result is corrected again only if the last correction reduced its distance to at most this fraction."""
DOUBTFUL = 0.05
"""Relative distance of two latents above which other numbers of atoms are tried."""
ATOM_TRIALS = 2
"""Number of times that one atom less or more is tried."""
MOST_TRIED = 3
"""Maximum number of atoms whose removal, and of atoms whose addition, is tried each time."""
FAINTEST_ATOM = 0.2
"""Minimum height of a peak that is missing in a voxel, or in excess, for which one atom more or less is tried.

An atom improves a voxel if it explains more than half of its own height. Of 1,700 fainter trials none was nearer;
with 0.25 one of 600 samples changed.
"""


class _LatentDecoder:
    """Decoder of latents of one kind. Each step is done for all latents that need it, with few calls of the networks.

    Args:
        latents: The latents, (n, latent).
        autoencoder: The autoencoder.
        locate: Function of voxels and their rows in ``latents`` to a list of their contents: positions, or cells.
        draw: Function of a list of contents to their exact voxels.
    """

    def __init__(
        self,
        latents: np.ndarray,
        autoencoder: Autoencoder,
        locate: Callable[[np.ndarray, np.ndarray], list],
        draw: Callable[[list], np.ndarray],
    ) -> None:
        self._latents, self._autoencoder = np.asarray(latents), autoencoder
        self._locate, self._draw = locate, draw
        self._lengths = np.maximum(np.linalg.norm(self._latents, axis=1), 1e-12)
        self._decoded = autoencoder.decode(latents)
        # About 16 MB of voxels at once.
        self._together = int(np.clip(2**22 // np.prod(self._decoded.shape[1:]), 16, 1024))
        self.results = self._located(self._decoded, np.arange(len(latents)))
        self.distances = np.full(len(latents), np.inf)
        self._encoded = np.zeros_like(self._latents)
        self._decoded_again: dict[int, np.ndarray] = {}

    def evaluate(self, rows: np.ndarray, trials: list) -> tuple[np.ndarray, np.ndarray]:
        """Return the latents of trials and their distances from the latents ``rows``, relative to their length."""
        encoded, distances = np.empty((len(rows), self._latents.shape[1]), self._latents.dtype), np.empty(len(rows))
        for part in self._parts(len(rows)):
            encoded[part] = self._autoencoder.encode(self._draw(trials[part]))
            distances[part] = np.linalg.norm(encoded[part] - self._latents[rows[part]], axis=1)
        return encoded, distances / self._lengths[rows]

    def missing(self, rows: np.ndarray) -> np.ndarray:
        """Return what the decoded voxels of the results of ``rows`` lack of the decoded latents."""
        unknown = [row for row in rows if row not in self._decoded_again]
        if unknown:
            decoded = self._autoencoder.decode(self._encoded[unknown])
            self._decoded_again |= dict(zip(unknown, decoded, strict=True))
        return np.array([self._decoded[row] - self._decoded_again[row] for row in rows])

    def refine(
        self, rows: np.ndarray, trials: list, refinements: int, known: tuple[np.ndarray, np.ndarray] | None = None
    ) -> None:
        """Correct trials repeatedly. Those that are nearer to their latents than the results become the results.

        Args:
            rows: Rows of the trials.
            trials: Cells, or positions of atoms.
            refinements: Maximum number of corrections.
            known: Latents and distances of the trials, if they have been evaluated already.
        """
        least = np.full(len(rows), np.inf)
        for left in range(refinements, -1, -1):
            if not len(rows):
                break
            encoded, distances = known or self.evaluate(rows, trials)
            improving, known = (distances < least) & (distances > CONVERGED), None
            for number in np.flatnonzero(distances < self.distances[rows]):
                row = rows[number]
                self.results[row], self.distances[row] = trials[number], distances[number]
                self._encoded[row] = encoded[number]
                self._decoded_again.pop(row, None)
            if not left:
                break
            # Every trial that improved is now the result of its row.
            rows, trials = self._corrected(rows[improving])
            least = GAIN * self.distances[rows]

    def _corrected(self, rows: np.ndarray) -> tuple[np.ndarray, list]:
        """Return the corrected results of ``rows`` that have content, and their rows."""
        kept, trials = [], []
        for part in self._parts(len(rows)):
            voxels = self._draw([self.results[row] for row in rows[part]]) + self.missing(rows[part])
            for row, trial in zip(rows[part], self._located(voxels, rows[part]), strict=True):
                if has_content(trial):
                    kept.append(row)
                    trials.append(trial)
        return np.array(kept, dtype=int), trials

    def _located(self, voxels: np.ndarray, rows: np.ndarray) -> list:
        return [found for part in self._parts(len(rows)) for found in self._locate(voxels[part], rows[part])]

    def _parts(self, number: int) -> list[slice]:
        """Return the slices in which a number of voxels is processed."""
        return [slice(start, start + self._together) for start in range(0, number, self._together)]


def has_content(result: np.ndarray | None) -> bool:
    """Return whether a result is a cell or has at least one atom."""
    return result is not None and len(result) > 0


def decode_lattice_latents(latents: np.ndarray, autoencoder: Autoencoder, geometry: Geometry) -> list[Lattice | None]:
    """Return the lattice of each lattice latent.

    Args:
        latents: Lattice latents, (n, latent).
        autoencoder: Trained lattice autoencoder.
        geometry: Geometry of the voxels.

    Returns:
        Lattices, (n,); None where there is no valid cell.
    """
    grid, sigma = geometry.lattice_grid, geometry.lattice_sigma
    decoder = _LatentDecoder(
        latents,
        autoencoder,
        locate=lambda voxels, _: decode_cells(voxels, sigma),
        draw=lambda cells: lattice_voxel(np.array(cells).reshape(-1, 3, 3), grid, sigma),
    )
    if geometry.corrections:
        rows = np.array([row for row, cell in enumerate(decoder.results) if has_content(cell)], dtype=int)
        decoder.refine(rows, [decoder.results[row] for row in rows], geometry.corrections)
    return [None if cell is None else Lattice(cell) for cell in decoder.results]


def decode_sites_latents(
    latents: np.ndarray, autoencoder: Autoencoder, geometry: Geometry, faint: float | None = None
) -> list[np.ndarray]:
    """Return the atomic positions (n_atoms, 3), angstrom from the box's centre, of each sites latent.

    Args:
        latents: Shape (n, latent).
        autoencoder: Autoencoder of sites voxels.
        geometry: Grids, widths and box of the voxels.
        faint: Peak threshold as a fraction of the voxel's maximum, used where it is below the usual threshold; None:
            the usual threshold.
    """
    box, grid, sigma = geometry.box, geometry.sites_grid, geometry.sites_sigma

    def locate(voxels: np.ndarray, _: np.ndarray) -> list[np.ndarray]:
        thresholds = np.full(len(voxels), THRESHOLD)
        if faint is not None:
            thresholds = np.minimum(thresholds, faint * np.maximum(voxels.max(axis=(1, 2, 3)), FAINT))
        return decode_many_sites(voxels, box, sigma, thresholds)

    decoder = _LatentDecoder(latents, autoencoder, locate, lambda sets: sites_voxels(sets, grid, box, sigma))
    if not geometry.corrections:
        return decoder.results
    rows = np.arange(len(latents))
    decoder.refine(rows, list(decoder.results), geometry.corrections)
    for _ in range(ATOM_TRIALS):
        rows = rows[decoder.distances[rows] > DOUBTFUL]
        if not len(rows):
            break
        # A row without a better variant has none in the next round either.
        rows, trials, encoded, distances = _vary_number_of_atoms(decoder, rows, geometry)
        decoder.refine(rows, trials, geometry.corrections, (encoded, distances))
    return decoder.results


def _vary_number_of_atoms(
    decoder: _LatentDecoder, rows: np.ndarray, geometry: Geometry
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray, np.ndarray]:
    """Return the best variant with one atom less or more of each of ``rows`` that has one nearer than its result.

    Returns:
        Rows, variants, and the latents and distances of the variants.
    """
    centres, spacing = voxel_centres(geometry.sites_grid, geometry.box), geometry.box / geometry.sites_grid
    separation, last = 0.9 * RESOLVED * geometry.sites_sigma, geometry.sites_grid - 1
    trials, owners = [], []
    for part in np.array_split(rows, -(-len(rows) // 256)):
        results, voxels = [decoder.results[row] for row in part], decoder.missing(part)
        fresh = find_peaks(voxels, centres, FAINTEST_ATOM, separation, results, MOST_TRIED)
        for row, voxel, positions, more in zip(part, voxels, results, fresh, strict=True):
            indices = np.clip(np.floor((positions + geometry.box / 2) / spacing), 0, last).astype(int)
            depths = voxel[tuple(indices.T)]
            most_in_excess = np.argsort(depths, kind="stable")[:MOST_TRIED]
            in_excess = most_in_excess[depths[most_in_excess] <= -FAINTEST_ATOM]
            own = [np.delete(positions, number, axis=0) for number in in_excess]
            own += [np.concatenate([positions, one[None]]) for one in more]
            own = [trial for trial in own if has_content(trial)]
            trials += own
            owners += [row] * len(own)
    tried = np.array(owners, dtype=int)
    encoded, distances = decoder.evaluate(tried, trials)
    best: dict[int, int] = {}
    for number in np.flatnonzero(distances < decoder.distances[tried]):
        row = owners[number]
        if row not in best or distances[number] < distances[best[row]]:
            best[row] = number
    chosen = list(best.values())
    return np.array(list(best), dtype=int), [trials[number] for number in chosen], encoded[chosen], distances[chosen]
