"""Decoding of latents with refinement: decode, encode again, compare, correct.

A decoder blurs its voxels, always in a similar way, and peaks overlap that the latent resolves. What was found in a
decoded voxel (atoms, or a cell) is therefore converted to its exact voxel, which is encoded and decoded again. The
difference of the two decoded voxels is what the result still lacks; it does not contain the blur. It is added to the
exact voxel, in which atoms or cell are located once more. Of all results, the one whose own latent lies nearest to the
given latent is taken. A result without atoms is never preferred to one with atoms: latents of a generator lie between
those of crystals, and the latent of the empty voxel is often the nearest to that of a faint atom. Results whose latent
is still far from the given one are varied by one atom less and one atom more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymatgen.core import Lattice

from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.voxel_decoding import FAINT, THRESHOLD, decode_lattice, decode_sites, peaks
from ccdcgan.representation.voxels import RESOLVED, Geometry, lattice_voxel, sites_voxel, voxel_centres

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
FAINTEST_ATOM = 0.05
"""Minimum height of a peak in the missing part of a voxel that is tried as an atom."""


@dataclass(frozen=True)
class _LatentDecoder:
    """Decoder of latents of one kind.

    Attributes:
        latents: The latents, (n, latent).
        decoded: Their voxels.
        autoencoder: The autoencoder.
        locate: Function of a voxel to its contents (positions or lattice), or None.
        draw: Function of such contents to their exact voxel.
        refinements: Maximum number of refinement steps.
    """

    latents: np.ndarray
    decoded: np.ndarray
    autoencoder: Autoencoder
    locate: Callable[[np.ndarray], Any]
    draw: Callable[[Any], np.ndarray]
    refinements: int

    def decode(self) -> tuple[list, np.ndarray]:
        """Return the best result for every latent and its distance, NaN where nothing is refined."""
        results = [self.locate(voxel) for voxel in self.decoded]
        if not self.refinements:
            return results, np.full(len(results), np.nan)
        return self.refine(np.arange(len(results)), results)

    def distances(self, rows: Sequence[int], voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the latents of voxels and their distances from the latents ``rows``, relative to the length of the
        latter."""
        encoded, given = self.autoencoder.encode(voxels), self.latents[rows]
        lengths = np.maximum(np.linalg.norm(given, axis=1), 1e-12)
        return encoded, np.linalg.norm(encoded - given, axis=1) / lengths

    def missing(self, rows: Sequence[int], encoded: np.ndarray) -> np.ndarray:
        """Return what the voxels of the latents ``encoded`` lack of those of the latents ``rows``."""
        return self.decoded[rows] - self.autoencoder.decode(encoded)

    def refine(self, rows: np.ndarray, trials: list) -> tuple[list, np.ndarray]:
        """Return the best refined result of each of ``rows``, starting from ``trials``, and its distance."""
        results, nearest = list(trials), np.full(len(rows), np.inf)
        active = np.array([index for index, trial in enumerate(trials) if trial is not None], dtype=int)
        trials = [trials[index] for index in active]
        for left in range(self.refinements, -1, -1):
            if not len(active):
                break
            voxels = np.array([self.draw(trial) for trial in trials])
            encoded, distances = self.distances(rows[active], voxels)
            improving = (distances < GAIN * nearest[active]) & (distances > CONVERGED)
            for index, trial, distance in zip(active, trials, distances, strict=True):
                if distance < nearest[index]:
                    results[index], nearest[index] = trial, distance
            if not left or not np.any(improving):
                break
            active = active[improving]
            corrected = voxels[improving] + self.missing(rows[active], encoded[improving])
            trials = [self.locate(voxel) for voxel in corrected]
            active = active[[_has_content(trial) for trial in trials]]
            trials = [trial for trial in trials if _has_content(trial)]
        return results, nearest


def _has_content(result: np.ndarray | Lattice | None) -> bool:
    """Return whether a result is a cell or has at least one atom."""
    return len(result) > 0 if isinstance(result, np.ndarray) else result is not None


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
        autoencoder.decode(latents),
        autoencoder,
        locate=lambda voxel: decode_lattice(voxel, sigma),
        draw=lambda lattice: lattice_voxel(lattice.matrix, grid, sigma),
        refinements=geometry.corrections,
    )
    return decoder.decode()[0]


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

    def locate(voxel: np.ndarray) -> np.ndarray:
        fraction = np.inf if faint is None else faint * max(float(voxel.max()), FAINT)
        return decode_sites(voxel, box, sigma, min(THRESHOLD, fraction))

    box, grid, sigma = geometry.box, geometry.sites_grid, geometry.sites_sigma
    decoder = _LatentDecoder(
        latents,
        autoencoder.decode(latents),
        autoencoder,
        locate=locate,
        draw=lambda positions: sites_voxel(np.clip(positions, -box / 2, box / 2), grid, box, sigma),
        refinements=geometry.corrections,
    )
    results, distances = decoder.decode()
    for _ in range(ATOM_TRIALS if geometry.corrections else 0):
        rows = np.flatnonzero(distances > DOUBTFUL)
        if not len(rows):
            break
        trials, nearer = _vary_number_of_atoms(decoder, rows, [results[row] for row in rows], geometry)
        rows, trials = rows[nearer], [trial for trial, better in zip(trials, nearer, strict=True) if better]
        if not len(rows):
            break
        refined, refined_distances = decoder.refine(rows, trials)
        for row, positions, distance in zip(rows, refined, refined_distances, strict=True):
            if distance < distances[row]:
                results[row], distances[row] = positions, distance
    return results


def _vary_number_of_atoms(
    decoder: _LatentDecoder, rows: np.ndarray, results: list[np.ndarray], geometry: Geometry
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return for each of ``rows`` the best variant with one atom less or more, and whether it is nearer."""
    centres, spacing = voxel_centres(geometry.sites_grid, geometry.box), geometry.box / geometry.sites_grid
    voxels = np.array([decoder.draw(positions) for positions in results])
    encoded, before = decoder.distances(rows, voxels)
    trials, owners = [], []
    for index, (positions, voxel) in enumerate(zip(results, decoder.missing(rows, encoded), strict=True)):
        separation = 0.9 * RESOLVED * geometry.sites_sigma
        fresh = peaks(voxel, centres, FAINTEST_ATOM, separation, positions)[:MOST_TRIED]
        indices = np.clip(np.floor((positions + geometry.box / 2) / spacing), 0, len(voxel) - 1).astype(int)
        most_in_excess = np.argsort(voxel[tuple(indices.T)], kind="stable")[:MOST_TRIED]
        own = [np.delete(positions, number, axis=0) for number in most_in_excess]
        own += [np.concatenate([positions, one[None]]) for one in fresh]
        own = [trial for trial in own if _has_content(trial)]
        trials += own
        owners += [index] * len(own)
    best, nearest = list(results), before.copy()
    if trials:
        _, distances = decoder.distances(rows[owners], np.array([decoder.draw(trial) for trial in trials]))
        for index, trial, distance in zip(owners, trials, distances, strict=True):
            if distance < nearest[index]:
                best[index], nearest[index] = trial, distance
    return best, nearest < before
