"""How many crystals survive the way into a crystal graph and back (Long et al.: 9,420 of 9,810).

Held-out crystals are of prototypes the autoencoders never saw, as a generated crystal would be. The voxels
alone are read back too: what they lose no autoencoder can mend.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from ccdcgan.crystals.structures import Crystal, compact_positions
from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.crystal_graph import CrystalGraphs, decode_crystals, decode_graphs
from ccdcgan.representation.reconstruction_examples import Examples
from ccdcgan.representation.voxel_decoding import Decoded, decode_crystal
from ccdcgan.representation.voxels import encode_crystal, refusal
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.progress import track

log = logging.getLogger(__name__)

TOLERANCES = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5}


def matches(first: Structure, second: Structure) -> tuple[bool, float]:
    """Return whether two crystals are the same within the paper's tolerances, and the rms distance.

    Tried without, then with reduction to the primitive cell: a cell that came back slightly distorted
    reduces no more. The rms is normalised by (volume per atom)^(1/3), NaN without a match.
    """
    for primitive in (False, True):
        found = StructureMatcher(**TOLERANCES, primitive_cell=primitive).get_rms_dist(first, second)
        if found is not None:
            return True, float(found[0])
    return False, float("nan")


def reconstruct(
    crystals: Sequence[Crystal],
    graphs: CrystalGraphs,
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    held_out: np.ndarray,
    max_atoms: int = 20,
) -> pd.DataFrame:
    """Return one row per crystal: what came back through its crystal graph and through its voxels alone.

    crystals: in their standard cell; held_out: (n_crystals,) of bool. Columns: id, split (train, held_out),
    n_atoms, n_atoms_decoded, length_error (largest, angstrom), angle_error (largest, degree), matched, rms,
    reason ("", a reason of ``voxels.refusal``, bad_lattice, missing_element, too_many_atoms, not_matched),
    voxels_matched, voxels_reason, sites_error and lattice_error (mean squared error of the voxels), sites_all_zero and
    lattice_all_zero (the same for zeros).
    """
    row_of = {name: row for row, name in enumerate(graphs.ids)}
    autoencoders = (lattice_autoencoder, sites_autoencoder)
    drawn = decode_graphs(graphs.latents, len(graphs.elements), *autoencoders)
    decoded = decode_crystals(graphs.latents, graphs.elements, *autoencoders, graphs.geometry, max_atoms)
    order = [crystal for crystal in crystals if crystal.id in row_of]
    if [row_of[crystal.id] for crystal in order] != list(range(len(graphs.ids))):
        raise InputError("crystal graphs and crystals are not of one database, or in another order; run again.")
    rows = []
    for index, crystal in enumerate(track(crystals, len(crystals), "reconstruction", "crystals")):
        row = {"id": crystal.id, "split": "held_out" if held_out[index] else "train"}
        row["n_atoms"] = len(crystal.structure)
        if crystal.id not in row_of:
            why = refusal(crystal.structure, graphs.geometry)
            rows.append(row | {"matched": False, "voxels_matched": False} | dict.fromkeys(_REASONS, why))
            continue
        lattice, sites = next(drawn)
        true_lattice, true_sites = encode_crystal(crystal.structure, graphs.elements, graphs.geometry)
        row |= compare(crystal.structure, next(decoded))
        through = decode_crystal(true_lattice, true_sites, graphs.elements, graphs.geometry, max_atoms)
        through = compare(crystal.structure, through)
        row |= {"voxels_matched": through["matched"], "voxels_reason": through["reason"]}
        row["sites_error"] = float(np.mean((sites - true_sites) ** 2))
        row["sites_all_zero"] = float(np.mean(true_sites**2))
        row["lattice_error"] = float(np.mean((lattice - true_lattice) ** 2))
        row["lattice_all_zero"] = float(np.mean(true_lattice**2))
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


COLUMNS = [
    *("id", "split", "n_atoms", "n_atoms_decoded", "length_error", "angle_error", "matched", "rms", "reason"),
    *(
        "voxels_matched",
        "voxels_reason",
        "sites_error",
        "sites_all_zero",
        "lattice_error",
        "lattice_all_zero",
    ),
]
_REASONS = ("reason", "voxels_reason")


def compare(structure: Structure, decoded: Decoded) -> dict:
    """Return how a crystal came back: matched, reason, and if it is one, the other columns of :func:`reconstruct`."""
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
    """Return one row per split, and for all: matched and voxels_matched out of n, mean errors beside
    baselines.

    held_out_by: how crystals were held out, prototype or random. Columns: held_out_by, split, n, matched,
    matched_share, voxels_matched, voxels_matched_share, median_length_error (angstrom), median_angle_error (degree),
    mean_rms, sites_error, sites_all_zero, lattice_error, lattice_all_zero. Every crystal counts in n, failed ones too.
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
    roles: Mapping[str, str],
    crystals: Mapping[str, Crystal],
    graphs: CrystalGraphs,
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    max_atoms: int = 20,
) -> Examples:
    """Return the crystals that ``reconstruction_examples.choose`` names, before and after.

    crystals: by id, in their standard cell.
    """
    rows = {name: row for row, name in enumerate(graphs.ids)}
    latents = graphs.latents[[rows[name] for name in roles.values()]]
    networks = (lattice_autoencoder, sites_autoencoder)
    drawn = decode_graphs(latents, len(graphs.elements), *networks)
    decoded = decode_crystals(latents, graphs.elements, *networks, graphs.geometry, max_atoms)
    lattices, sites, shown = [], [], []
    for name, output, back in zip(roles.values(), drawn, decoded, strict=True):
        crystal = crystals[name]
        voxels = encode_crystal(crystal.structure, graphs.elements, graphs.geometry), output
        lattices.append([lattice[len(lattice) // 2] for lattice, _ in voxels])
        sites.append([each.max(axis=1) for _, each in voxels])
        shown.append(Crystal(name, _in_the_middle(crystal.structure), {**crystal.info, "side": "before"}))
        if back.structure is not None:
            shown.append(Crystal(name, _in_the_middle(back.structure), {"side": "after"}))
    return Examples(
        np.array(list(roles.values()), dtype=str),
        np.array(list(roles), dtype=str),
        np.array(lattices, dtype=np.float32),
        np.array(sites, dtype=np.float32),
        tuple(graphs.elements),
        graphs.geometry.box,
        shown,
    )


def _in_the_middle(structure: Structure) -> Structure:
    """Return the crystal with its atoms around the middle of the cell, where both sides can be compared by eye."""
    centred = structure.lattice.get_fractional_coords(compact_positions(structure))
    return Structure(structure.lattice, structure.species, centred + 0.5)
