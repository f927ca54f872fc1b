"""Candidates of earlier runs as additional crystals of the database (experimental).

Each distinct candidate of an earlier run is added to the substituted crystals as it was generated. It is relaxed like
them, where the journals of the earlier run already have the result, and becomes a crystal of the database, so that the
models are trained on it, too. So far this has not given more meta-stable candidates per relaxation
(docs/validation/not-adopted.md).
"""

import logging
from collections.abc import Iterable, Sequence

import pandas as pd

from ccdcgan.columns import SAME_AS
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.utils.tables import is_true

log = logging.getLogger(__name__)


def new_candidates(run: str, evaluated: pd.DataFrame, generated: Iterable[Crystal]) -> list[Crystal]:
    """Return the distinct candidates of an earlier run as they were before relaxation, once each.

    Each candidate is its own prototype, since no other crystal was made from it.

    Args:
        run: Name of the earlier run, the first part of the new ids.
        evaluated: Its table ``candidates/candidates.csv``.
        generated: The candidates of all its schemes.
    """
    distinct = set(evaluated.loc[is_true(evaluated["distinct"]), "id"])
    by_id = {crystal.id: crystal for crystal in generated if crystal.id in distinct}
    candidates = []
    for crystal in by_id.values():
        name = f"{run}-{crystal.id}"
        info = {"prototype": name, "parent": crystal.id, "stage": "substituted", "status": "ok", "reason": ""}
        candidates.append(Crystal(name, crystal.structure, info))
    return candidates


def join(
    substituted: Sequence[Crystal], candidates: Sequence[Crystal], uniqueness: Uniqueness
) -> tuple[list[Crystal], pd.DataFrame]:
    """Add candidates of earlier runs to the substituted crystals.

    Args:
        substituted: Substituted crystals of this run.
        candidates: Candidates of earlier runs, see :func:`new_candidates`.
        uniqueness: Equality of crystals.

    Returns:
        The substituted crystals and the new candidates, which equal neither one of them nor an earlier candidate; and a
        table with one row per candidate, with the columns of that of
        :func:`~ccdcgan.database.substitution.substitute`.
    """
    known = [crystal.structure for crystal in substituted]
    verdicts = uniqueness.first_of_kind([crystal.structure for crystal in candidates], known)
    rows, added = [], []
    for crystal, verdict in zip(candidates, verdicts, strict=True):
        row = {"id": crystal.id, "prototype": crystal.info["prototype"], "formula": crystal.formula}
        row |= {"n_atoms": len(crystal.structure), "status": "ok", "reason": "", "detail": ""}
        row["volume_per_atom"] = crystal.structure.volume / len(crystal.structure)
        if verdict is None:
            added.append(crystal)
        else:
            other = (substituted if verdict[0] == "known" else candidates)[verdict[1]]
            row |= {"status": "failed", "reason": "duplicate", "detail": SAME_AS + other.id}
        rows.append(row)
    log.info("%d of %d candidates of earlier runs added to the database", len(added), len(candidates))
    return [*substituted, *added], pd.DataFrame(rows)
