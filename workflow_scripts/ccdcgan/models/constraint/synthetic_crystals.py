"""Crystals without energies around those with one: what a network can learn to read crystal graphs from.

How a crystal looks needs no calculation, so crystals can be drawn without end: a known one in any orientation that fits
its lattice, strained, swollen and with displaced atoms; the same much distorted, with its elements at other sites; and
its atoms at random, no two too close, in a distorted cell. A network that sees the first kind only learns the known
structures by heart and misreads others. The crystals drawn around one crystal depend on its id and the seed alone, so
those of held-out crystals can be left out one by one.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.descriptors import descriptors
from ccdcgan.crystals.structures import Crystal, lattice_from_parameters
from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.crystal_graph import CrystalGraphs
from ccdcgan.representation.orientations import encode_like, orientations
from ccdcgan.representation.voxels import refusal
from ccdcgan.utils.seeds import derive_seed


@dataclass(frozen=True)
class Spread:
    """Largest standard deviations with which crystals are drawn; each is drawn with a part of them, uniform in [0, 1].

    swelling: of the logarithm of all lengths; strain: of that of each length, at the same volume; shear: of the angles,
    degree; displacement: of the atoms' coordinates, angstrom, None for atoms at random.
    """

    swelling: float
    strain: float
    shear: float
    displacement: float | None


ALIKE, DISTORTED, RANDOM = Spread(0.06, 0.05, 4.0, 0.2), Spread(0.08, 0.2, 10.0, 0.6), Spread(0.08, 0.25, 12.0, None)
SHARES = {ALIKE: 0.4, DISTORTED: 0.3, RANDOM: 0.3}
"""What share of the crystals is drawn with which spread."""
EXCHANGED, SHUFFLED, REPLACED = 0.25, 0.5, 0.3
"""Share of the crystals whose elements are exchanged; shares of the distorted and random ones whose elements change
sites, and in which 30 % of the atoms become any element."""
CLOSEST = 2.2
"""Least distance (angstrom) of atoms at random, where there is room for it."""
ATTEMPTS = 20
"""Draws until a crystal that no voxel holds is given up, or a place for an atom."""


@dataclass(frozen=True)
class FreeCrystals:
    """graphs: (n, side, side, 1), float32, in [-1, 1], on the scale of the known ones; descriptors: (n,
    n_descriptors), float32, of the crystals themselves; parents: (n,) ids of the crystals they are drawn around."""

    graphs: np.ndarray
    descriptors: np.ndarray
    parents: np.ndarray


def free_crystals(
    known: CrystalGraphs,
    crystals: Sequence[Crystal],
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    each: int,
    seed: int,
) -> FreeCrystals:
    """Return ``each`` free crystals around every one of ``crystals``, fewer around those that voxels hardly hold.

    known: crystal graphs whose elements, geometry and scale are taken; values beyond the scale are cut.
    """
    drawn = []
    for crystal in crystals:
        rng = np.random.default_rng(derive_seed(seed, "free crystals", crystal.id))
        turned = orientations(crystal.structure)
        for number in range(each):
            structure = _accepted(turned, known, rng)
            if structure is not None:
                drawn.append(Crystal(f"{crystal.id} {number}", structure, {"parent": crystal.id}))
    return FreeCrystals(
        encode_like(known, drawn, lattice_autoencoder, sites_autoencoder)[1],
        np.array([descriptors(crystal.structure, known.elements) for crystal in drawn], np.float32),
        np.array([crystal.info["parent"] for crystal in drawn], dtype=str),
    )


def drawn_around(structure: Structure, elements: Sequence[str], rng: np.random.Generator) -> Structure:
    """Return a crystal drawn around another one, with as many atoms and about its volume."""
    spread = list(SHARES)[rng.choice(len(SHARES), p=list(SHARES.values()))]
    n_atoms, size = len(structure), rng.uniform()
    lattice = _distorted(structure.lattice, spread, size, rng)
    if spread.displacement is None:
        frac_coords = _places(n_atoms, lattice, rng)
    else:
        moved = rng.normal(0, size * spread.displacement, (n_atoms, 3))
        frac_coords = structure.frac_coords + moved @ lattice.inv_matrix
    kinds = np.array([list(elements).index(site.specie.symbol) for site in structure])
    if rng.uniform() < EXCHANGED:
        kinds = rng.permutation(len(elements))[kinds]
    if spread is not ALIKE and rng.uniform() < SHUFFLED:
        kinds = rng.permutation(kinds)
    if spread is not ALIKE and rng.uniform() < REPLACED:
        kinds = np.where(rng.uniform(size=n_atoms) < 0.3, rng.integers(len(elements), size=n_atoms), kinds)
    return Structure(lattice, [elements[kind] for kind in kinds], frac_coords)


def _accepted(turned: Sequence[Structure], known: CrystalGraphs, rng: np.random.Generator) -> Structure | None:
    """Return a crystal drawn around one of ``turned`` that voxels can hold; None if none is found."""
    for _ in range(ATTEMPTS):
        structure = drawn_around(turned[rng.integers(len(turned))], known.elements, rng)
        if not refusal(structure, known.geometry):
            return structure
    return None


def _distorted(lattice: Lattice, spread: Spread, size: float, rng: np.random.Generator) -> Lattice:
    """Return the lattice strained and sheared at its volume, then swollen; as it was, but swollen, if that is flat."""
    lengths = np.array(lattice.abc) * np.exp(rng.normal(0, size * spread.strain, 3))
    angles = np.clip(np.array(lattice.angles) + rng.normal(0, size * spread.shear, 3), 40, 140)
    other = lattice_from_parameters(*lengths, *angles)
    if not other.volume > 0.1 * lattice.volume:  # three angles may allow no cell at all: its volume is no number
        other = lattice
    scale = (lattice.volume / other.volume) ** (1 / 3) * np.exp(rng.normal(0, size * spread.swelling))
    return lattice_from_parameters(*np.array(other.abc) * scale, *other.angles)


def _places(n_atoms: int, lattice: Lattice, rng: np.random.Generator) -> np.ndarray:
    """Return fractional coordinates (n_atoms, 3) at random, no two closer than CLOSEST if there is room."""
    images = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    places = rng.uniform(size=(1, 3))
    while len(places) < n_atoms:
        for place in rng.uniform(size=(ATTEMPTS, 3)):
            offsets = places - place
            nearest = (offsets - np.round(offsets))[:, None] + images
            if (((nearest @ lattice.matrix) ** 2).sum(-1)).min() > CLOSEST**2:
                break
        places = np.vstack([places, place])
    return places
