"""Crystals on which the autoencoders are pre-trained: prototypes of all compositions, balanced and split by kind.

A kind of prototype is an element ratio, a space group and a number of atoms in the standard cell. All crystals of a
kind are on the same side of the split, so that held-out figures hold for kinds that were not trained on.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import spglib
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal, shortest_distance
from ccdcgan.utils.parallel import parallel_map
from ccdcgan.utils.seeds import derive_seed

SYMPREC = 0.05
"""Tolerance of the symmetry search, angstrom."""
VOLUMES = (10.0, 32.0)
"""Range of the volumes (angstrom^3/atom) to which copies are rescaled: those of most binary and ternary systems."""
CLOSEST = 1.5
"""Minimum interatomic distance of a rescaled copy, angstrom."""

LONGEST = 12.0
"""Maximum length of a cell on which the lattice autoencoder is pre-trained, angstrom; runs limit theirs to 10."""


def kind_of(structure: Structure) -> str:
    """Return the kind of prototype of a crystal in its standard cell, e.g. ``A3B2-166-5``."""
    ratio = structure.composition.anonymized_formula
    cell = (structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])
    dataset = spglib.get_symmetry_dataset(cell, symprec=SYMPREC)
    return f"{ratio}-{1 if dataset is None else dataset.number}-{len(structure)}"


def choose_crystals(
    prototypes: Sequence[Crystal], most_of_a_kind: int, held_out: float, seed: int, processes: int = 1
) -> list[Crystal]:
    """Return the crystals to train on and those held out.

    Args:
        prototypes: Prototypes in their standard cell, at the volumes of their sources.
        most_of_a_kind: Maximum number of crystals of one kind, evenly spaced in volume per atom.
        held_out: Fraction of the kinds that is held out.
        seed: Seed of the split and of the volumes.
        processes: Number of processes.

    Returns:
        The crystals, each with a copy that is rescaled to a random volume; info: kind, split (train, held_out), volume
        (source or rescaled).
    """
    structures = [crystal.structure for crystal in prototypes]
    members: dict[str, list[Crystal]] = defaultdict(list)
    for kind, crystal in zip(
        parallel_map(kind_of, structures, "kinds of prototypes", processes, chunk=100), prototypes, strict=True
    ):
        members[kind].append(crystal)
    order = sorted(members, key=lambda kind: (derive_seed(seed, "pretraining", kind), kind))
    barred = set(order[: round(held_out * len(order))])
    chosen = []
    for kind in sorted(members):
        by_volume = sorted(members[kind], key=lambda crystal: (_volume(crystal.structure), crystal.id))
        rows = np.unique(np.linspace(0, len(by_volume) - 1, min(len(by_volume), most_of_a_kind)).round().astype(int))
        split = "held_out" if kind in barred else "train"
        for crystal in (by_volume[row] for row in rows):
            chosen.append(crystal.updated(kind=kind, split=split, volume="source"))
            copy = Crystal(f"{crystal.id}-rescaled", _rescaled(crystal, seed), crystal.info)
            chosen.append(copy.updated(kind=kind, split=split, volume="rescaled"))
    return chosen


def usual_cells(crystals: Sequence[Crystal]) -> list[Crystal]:
    """Return the crystals without a cell length above :data:`LONGEST`, for the lattice autoencoder."""
    return [crystal for crystal in crystals if max(crystal.structure.lattice.abc) <= LONGEST]


def _volume(structure: Structure) -> float:
    """Return the volume of a crystal, angstrom^3/atom."""
    return structure.volume / len(structure)


def _rescaled(crystal: Crystal, seed: int) -> Structure:
    """Return a crystal at a random volume in :data:`VOLUMES`, or a larger one if its atoms would be too close."""
    rng = np.random.default_rng(derive_seed(seed, "pretraining volume", crystal.id))
    volume = np.exp(rng.uniform(*np.log(VOLUMES)))
    return rescaled(crystal.structure, volume, CLOSEST)


def rescaled(structure: Structure, volume_per_atom: float, closest: float) -> Structure:
    """Return the crystal rescaled to a volume, or to a larger one if two atoms would be closer than ``closest``.

    Args:
        structure: The crystal.
        volume_per_atom: Volume, angstrom^3/atom.
        closest: Minimum distance of two atoms, angstrom.
    """
    scaled = structure.copy()
    scaled.scale_lattice(volume_per_atom * len(structure))
    distance = shortest_distance(scaled)
    if distance < closest:
        scaled.scale_lattice(scaled.volume * (closest / distance) ** 3)
    return scaled
