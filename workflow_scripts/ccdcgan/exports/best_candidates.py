"""The distinct meta-stable candidates as files, and a few lines of text about them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ccdcgan import columns
from ccdcgan.columns import SCHEMES, scheme_label
from ccdcgan.crystals.structures import Crystal, write_set
from ccdcgan.report.structure_view import cif_text
from ccdcgan.report.tables import best_candidates
from ccdcgan.utils.files import write_text


def write_best(
    candidates: pd.DataFrame, crystals: Sequence[Crystal], cif_folder: str | Path, extxyz: str | Path
) -> dict[str, str]:
    """Write the distinct meta-stable candidates, nearest to the hull first; return id -> name of the CIF file.

    candidates: the evaluated candidates of all schemes; crystals: their relaxed structures. One CIF file per
    candidate, with the symmetry found within CIF_SYMPREC, and one extended XYZ with all of them.
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


def short_summary(
    system: str, database_counts: pd.DataFrame, summary: pd.DataFrame, candidates: pd.DataFrame, report: str
) -> str:
    """Return what was found and where it lies, as a few lines for the terminal."""
    counts = database_counts.set_index(["stage", "outcome"])["count"].to_dict()
    lines = [
        f"{system}: {counts['prototypes', 'kept']} prototypes, {counts['substituted', 'kept']} distinct substituted "
        f"crystals, {counts['relaxed', 'kept']} relaxed, {counts['database', 'meta-stable']} of them meta-stable."
    ]
    unreadable = counts.get(("prototypes", "unreadable"), 0)
    if unreadable:
        lines.append(f"{unreadable} prototype files could not be read; prototypes.csv names them and says why.")
    wanted = {
        columns.IMAGES: "candidates of {denominator} samples",
        columns.RELAXED: "relaxed of {denominator} sent",
        columns.DISTINCT_META_STABLE: "distinct and meta-stable",
    }
    for scheme in [name for name in SCHEMES if name in set(summary["scheme"])]:
        rows = summary[summary["scheme"] == scheme].set_index("quantity")
        parts = [
            f"{int(rows.loc[quantity, 'numerator'])} {text.format(denominator=int(rows.loc[quantity, 'denominator']))}"
            for quantity, text in wanted.items()
        ]
        lines.append(f"{scheme_label(scheme)} ({scheme}): {', '.join(parts)}.")
    best = best_candidates(candidates)
    for row in best.head(5).itertuples():
        lines.append(
            f"  {row.formula} ({row.space_group or 'space group unknown'}): E_f {row.formation_energy:.3f}, "
            f"hull distance {row.e_above_hull:.3f} eV/atom, {row.id}"
        )
    if best.empty:
        lines.append("No candidate is both distinct and meta-stable.")
    elif len(best) > 5:
        lines.append(f"  and {len(best) - 5} more.")
    lines.append(f"The report: {report}")
    return "\n".join(lines) + "\n"
