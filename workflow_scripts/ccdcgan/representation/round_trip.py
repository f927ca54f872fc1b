"""What voxels alone keep of crystals: every one encoded, decoded and compared, no network between."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ccdcgan.crystals.structures import Crystal, compact_positions
from ccdcgan.representation.reconstruction import matches
from ccdcgan.representation.voxel_decoding import decode_crystal, decode_sites, largest_displacement
from ccdcgan.representation.voxels import Geometry, encode_batch

COLUMNS = ("id", "formula", "n_atoms", "reason", "matched", "position_error", "length_error", "angle_error")


def voxel_round_trip(crystals: Iterable[Crystal], geometry: Geometry) -> pd.DataFrame:
    """Return one row per crystal, in its standard cell, that went into its voxels and came back.

    Columns: id, formula, n_atoms, reason ("", or why it was refused, see ``voxels.refusal``, or how it was lost:
    bad_lattice, missing_element, too_many_atoms, not_matched), matched (by StructureMatcher with
    the paper's tolerances), position_error (largest of all atoms, angstrom, NaN if their number is wrong),
    length_error (largest, angstrom), angle_error (largest, degree).
    """
    return pd.DataFrame([_round_trip(crystal, geometry) for crystal in crystals], columns=list(COLUMNS))


def _round_trip(crystal: Crystal, geometry: Geometry) -> dict:
    structure = crystal.structure
    elements = sorted({site.specie.symbol for site in structure})
    lattices, sites, refusals = encode_batch([structure], elements, geometry)
    row = {"id": crystal.id, "formula": crystal.formula, "n_atoms": len(structure), "matched": False}
    if refusals[0]:
        return row | {"reason": refusals[0]}
    decoded = decode_crystal(lattices[0], sites[0], elements, geometry, max_atoms=len(structure))
    if decoded.structure is None:
        return row | {"reason": decoded.reason}
    matched, _ = matches(structure, decoded.structure)
    difference = np.abs(np.subtract(decoded.structure.lattice.parameters, structure.lattice.parameters))
    positions = compact_positions(structure)
    species = np.array([site.specie.symbol for site in structure])
    found = [decode_sites(voxel, geometry.box, geometry.sites_sigma) for voxel in sites[0]]
    pairs = zip(elements, found, strict=True)
    errors = [largest_displacement(positions[species == element], own) for element, own in pairs]
    return row | {
        "reason": "" if matched else "not_matched",
        "matched": matched,
        "position_error": max(errors),
        "length_error": float(difference[:3].max()),
        "angle_error": float(difference[3:].max()),
    }
