"""Synthetic, unlabelled crystals for pre-training.

Descriptors need no energy calculation, so any number of crystals can be made. There are three kinds: perturbed copies
of known crystals (equivalent orientation, strain, change of volume, displaced atoms), strongly distorted copies with
permuted elements, and random atoms in a distorted cell. A network trained on the first kind alone overfits to the known
structures. The synthetic crystals of one parent depend on its id and the seed only, so that those of held-out crystals
can be left out.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.descriptors import descriptors
from ccdcgan.crystals.structures import Crystal, lattice_from_parameters
from ccdcgan.representation.crystal_graph import CrystalCodec
from ccdcgan.representation.orientations import orientations
from ccdcgan.representation.voxels import refusal
from ccdcgan.utils.seeds import derive_seed


@dataclass(frozen=True)
class Spread:
    """Maximum standard deviations of a perturbation; each crystal takes a random fraction of them, uniform in [0, 1].

    Attributes:
        expansion: Of the logarithm of all lengths together.
        strain: Of the logarithm of each length, at constant volume.
        shear: Of the angles, degree.
        displacement: Of the atoms' coordinates, angstrom; None: random positions.
    """

    expansion: float
    strain: float
    shear: float
    displacement: float | None


ALIKE, DISTORTED, RANDOM = Spread(0.06, 0.05, 4.0, 0.2), Spread(0.08, 0.2, 10.0, 0.6), Spread(0.08, 0.25, 12.0, None)
SHARES = {ALIKE: 0.4, DISTORTED: 0.3, RANDOM: 0.3}
"""Fraction of the crystals that are made with each spread."""
EXCHANGED, SHUFFLED, REPLACED = 0.25, 0.5, 0.3
"""Fraction of the crystals whose elements are exchanged, and fractions of the distorted and random ones whose elements
are permuted over the sites, and in which 30 % of the atoms take a random element."""
CLOSEST = 2.2
"""Minimum distance (angstrom) between random atoms, where there is room."""
ATTEMPTS = 20
"""Number of attempts to make a crystal within the voxel limits, and to place an atom."""


@dataclass(frozen=True)
class SyntheticCrystals:
    """n synthetic crystals.

    Attributes:
        graphs: Crystal graphs, (n, side, side, 1), float32, in [-1, 1].
        descriptors: Descriptors of the crystals, (n, n_descriptors), float32.
        parents: Ids of the crystals from which they were derived, (n,).
    """

    graphs: np.ndarray
    descriptors: np.ndarray
    parents: np.ndarray


def make_synthetic_crystals(
    codec: CrystalCodec, crystals: Sequence[Crystal], each: int, seed: int
) -> SyntheticCrystals:
    """Derive synthetic crystals from known ones.

    Args:
        codec: Encodes the synthetic crystals.
        crystals: The parents.
        each: Number of synthetic crystals per parent; fewer if they are hardly within the voxel limits.
        seed: Seed of the training.
    """
    made = []
    for crystal in crystals:
        rng = np.random.default_rng(derive_seed(seed, "free crystals", crystal.id))
        oriented = orientations(crystal.structure)
        for number in range(each):
            structure = _within_limits(oriented, codec, rng)
            if structure is not None:
                made.append(Crystal(f"{crystal.id} {number}", structure, {"parent": crystal.id}))
    return SyntheticCrystals(
        codec.encode(made).graphs,
        np.array([descriptors(crystal.structure, codec.elements) for crystal in made], np.float32),
        np.array([crystal.info["parent"] for crystal in made], dtype=str),
    )


def perturbed(structure: Structure, elements: Sequence[str], rng: np.random.Generator) -> Structure:
    """Return a synthetic crystal with the number of atoms and about the volume of a structure.

    Args:
        structure: Structure to start from.
        elements: Elements of the chemical system.
        rng: Random numbers.
    """
    spread = list(SHARES)[rng.choice(len(SHARES), p=list(SHARES.values()))]
    n_atoms, size = len(structure), rng.uniform()
    lattice = _distorted(structure.lattice, spread, size, rng)
    if spread.displacement is None:
        frac_coords = _random_positions(n_atoms, lattice, rng)
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


def _within_limits(oriented: Sequence[Structure], codec: CrystalCodec, rng: np.random.Generator) -> Structure | None:
    """Return a synthetic crystal within the voxel limits, derived from one of ``oriented``; None after ATTEMPTS."""
    for _ in range(ATTEMPTS):
        structure = perturbed(oriented[rng.integers(len(oriented))], codec.elements, rng)
        if not refusal(structure, codec.geometry):
            return structure
    return None


def _distorted(lattice: Lattice, spread: Spread, size: float, rng: np.random.Generator) -> Lattice:
    """Return the lattice strained and sheared at constant volume, then scaled.

    If the sheared cell is degenerate, the lattice is only scaled.
    """
    lengths = np.array(lattice.abc) * np.exp(rng.normal(0, size * spread.strain, 3))
    angles = np.clip(np.array(lattice.angles) + rng.normal(0, size * spread.shear, 3), 40, 140)
    other = lattice_from_parameters(*lengths, *angles)
    if not other.volume > 0.1 * lattice.volume:  # for some angles there is no cell, and the volume is NaN
        other = lattice
    scale = (lattice.volume / other.volume) ** (1 / 3) * np.exp(rng.normal(0, size * spread.expansion))
    return lattice_from_parameters(*np.array(other.abc) * scale, *other.angles)


def _random_positions(n_atoms: int, lattice: Lattice, rng: np.random.Generator) -> np.ndarray:
    """Return random fractional coordinates (n_atoms, 3), no two atoms closer than CLOSEST if there is room."""
    images = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    positions = rng.uniform(size=(1, 3))
    while len(positions) < n_atoms:
        for position in rng.uniform(size=(ATTEMPTS, 3)):
            offsets = positions - position
            nearest = (offsets - np.round(offsets))[:, None] + images
            if (((nearest @ lattice.matrix) ** 2).sum(-1)).min() > CLOSEST**2:
                break
        positions = np.vstack([positions, position])
    return positions
