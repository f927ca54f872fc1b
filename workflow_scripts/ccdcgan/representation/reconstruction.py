"""Reconstruction of crystals from their crystal graphs (Long et al.: 9,420 of 9,810).

With ``representation.split: prototype``, held-out crystals belong to prototypes that the autoencoders were not trained
on. The voxels alone are decoded as well, since an autoencoder cannot restore information that they do not contain.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal, compact_positions
from ccdcgan.representation.crystal_graph import CandidateRules, CrystalCodec, CrystalGraphs
from ccdcgan.representation.reconstruction_examples import Examples
from ccdcgan.representation.voxel_decoding import Decoded, decode_crystal
from ccdcgan.representation.voxels import encode_crystal, refusal
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.progress import track

log = logging.getLogger(__name__)

TOLERANCES = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5}
"""Tolerances of StructureMatcher in Long et al."""
COLUMNS = [
    "id",
    "split",
    "n_atoms",
    "n_atoms_decoded",
    "length_error",
    "angle_error",
    "matched",
    "rms",
    "reason",
    "voxels_matched",
    "voxels_reason",
    "sites_error",
    "sites_all_zero",
    "lattice_error",
    "lattice_all_zero",
]


def matches(first: Structure, second: Structure) -> tuple[bool, float]:
    """Compare two crystals with the tolerances of Long et al.

    The comparison is tried without and with reduction to the primitive cell, since a slightly distorted cell may no
    longer be reducible.

    Returns:
        Whether they are the same, and their rms distance in units of (volume per atom)^(1/3); NaN if they differ.
    """
    for primitive in (False, True):
        distances = StructureMatcher(**TOLERANCES, primitive_cell=primitive).get_rms_dist(first, second)
        if distances is not None:
            return True, float(distances[0])
    return False, float("nan")


def reconstruct(
    codec: CrystalCodec,
    crystals: Sequence[Crystal],
    graphs: CrystalGraphs,
    held_out: np.ndarray,
    max_atoms: int = 20,
) -> pd.DataFrame:
    """Reconstruct every crystal from its crystal graph, and from its voxels alone.

    Args:
        codec: Decodes the crystal graphs.
        crystals: Crystals of the database, in their standard cell.
        graphs: Their crystal graphs, in the same order; those outside the voxel limits have none.
        held_out: Which crystals were not trained on, (n_crystals,) of bool.
        max_atoms: Maximum number of atoms in a decoded cell.

    Returns:
        Table with COLUMNS, one row per crystal. split: train or held_out; length_error: largest, angstrom; angle_error:
        largest, degree; reason: "", a reason of ``voxels.refusal``, bad_lattice, missing_element, too_many_atoms or
        not_matched; voxels_matched, voxels_reason: the same for the voxels alone; sites_error, lattice_error: mean
        squared errors of the voxels; sites_all_zero, lattice_all_zero: those of zeros.

    Raises:
        InputError: Crystal graphs and crystals do not belong together.
    """
    row_of = {name: row for row, name in enumerate(graphs.ids)}
    outputs = codec.decode_voxels(graphs.graphs)
    decoded = codec.decode(graphs.graphs, CandidateRules(max_atoms))
    order = [crystal for crystal in crystals if crystal.id in row_of]
    if [row_of[crystal.id] for crystal in order] != list(range(len(graphs.ids))):
        raise InputError("crystal graphs and crystals are not of one database, or in another order; run again.")
    rows = []
    for index, crystal in enumerate(track(crystals, len(crystals), "reconstruction", "crystals")):
        row = {"id": crystal.id, "split": "held_out" if held_out[index] else "train"}
        row["n_atoms"] = len(crystal.structure)
        if crystal.id not in row_of:
            reason = refusal(crystal.structure, codec.geometry)
            row |= {"matched": False, "reason": reason, "voxels_matched": False, "voxels_reason": reason}
            rows.append(row)
            continue
        lattice, sites = next(outputs)
        true_lattice, true_sites = encode_crystal(crystal.structure, codec.elements, codec.geometry)
        row |= compare_with_original(crystal.structure, next(decoded))
        from_voxels = decode_crystal(true_lattice, true_sites, codec.elements, codec.geometry, max_atoms)
        from_voxels = compare_with_original(crystal.structure, from_voxels)
        row |= {"voxels_matched": from_voxels["matched"], "voxels_reason": from_voxels["reason"]}
        row["sites_error"] = float(np.mean((sites - true_sites) ** 2))
        row["sites_all_zero"] = float(np.mean(true_sites**2))
        row["lattice_error"] = float(np.mean((lattice - true_lattice) ** 2))
        row["lattice_all_zero"] = float(np.mean(true_lattice**2))
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def compare_with_original(structure: Structure, decoded: Decoded) -> dict:
    """Compare a decoded crystal with the original.

    Returns:
        matched and reason; for a decoded crystal also n_atoms_decoded, length_error, angle_error and rms as in
        :func:`reconstruct`.
    """
    if decoded.structure is None:
        return {"matched": False, "reason": decoded.reason}
    matched, rms = matches(structure, decoded.structure)
    difference = np.abs(np.subtract(decoded.structure.lattice.parameters, structure.lattice.parameters))
    return {
        "n_atoms_decoded": len(decoded.structure),
        "length_error": float(difference[:3].max()),
        "angle_error": float(difference[3:].max()),
        "matched": matched,
        "rms": rms,
        "reason": "" if matched else "not_matched",
    }


def summarise(table: pd.DataFrame, held_out_by: str) -> pd.DataFrame:
    """Summarise a table of :func:`reconstruct` by split.

    Args:
        table: One row per crystal.
        held_out_by: How crystals were held out, prototype or random.

    Returns:
        One row for train, held_out and all: held_out_by, split, n, matched, matched_share, voxels_matched,
        voxels_matched_share, median_length_error (angstrom), median_angle_error (degree), mean_rms, sites_error,
        sites_all_zero, lattice_error, lattice_all_zero. Every crystal counts in n, failed ones included.
    """
    rows = []
    for split in ("train", "held_out", "all"):
        part = table if split == "all" else table[table["split"] == split]
        n = len(part)
        row = {"held_out_by": held_out_by, "split": split, "n": n}
        for column in ("matched", "voxels_matched"):
            count = int(part[column].sum())
            row |= {column: count, f"{column}_share": count / n if n else float("nan")}
        row["median_length_error"] = part["length_error"].median()
        row["median_angle_error"] = part["angle_error"].median()
        row["mean_rms"] = part["rms"].mean()
        for column in ("sites_error", "sites_all_zero", "lattice_error", "lattice_all_zero"):
            row[column] = part[column].mean()
        rows.append(row)
    return pd.DataFrame(rows)


def make_examples(
    codec: CrystalCodec,
    roles: Mapping[str, str],
    crystals: Mapping[str, Crystal],
    graphs: CrystalGraphs,
    max_atoms: int = 20,
) -> Examples:
    """Return example crystals before and after reconstruction.

    Args:
        codec: Decodes the crystal graphs.
        roles: Role -> id, from :func:`ccdcgan.representation.reconstruction_examples.choose_examples`.
        crystals: Crystals of the database by id, in their standard cell.
        graphs: Their crystal graphs.
        max_atoms: Maximum number of atoms in a decoded cell.
    """
    row_of = {name: row for row, name in enumerate(graphs.ids)}
    chosen = graphs.graphs[[row_of[name] for name in roles.values()]]
    outputs, decoded = codec.decode_voxels(chosen), codec.decode(chosen, CandidateRules(max_atoms))
    lattices, sites, shown = [], [], []
    for name, output, after in zip(roles.values(), outputs, decoded, strict=True):
        crystal = crystals[name]
        voxels = encode_crystal(crystal.structure, codec.elements, codec.geometry), output
        lattices.append([lattice[len(lattice) // 2] for lattice, _ in voxels])
        sites.append([each.max(axis=1) for _, each in voxels])
        shown.append(Crystal(name, _centred(crystal.structure), {**crystal.info, "side": "before"}))
        if after.structure is not None:
            shown.append(Crystal(name, _centred(after.structure), {"side": "after"}))
    return Examples(
        np.array(list(roles.values()), dtype=str),
        np.array(list(roles), dtype=str),
        np.array(lattices, dtype=np.float32),
        np.array(sites, dtype=np.float32),
        codec.elements,
        codec.geometry.box,
        shown,
    )


def _centred(structure: Structure) -> Structure:
    """Return the crystal with its atoms around the centre of the cell, so that both sides can be compared by eye."""
    centred = structure.lattice.get_fractional_coords(compact_positions(structure))
    return Structure(structure.lattice, structure.species, centred + 0.5)
