"""Latents -> what they describe: decoded, encoded again, and corrected by the difference.

A decoder blurs what it draws, always in much the same way, and peaks run together that its latent tells apart. So
what was read from a decoded voxel (atoms, or a cell) is drawn exactly, encoded and decoded again: the difference of
the two decoded voxels is what the reading lacks, and the blur is not in it. That difference is added to the exact
drawing, which is read once more. Of all readings the one whose own latent lies nearest to the given latent is taken,
but never one without atoms over one with atoms: what generators make lies between the latents of crystals, and of a
faint atom the empty voxel's latent is often the nearest. Atoms whose latent is still far from it are tried with one
atom less and with one more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymatgen.core import Lattice

from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.voxel_decoding import FAINT, THRESHOLD, decode_lattice, decode_sites, peaks
from ccdcgan.representation.voxels import RESOLVED, Geometry, lattice_voxel, sites_voxel, voxel_centres

SAME = 0.01
"""Distance of two latents, relative to the length of the given one, below which nothing is left to correct."""
GAIN = 0.9
"""A reading is corrected again only if the last correction shortened the distance to this share of it, or less."""
DOUBTFUL = 0.05
"""Distance of two latents, relative to the length of the given one, above which other numbers of atoms are tried."""
ROUNDS = 2
"""How often one atom more or less is tried."""
TRIED = 3
"""How many atoms at most are taken away, where a reading has most too much, and how many added; one at a time."""
FAINTEST_ATOM = 0.05
"""Least height of a peak of what a reading lacks that is tried as an atom."""


@dataclass(frozen=True)
class _Reader:
    """How latents (n, latent) are read: decoded holds their voxels; read: a voxel to what it shows, or None; draw: the
    exact voxel of that; corrections: at most."""

    latents: np.ndarray
    decoded: np.ndarray
    autoencoder: Autoencoder
    read: Callable[[np.ndarray], Any]
    draw: Callable[[Any], np.ndarray]
    corrections: int

    def read_all(self) -> tuple[list, np.ndarray]:
        """Return the best reading of every latent and its distance, NaN where nothing is to be corrected."""
        found = [self.read(voxel) for voxel in self.decoded]
        if not self.corrections:
            return found, np.full(len(found), np.nan)
        return self.correct(np.arange(len(found)), found)

    def distances(self, rows: Sequence[int], drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the latents of voxels and how far they are from those of ``rows``, relative to the length of these."""
        again, given = self.autoencoder.encode(drawn), self.latents[rows]
        lengths = np.maximum(np.linalg.norm(given, axis=1), 1e-12)
        return again, np.linalg.norm(again - given, axis=1) / lengths

    def lacking(self, rows: Sequence[int], again: np.ndarray) -> np.ndarray:
        """Return what voxels with the latents ``again`` lack of those of ``rows``."""
        return self.decoded[rows] - self.autoencoder.decode(again)

    def correct(self, rows: np.ndarray, trials: list) -> tuple[list, np.ndarray]:
        """Return the best reading of each of ``rows`` that starts from ``trials``, and its distance."""
        found, nearest = list(trials), np.full(len(rows), np.inf)
        places = np.array([place for place, trial in enumerate(trials) if trial is not None], dtype=int)
        trials = [trials[place] for place in places]
        for left in range(self.corrections, -1, -1):
            if not len(places):
                break
            drawn = np.array([self.draw(trial) for trial in trials])
            again, distances = self.distances(rows[places], drawn)
            going_on = (distances < GAIN * nearest[places]) & (distances > SAME)
            for place, trial, distance in zip(places, trials, distances, strict=True):
                if distance < nearest[place]:
                    found[place], nearest[place] = trial, distance
            if not left or not np.any(going_on):
                break
            places = places[going_on]
            voxels = drawn[going_on] + self.lacking(rows[places], again[going_on])
            trials = [self.read(voxel) for voxel in voxels]
            places = places[[_shows(trial) for trial in trials]]
            trials = [trial for trial in trials if _shows(trial)]
        return found, nearest


def _shows(reading: np.ndarray | Lattice | None) -> bool:
    """Return whether a reading has anything in it: a cell, or at least one atom."""
    return len(reading) > 0 if isinstance(reading, np.ndarray) else reading is not None


def read_lattices(latents: np.ndarray, autoencoder: Autoencoder, geometry: Geometry) -> list[Lattice | None]:
    """Return the lattice that each lattice latent (n, latent) describes; None where there is none."""
    grid, sigma = geometry.lattice_grid, geometry.lattice_sigma
    reader = _Reader(
        latents,
        autoencoder.decode(latents),
        autoencoder,
        lambda voxel: decode_lattice(voxel, sigma),
        lambda lattice: lattice_voxel(lattice.matrix, grid, sigma),
        geometry.corrections,
    )
    return reader.read_all()[0]


def read_sites(
    latents: np.ndarray, autoencoder: Autoencoder, geometry: Geometry, faint: float | None = None
) -> list[np.ndarray]:
    """Return the positions (n_atoms, 3), angstrom from the centre, that each sites latent (n, latent) describes.

    faint: atoms are looked for from this share of a voxel's largest value on, where that is below the usual threshold.
    """

    def read(voxel: np.ndarray) -> np.ndarray:
        share = np.inf if faint is None else faint * max(float(voxel.max()), FAINT)
        return decode_sites(voxel, box, sigma, min(THRESHOLD, share))

    box, grid, sigma = geometry.box, geometry.sites_grid, geometry.sites_sigma
    reader = _Reader(
        latents,
        autoencoder.decode(latents),
        autoencoder,
        read,
        lambda positions: sites_voxel(np.clip(positions, -box / 2, box / 2), grid, box, sigma),
        geometry.corrections,
    )
    found, distances = reader.read_all()
    for _ in range(ROUNDS if geometry.corrections else 0):
        rows = np.flatnonzero(distances > DOUBTFUL)
        if not len(rows):
            break
        trials, shorter = _another_number(reader, rows, [found[row] for row in rows], geometry)
        rows, trials = rows[shorter], [trial for trial, better in zip(trials, shorter, strict=True) if better]
        if not len(rows):
            break
        again, nearer = reader.correct(rows, trials)
        for row, positions, distance in zip(rows, again, nearer, strict=True):
            if distance < distances[row]:
                found[row], distances[row] = positions, distance
    return found


def _another_number(
    reader: _Reader, rows: np.ndarray, found: list[np.ndarray], geometry: Geometry
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return for each of ``rows`` the best with one atom less or more than ``found``, and whether it is the nearer."""
    centres, spacing = voxel_centres(geometry.sites_grid, geometry.box), geometry.box / geometry.sites_grid
    drawn = np.array([reader.draw(positions) for positions in found])
    again, before = reader.distances(rows, drawn)
    trials, owners = [], []
    for place, (positions, voxel) in enumerate(zip(found, reader.lacking(rows, again), strict=True)):
        apart = 0.9 * RESOLVED * geometry.sites_sigma
        fresh = peaks(voxel, centres, FAINTEST_ATOM, apart, positions)[:TRIED]
        indices = np.clip(np.floor((positions + geometry.box / 2) / spacing), 0, len(voxel) - 1).astype(int)
        most_in_excess = np.argsort(voxel[tuple(indices.T)], kind="stable")[:TRIED]
        own = [np.delete(positions, number, axis=0) for number in most_in_excess]
        own += [np.concatenate([positions, one[None]]) for one in fresh]
        own = [trial for trial in own if _shows(trial)]
        trials += own
        owners += [place] * len(own)
    best, nearest = list(found), before.copy()
    if trials:
        _, distances = reader.distances(rows[owners], np.array([reader.draw(trial) for trial in trials]))
        for place, trial, distance in zip(owners, trials, distances, strict=True):
            if distance < nearest[place]:
                best[place], nearest[place] = trial, distance
    return best, nearest < before
