"""Structure files of the distinct meta-stable candidates."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ccdcgan.crystals.read_back import write_checked_set
from ccdcgan.crystals.structures import Crystal
from ccdcgan.evaluation.best import best_candidates
from ccdcgan.exports.structure_files import cif_text
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import safe_name, write_text

log = logging.getLogger(__name__)


def write_best(
    candidates: pd.DataFrame, crystals: Sequence[Crystal], cif_folder: str | Path, extxyz: str | Path
) -> dict[str, str]:
    """Write the distinct meta-stable candidates, sorted by hull distance.

    Args:
        candidates: Evaluated candidates of all schemes.
        crystals: Relaxed candidates.
        cif_folder: Folder for one CIF file per candidate, with its symmetry (:mod:`ccdcgan.exports.structure_files`).
        extxyz: Extended XYZ file for all candidates.

    Returns:
        Id -> name of the CIF file. A crystal that cannot be written as a CIF is left out, with a warning.

    Raises:
        InputError: A crystal or its properties do not round-trip through extended XYZ.
    """
    by_id = {crystal.id: crystal for crystal in crystals}
    best, names = [], {}
    for rank, row in enumerate(best_candidates(candidates).itertuples(), start=1):
        crystal = by_id[row.id].updated(scheme=row.scheme, stability=row.stability)
        best.append(crystal)
        try:
            text = cif_text(crystal.structure, crystal.id)
        except InputError as error:
            log.warning("%s", error)
            continue
        names[row.id] = f"{rank:03d}-{crystal.formula}-{safe_name(crystal.id)}.cif"
        write_text(Path(cif_folder) / names[row.id], text)
    write_checked_set(extxyz, best)
    return names
