"""Rounds: what an earlier run's candidates were joins the database of the next one, so that models learn from it.

Each distinct candidate of an earlier run joins the substituted crystals as it was generated, is relaxed like them (the
earlier run's journals hold the result already) and is then a crystal of the database, low in energy or high.
"""

import logging
from collections.abc import Iterable, Sequence

import pandas as pd

from ccdcgan.columns import is_true
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.uniqueness import Uniqueness

log = logging.getLogger(__name__)


def new_candidates(run: str, evaluated: pd.DataFrame, generated: Iterable[Crystal]) -> list[Crystal]:
    """Return the distinct candidates of an earlier run as they were before relaxation, once each.

    run: its name, the first part of their new ids; evaluated: its ``candidates/candidates.csv``; generated: the
    candidates of all its schemes. Each is a prototype of its own: no other crystal was made from it.
    """
    wanted = set(evaluated.loc[is_true(evaluated["distinct"]), "id"])
    found = {crystal.id: crystal for crystal in generated if crystal.id in wanted}
    joined = []
    for crystal in found.values():
        name = f"{run}-{crystal.id}"
        info = {"prototype": name, "parent": crystal.id, "stage": "substituted", "status": "ok", "reason": ""}
        joined.append(Crystal(name, crystal.structure, info))
    return joined


def join(
    substituted: Sequence[Crystal], candidates: Sequence[Crystal], uniqueness: Uniqueness
) -> tuple[list[Crystal], pd.DataFrame]:
    """Return the substituted crystals and those candidates that repeat none of them nor one another, and a table.

    The table has a row for each candidate, with the columns of that of ``substitution.substitute``.
    """
    known = [crystal.structure for crystal in substituted]
    verdicts = uniqueness.first_of_kind([crystal.structure for crystal in candidates], known)
    rows, kept = [], []
    for crystal, verdict in zip(candidates, verdicts, strict=True):
        row = {"id": crystal.id, "prototype": crystal.info["prototype"], "formula": crystal.formula}
        row |= {"n_atoms": len(crystal.structure), "status": "ok", "reason": "", "detail": ""}
        row["volume_per_atom"] = crystal.structure.volume / len(crystal.structure)
        if verdict is None:
            kept.append(crystal)
        else:
            other = (substituted if verdict[0] == "known" else candidates)[verdict[1]]
            row |= {"status": "failed", "reason": "duplicate", "detail": f"same as {other.id}"}
        rows.append(row)
    log.info("%d of %d candidates of earlier runs join the database", len(kept), len(candidates))
    return [*substituted, *kept], pd.DataFrame(rows)
