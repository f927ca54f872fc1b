"""Training data of the autoencoders: training crystals of the database, and prototypes of any composition.

Neither sites voxels nor lattice voxels depend on the elements. Every prototype that is not held out is therefore
training data of both autoencoders.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal, shortest_distance
from ccdcgan.representation.pretraining.crystals import rescaled, usual_cells
from ccdcgan.representation.training_voxels import (
    NO_AUGMENTATION,
    Augmentation,
    LatticeSource,
    SitesSource,
    one_element_sets,
)


def training_sources(
    network: str,
    settings: dict[str, Any],
    box: float,
    crystals: Sequence[Crystal],
    prototypes: Sequence[Crystal],
    split: pd.DataFrame,
) -> tuple[SitesSource | LatticeSource, SitesSource | LatticeSource]:
    """Return the source of training data and the source of held-out data of one autoencoder.

    Args:
        network: ``sites`` or ``lattice``.
        settings: Section of the configuration for this network.
        box: Edge of the box of the sites voxel, angstrom.
        crystals: Relaxed crystals of the database.
        prototypes: Prototypes of the database, rescaled here to the median volume per atom of its training crystals.
        split: Table from ``splits.split_training``.
    """
    sides = {(row.set, row.id): row.split for row in split.itertuples()}
    train = [crystal.structure for crystal in crystals if sides["database", crystal.id] == "train"]
    held_out = [crystal.structure for crystal in crystals if sides["database", crystal.id] == "held_out"]
    closest = min(shortest_distance(structure) for structure in train)
    volume = float(np.median([structure.volume / len(structure) for structure in train]))
    train += [
        rescaled(crystal.structure, volume, closest)
        for crystal in prototypes
        if sides["prototypes", crystal.id] == "train"
    ]
    return sources_of(network, settings, box, train, held_out)


def pretraining_sources(
    network: str, settings: dict[str, Any], box: float, crystals: Sequence[Crystal]
) -> tuple[SitesSource | LatticeSource, SitesSource | LatticeSource]:
    """Return the source of training data and the source of held-out data of the pre-training of one autoencoder.

    Args:
        network: ``sites`` or ``lattice``.
        settings: Section of the configuration for this network.
        box: Edge of the box of the sites voxel, angstrom.
        crystals: Crystals from ``pretraining.crystals.choose_crystals``.
    """
    if network == "lattice":
        crystals = usual_cells(crystals)
    train, held_out = (
        [crystal.structure for crystal in crystals if crystal.info["split"] == split] for split in ("train", "held_out")
    )
    return sources_of(network, settings, box, train, held_out)


def sources_of(
    network: str, settings: dict[str, Any], box: float, train: Sequence[Structure], held_out: Sequence[Structure]
) -> tuple[SitesSource | LatticeSource, SitesSource | LatticeSource]:
    """Return the source of training data, augmented if the settings say so, and the source of held-out data.

    Args:
        network: ``sites`` or ``lattice``.
        settings: Section of the configuration for this network.
        box: Edge of the box of the sites voxel, angstrom.
        train: Crystals to train on, in their standard cell.
        held_out: Crystals that are held out, in their standard cell.
    """
    augmentation = _augmentation(network, settings) if settings["augment"] else NO_AUGMENTATION
    if network == "lattice":
        matrices = [np.array([structure.lattice.matrix for structure in part]) for part in (train, held_out)]
        return (
            LatticeSource(matrices[0].reshape(-1, 3, 3), settings["grid"], settings["sigma"], augmentation),
            LatticeSource(matrices[1].reshape(-1, 3, 3), settings["grid"], settings["sigma"]),
        )
    most = max(len(structure) for structure in [*train, *held_out])
    sets = [one_element_sets(part, box, most) for part in (train, held_out)]
    return (
        SitesSource(sets[0], settings["grid"], box, settings["sigma"], augmentation),
        SitesSource(sets[1], settings["grid"], box, settings["sigma"]),
    )


def _augmentation(network: str, settings: dict[str, Any]) -> Augmentation:
    """Return the random variation of the training samples. Lattices are only scaled and strained."""
    if network == "lattice":
        return Augmentation(scale=0.1, strain=0.05, displacement=0.0, symmetries=False)
    return Augmentation(subsets=settings["subsets"], crowded=settings["crowded"])
