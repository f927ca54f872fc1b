"""Structure files of the distinct meta-stable candidates."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ccdcgan.crystals.structures import Crystal, write_set
from ccdcgan.evaluation.best import best_candidates
from ccdcgan.exports.structure_files import cif_text
from ccdcgan.utils.files import write_text


def write_best(
    candidates: pd.DataFrame, crystals: Sequence[Crystal], cif_folder: str | Path, extxyz: str | Path
) -> dict[str, str]:
    """Write the distinct meta-stable candidates, sorted by hull distance.

    Args:
        candidates: Evaluated candidates of all schemes.
        crystals: Relaxed candidates.
        cif_folder: Folder for one CIF file per candidate, with the symmetry found within CIF_SYMPREC.
        extxyz: Extended XYZ file for all candidates.

    Returns:
        Id -> name of the CIF file.
    """
    by_id = {crystal.id: crystal for crystal in crystals}
    best, names = [], {}
    for rank, row in enumerate(best_candidates(candidates).itertuples(), start=1):
        crystal = by_id[row.id].updated(scheme=row.scheme, stability=row.stability)
        names[row.id] = f"{rank:03d}-{crystal.formula}-{row.id}.cif"
        best.append(crystal)
        write_text(Path(cif_folder) / names[row.id], cif_text(crystal.structure))
    write_set(extxyz, best)
    return names
