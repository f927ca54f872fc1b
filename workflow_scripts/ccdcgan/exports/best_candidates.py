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
    candidates: pd.DataFrame,
    crystals: Sequence[Crystal],
    cif_folder: str | Path,
    extxyz: str | Path,
    phonons: pd.DataFrame | None = None,
) -> dict[str, str]:
    """Write the distinct meta-stable candidates, sorted by hull distance.

    A crystal that replaces a candidate because an imaginary mode led to it has ``n_followed`` and ``energy_change``
    (eV/atom). Its energies are those of the candidate plus this change.

    Args:
        candidates: Evaluated candidates of all schemes.
        crystals: Relaxed candidates, or the lower crystals to which imaginary modes led, with their ids.
        cif_folder: Folder for one CIF file per candidate, with its symmetry (:mod:`ccdcgan.exports.structure_files`).
        extxyz: Extended XYZ file for all candidates.
        phonons: Table of phonons, None if not computed. The first line of a CIF file states an instability.

    Returns:
        Id -> name of the CIF file. A crystal that cannot be written as a CIF is left out, with a warning.

    Raises:
        InputError: A crystal or its properties do not round-trip through extended XYZ.
    """
    by_id = {crystal.id: _at_its_energy(crystal) for crystal in crystals}
    dynamics = (
        {} if phonons is None or phonons.empty else phonons.drop_duplicates("id").set_index("id").to_dict("index")
    )
    best, names = [], {}
    for rank, row in enumerate(best_candidates(candidates).itertuples(), start=1):
        crystal = by_id[row.id].updated(scheme=row.scheme, stability=row.stability)
        known = dynamics.get(row.id, {})
        if known.get("status") == "ok":
            stable = str(known["dynamically_stable"]) == "True"
            crystal = crystal.updated(dynamically_stable=stable, lowest_frequency=float(known["lowest_frequency"]))
        best.append(crystal)
        try:
            text = cif_text(crystal.structure, crystal.id)
        except InputError as error:
            log.warning("%s", error)
            continue
        if not crystal.info.get("dynamically_stable", True):
            frequency = crystal.info["lowest_frequency"]
            text = f"# dynamically unstable: imaginary phonon, lowest frequency {frequency:.2f} THz\n{text}"
        names[row.id] = f"{rank:03d}-{crystal.formula}-{safe_name(crystal.id)}.cif"
        write_text(Path(cif_folder) / names[row.id], text)
    write_checked_set(extxyz, best)
    return names


def _at_its_energy(crystal: Crystal) -> Crystal:
    """Return a crystal with its energies: those of the candidate that it replaces, plus the change."""
    change = crystal.info.get("energy_change")
    if change is None:
        return crystal
    names = ("energy_per_atom", "formation_energy", "uncorrected_formation_energy", "e_above_hull")
    return crystal.updated(**{name: crystal.info[name] + change for name in names if name in crystal.info})
