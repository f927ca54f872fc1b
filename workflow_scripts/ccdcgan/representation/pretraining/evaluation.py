"""Reconstruction of crystals that the pre-training held out, voxel by voxel."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ccdcgan.crystals.structures import Crystal
from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.training_voxels import SAME_CELL, SAME_PLACE, LatticeSource, SitesSource, one_element_sets
from ccdcgan.representation.voxel_decoding import decode_lattice, decode_sites, largest_displacement

BATCH = 256
COLUMNS = ("network", "group", "n", "rebuilt", "rebuilt_share", "median_error", "unit", "relative_loss")
CROWDS = {"1 to 2 atoms": (1, 2), "3 to 5 atoms": (3, 5), "6 to 10 atoms": (6, 10), "more than 10 atoms": (11, 10**6)}
"""Groups of sites voxels by the number of their atoms."""


def reconstruct_voxels(
    network: str, autoencoder: Autoencoder, crystals: Sequence[Crystal], settings: Mapping[str, Any], box: float
) -> pd.DataFrame:
    """Encode and decode the voxels of crystals, without refinement of the decoded voxels.

    Args:
        network: ``sites`` or ``lattice``.
        autoencoder: The autoencoder of this network.
        crystals: Crystals in their standard cell; sites voxels that cannot be resolved are omitted.
        settings: Section of the configuration for this network: grid and sigma.
        box: Edge of the box of the sites voxel, angstrom.

    Returns:
        One row per voxel: crystal (row in ``crystals``), n_elements, n_points (atoms in the voxel; 1 for a lattice),
        error (largest displacement of an atom, or largest error of a cell length, angstrom; NaN if the numbers of atoms
        differ or no cell is found), rebuilt (as in the learning curve), squared (mean squared error), zero (that of
        an empty voxel).
    """
    structures = [crystal.structure for crystal in crystals]
    grid, sigma = int(settings["grid"]), float(settings["sigma"])
    if network == "sites":
        sets = one_element_sets(structures, box, max((len(structure) for structure in structures), default=1))
        source, owner, n_points = SitesSource(sets, grid, box, sigma), sets.owner, sets.mask.sum(axis=1).astype(int)
    else:
        matrices = np.array([structure.lattice.matrix for structure in structures]).reshape(-1, 3, 3)
        source, owner, n_points = LatticeSource(matrices, grid, sigma), np.arange(len(crystals)), [1] * len(crystals)
    rows = []
    for start in range(0, source.size, BATCH):
        chosen = np.arange(start, min(start + BATCH, source.size))
        true = source.fixed(chosen)[..., 0].numpy()
        output = autoencoder.decode(autoencoder.encode(true))
        for index, one, other in zip(chosen, true, output, strict=True):
            error, rebuilt = (_cells if network == "lattice" else _atoms)(one, other, sigma, box)
            rows.append(
                {
                    "crystal": int(owner[index]),
                    "n_elements": len(structures[owner[index]].composition),
                    "n_points": int(n_points[index]),
                    "error": error,
                    "rebuilt": rebuilt,
                    "squared": float(np.mean((other - one) ** 2)),
                    "zero": float(np.mean(one**2)),
                }
            )
    return pd.DataFrame(rows, columns=["crystal", "n_elements", "n_points", "error", "rebuilt", "squared", "zero"])


def summarise_voxels(network: str, table: pd.DataFrame) -> pd.DataFrame:
    """Summarise a table of :func:`reconstruct_voxels`.

    Args:
        network: ``sites`` or ``lattice``.
        table: One row per voxel.

    Returns:
        Table with COLUMNS: all voxels, then groups by number of elements and, for sites, by number of atoms in the
        voxel. median_error is that of the rebuilt voxels, in ``unit``; relative_loss is the mean squared error divided
        by that of empty voxels.
    """
    groups = {"all": np.ones(len(table), bool)}
    for number in sorted(set(table["n_elements"])):
        groups[f"{number} element{'s' if number > 1 else ''}"] = (table["n_elements"] == number).to_numpy()
    if network == "sites":
        groups |= {name: table["n_points"].between(*limits).to_numpy() for name, limits in CROWDS.items()}
    rows = []
    for group, members in groups.items():
        part = table[members]
        if len(part):
            rebuilt = part["rebuilt"].astype(bool)
            numbers = len(part), int(rebuilt.sum()), float(rebuilt.mean()), float(part.loc[rebuilt, "error"].median())
            rows.append((network, group, *numbers, "angstrom", float(part["squared"].mean() / part["zero"].mean())))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _atoms(true: np.ndarray, output: np.ndarray, sigma: float, box: float) -> tuple[float, bool]:
    """Return the largest displacement of an atom (angstrom), and whether the voxel is reconstructed."""
    error = largest_displacement(decode_sites(true, box, sigma), decode_sites(output, box, sigma))
    return error, bool(error <= SAME_PLACE)


def _cells(true: np.ndarray, output: np.ndarray, sigma: float, box: float) -> tuple[float, bool]:
    """Return the largest error of a cell length (angstrom), and whether the cell is reconstructed."""
    cells = [decode_lattice(voxel, sigma) for voxel in (true, output)]
    if None in cells:
        return float("nan"), False
    apart = np.abs(np.subtract(cells[0].parameters, cells[1].parameters))
    return float(apart[:3].max()), bool(apart[:3].max() <= SAME_CELL[0] and apart[3:].max() <= SAME_CELL[1])
