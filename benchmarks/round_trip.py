"""Count how many real crystals are reconstructed from their voxels alone, without a network, and why others are not.

    python benchmarks/round_trip.py --oqmd

The crystals are the pure elements and binaries of pymatgen's AFLOW prototypes and, with --oqmd, of OQMD that
pass the default filter (at most 20 atoms, cell lengths up to 10 angstrom in the standard cell). They are not
rescaled.
Crystals outside the voxel limits are counted separately. Their atoms do not fit the box, the cell is outside the range
of the decoder (below 1.5 angstrom, such as hydrogen), or two atoms of one element are too close (``unresolved``). The
exit status is 1 if any other crystal is not reconstructed.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from ccdcgan.crystals.structures import Crystal, compact_positions  # noqa: E402
from ccdcgan.database.prototypes.collection import collect_prototypes  # noqa: E402
from ccdcgan.representation.reconstruction import matches  # noqa: E402
from ccdcgan.representation.voxel_decoding import decode_crystal, decode_sites, largest_displacement  # noqa: E402
from ccdcgan.representation.voxels import Geometry, encode_batch  # noqa: E402

GEOMETRIES = {"default": Geometry(15.0, 16, 0.8, 16, 0.8), "paper": Geometry(15.0, 64, 0.26, 32, 0.26)}
FILTER = {"max_atoms": 20, "limit": None, "oqmd": {"max_formation_energy": 2.0}}


COLUMNS = ("id", "formula", "n_atoms", "reason", "matched", "position_error", "length_error", "angle_error")


def voxel_round_trip(crystals: Iterable[Crystal], geometry: Geometry) -> pd.DataFrame:
    """Encode crystals in their standard cell as voxels, decode these and compare.

    Returns:
        Table with COLUMNS, one row per crystal. reason: "", a reason of ``voxels.refusal``, bad_lattice,
        missing_element, too_many_atoms or not_matched; matched: by StructureMatcher with the tolerances of Long et al.;
        position_error: largest, angstrom, NaN if the number of atoms is wrong; length_error: largest, angstrom;
        angle_error: largest, degree.
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


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oqmd", action="store_true", help="use the crystals of OQMD, too")
    parser.add_argument("--every", type=int, default=1, help="use every n-th crystal only")
    arguments = parser.parse_args()
    lost = 0
    for source in ["aflow"] + (["oqmd"] if arguments.oqmd else []):
        found, _ = collect_prototypes(FILTER | {"sources": [source]}, 2)
        small = [crystal for crystal in found if len(crystal.structure.composition) <= 2]
        crystals = [crystal for crystal in small if max(crystal.structure.lattice.abc) <= 10.0][:: arguments.every]
        print(f"{source}: {len(small)} of at most 2 elements and 20 atoms, {len(crystals)} used (<= 10 angstrom)")
        for name, geometry in GEOMETRIES.items():
            start = time.process_time()
            table = voxel_round_trip(crystals, geometry)
            seconds = time.process_time() - start
            refused = table["reason"].isin(["outside_box", "cell_out_of_range", "unresolved"])
            held = table[~refused]
            gone = held[~held["matched"]]
            lost += len(gone)
            print(f"  {name}: {len(held) - len(gone)} of {len(held)} reconstructed ({seconds:.0f} CPU-s)")
            print(f"    outside the voxel limits: {table.loc[refused, 'reason'].value_counts().to_dict() or 'none'}")
            print(f"    not reconstructed: {dict(zip(gone['id'], gone['reason'], strict=True)) or 'none'}")
            errors = held[["position_error", "length_error", "angle_error"]].max()
            print("    largest errors: sites {:.5f} and lengths {:.5f} angstrom, angles {:.4f} degree".format(*errors))
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
