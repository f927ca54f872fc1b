"""Candidates in the report: table of all candidates, and views, facts and files of the best ones."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from pymatgen.core import Structure

from ccdcgan.columns import COLUMNS, scheme_label, scheme_labels, title
from ccdcgan.crystals.fingerprints import nearest_known
from ccdcgan.crystals.structures import Crystal
from ccdcgan.crystals.symmetry import SYMMETRISED
from ccdcgan.evaluation.best import once_each
from ccdcgan.exports.structure_files import cif_text, poscar_text
from ccdcgan.reasons import reason_label
from ccdcgan.report.formatting import describe_phonons, formula_html, group_html, number, text
from ccdcgan.report.reliability import UNCERTAINTY
from ccdcgan.report.structure_view import view
from ccdcgan.utils.errors import InputError

log = logging.getLogger(__name__)

MOST_ROWS = 1500
"""Maximum number of candidates in the table of the page."""
MOST_SHOWN = 40
"""Maximum number of candidates with three-dimensional views; each adds about 20 kB."""


@dataclass(frozen=True)
class Cell:
    """A cell of the table of candidates.

    Attributes:
        content: Text or Markup.
        key: Sort key, a number or a text.
        numeric: Whether the cell is a number, aligned right.
        wide: Whether the cell is left out on narrow screens, where the details of the row have its content.
    """

    content: str
    key: str
    numeric: bool = False
    wide: bool = False


@dataclass(frozen=True)
class CandidateRow:
    """A row of the table of candidates.

    Attributes:
        id: Id of the candidate.
        schemes: Labels of the schemes that have it.
        stability: Label of its stability.
        best: Whether it is distinct and meta-stable.
        shown: Whether it has a view.
        cells: Cells of the row.
        facts: Name and value of everything else that is known of it, for the details of the row.
    """

    id: str
    schemes: Sequence[str]
    stability: str
    best: bool
    shown: bool
    cells: Sequence[Cell]
    facts: Sequence[tuple[str, str]]


HEADS = ("formula", "space_group", "e_above_hull", "stability", "distinct", "scheme")
"""Columns of the table; those of verification and phonons are added where they exist, everything else is a detail."""
DETAILS = (
    "id",
    "formation_energy",
    "uncorrected_formation_energy",
    "energy_scheme",
    "uncertainty_source",
    "predicted_formation_energy",
    "expected_formation_energy",
    "n_atoms",
    "volume_per_atom",
    "symmetrisation",
    "symmetry_tolerance",
    "rmsd",
    "rmsd_matched",
    "known",
    "repeats",
    "repaired",
    "round",
    "parent",
)
"""Columns among the details of a row, in order; those without a value are left out."""


def candidate_rows(
    candidates: pd.DataFrame, shown: Sequence[str], verified: pd.DataFrame | None, phonons: pd.DataFrame | None
) -> tuple[list[str], list[CandidateRow], int]:
    """Return the table of all candidates: the best first, the failed last, at most MOST_ROWS.

    Args:
        candidates: Evaluated candidates.
        shown: Ids of candidates that have a view.
        verified: Table of the verification, None if not run.
        phonons: Table of phonons, None if not computed.

    Returns:
        Heads, rows, and the number of candidates.
    """
    rows = once_each(candidates)
    heads = [title(name) for name in HEADS]
    second = {name: row["verified_e_above_hull"] for name, row in _by_id(verified).items()}
    dynamics = {name: row for name, row in _by_id(phonons).items() if row["status"] == "ok"}
    heads[3:3] = ["lowest phonon (THz)"] if dynamics else []
    heads[3:3] = ["hull distance, verified (eV/atom)"] if second else []
    result = []
    for row in rows.head(MOST_ROWS).to_dict("records"):
        failed = row["status"] == "failed"
        stability = f"failed: {reason_label(row['reason'])}" if failed else text(row["stability"])
        proposer = _missing_to_empty(row.get("proposed_by"))
        found_by = scheme_labels(row["schemes"]) + (f" ({proposer})" if proposer else "")
        cells = [
            Cell(formula_html(row["formula"]), str(row["formula"])),
            Cell(group_html(text(row.get("space_group"))), text(row.get("space_group"))),
            _distance(row),
            Cell(stability, stability, wide=True),
            Cell(_distinct(row), _distinct(row), wide=True),
            Cell(found_by, found_by, wide=True),
        ]
        cells[3:3] = [_phonon(dynamics.get(row["id"]))] if dynamics else []
        cells[3:3] = [_numeric(second.get(row["id"]))] if second else []
        labels = [scheme_label(scheme) for scheme in row["schemes"]]
        label = "failed" if failed else text(row["stability"])
        facts = [("stability", stability), ("distinct", _distinct(row)), ("scheme", found_by), *_details(row)]
        facts += [("phonons", describe_phonons(dynamics[row["id"]]))] if row["id"] in dynamics else []
        result.append(CandidateRow(str(row["id"]), labels, label, row["best"], row["id"] in shown, cells, facts))
    return heads, result, len(rows)


def _details(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what else is known of a candidate as (name, value with unit)."""
    facts = []
    for name in DETAILS:
        value = _missing_to_empty(row.get(name))
        if value == "":
            continue
        column = COLUMNS[name]
        digits = 0 if column.kind == "count" else 1 if column.unit.startswith("angstrom^3") else 3
        words = number(value, digits) if column.kind in ("number", "count") else str(value)
        facts.append((column.label, f"{words} {column.unit}".strip()))
    return facts


def _missing_to_empty(value: object) -> object:
    """Return a value of a table, "" if it is missing."""
    return "" if value is None or pd.isna(value) else value


def _phonon(row: Mapping[str, Any] | None) -> Cell:
    """Return the lowest frequency of a candidate, and whether it is a minimum of the energy."""
    if row is None:
        return _numeric(None, 2)
    cell = _numeric(row["lowest_frequency"], 2)
    stable = str(row["dynamically_stable"]) == "True"
    return replace(cell, content=f"{cell.content} {'stable' if stable else 'unstable'}")


def _by_id(table: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    return {} if table is None or table.empty else table.drop_duplicates("id").set_index("id").to_dict("index")


def _distinct(row: Mapping[str, Any]) -> str:
    """Return whether a candidate is distinct, or the crystal of which it is a variant."""
    if row["distinct"]:
        return "yes"
    variant = row.get("variant")
    return f"variant of {variant}" if isinstance(variant, str) and variant else "no"


def _numeric(value: float | None, digits: int = 3) -> Cell:
    known = value is not None and value != "" and pd.notna(value)
    return Cell(number(value if known else None, digits), f"{float(value):.6f}" if known else "", True)


def _distance(row: Mapping[str, Any]) -> Cell:
    """Return the hull distance, with its uncertainty if known."""
    return replace(_numeric(row["e_above_hull"]), content=distance_text(row))


def distance_text(row: Mapping[str, Any]) -> str:
    """Return the hull distance (eV/atom) of a candidate, with its uncertainty if known."""
    distance, uncertainty = row["e_above_hull"], row.get(UNCERTAINTY)
    if pd.isna(distance) or uncertainty is None or pd.isna(uncertainty):
        return number(distance)
    return f"{number(distance)} ± {number(uncertainty)}"


def views(
    best: pd.DataFrame,
    relaxed: Mapping[str, Crystal],
    generated: Mapping[str, Crystal],
    database: Sequence[Crystal],
    elements: Sequence[str],
    verified: pd.DataFrame | None = None,
    phonons: pd.DataFrame | None = None,
) -> list[dict[str, Any]]:
    """Return views, facts and files of the best candidates, nearest to the hull first.

    Args:
        best: Table of :func:`ccdcgan.evaluation.best.best_candidates`.
        relaxed: Id -> crystal after relaxation, or the lower one to which an imaginary mode led.
        generated: Id -> crystal before relaxation.
        database: Crystals of the database.
        elements: Elements of the system.
        verified: Table of the verification, None if not run.
        phonons: Table of phonons, None if not computed.

    Returns:
        For each candidate: ``id``, ``formula``, ``label``, ``views`` (title, note, cell, atoms, bonds), ``facts``
        (name, value), ``nearest`` (formula, space_group, id and fingerprint ``distance`` of the nearest known crystal;
        empty without one), and the texts of the files, ``cif`` and ``poscar``; a text is "" if the file would hold
        another crystal.
    """
    second, dynamics = _by_id(verified), _by_id(phonons)
    entries = []
    for row in best.head(MOST_SHOWN).to_dict("records"):
        name = row["id"]
        if name not in relaxed:
            continue
        crystal = relaxed[name]
        shown = []
        if name in generated:
            shown.append(_view("generated", "decoded from its crystal graph", generated[name]))
        lower = "n_followed" in crystal.info
        note = "lower crystal along an imaginary mode" if lower else text(row.get("space_group"))
        shown.append(_view("relaxed", note, crystal))
        nearest, beside = nearest_known(crystal.structure, database, elements), {}
        if nearest is not None:
            known, unlike = nearest
            group = known.info.get("space_group", "") or "space group unknown"
            beside = {"formula": known.formula, "space_group": group, "id": known.id, "distance": round(unlike, 3)}
            note = f"{known.formula}, {group}, {known.id}; fingerprint distance {unlike:.3f} (0: same, 0.5: unrelated)"
            shown.append(_view("nearest known structure", note, known))
        structure = crystal.structure
        label = f"{crystal.formula}, {text(row.get('space_group'))}, {number(row['e_above_hull'])} eV/atom"
        unstable = ", dynamically unstable" if str(dynamics.get(name, {}).get("dynamically_stable")) == "False" else ""
        facts = [
            *_dynamics(dynamics.get(name)),
            ("hull distance", f"{distance_text(row)} eV/atom"),
            ("formation energy", f"{number(row['formation_energy'])} eV/atom"),
            ("space group", text(row.get("space_group"))),
            *_symmetry(row),
            ("atoms in the cell", str(len(structure))),
            ("volume", f"{number(structure.volume / len(structure), 2)} Å³/atom"),
            ("cell", _cell(structure.lattice.parameters)),
            ("scheme", str(row["scheme"])),
            *_verification(second.get(name)),
        ]
        entries.append(
            {
                "id": name,
                "formula": crystal.formula,
                "label": label + unstable,
                "views": shown,
                "facts": facts,
                "nearest": beside,
                "cif": _file(cif_text, crystal),
                "poscar": _file(poscar_text, crystal),
            }
        )
    return entries


def _file(text_of: Callable[[Structure, str], str], crystal: Crystal) -> str:
    """Return the text of a structure file, "" with a warning if the crystal cannot be written."""
    try:
        return text_of(crystal.structure, crystal.id)
    except InputError as error:
        log.warning("%s", error)
        return ""


def _view(name: str, note: str, crystal: Crystal) -> dict[str, Any]:
    return {"title": name, "note": note, **view(crystal.structure)}


def _cell(parameters: Sequence[float]) -> str:
    lengths, angles = parameters[:3], parameters[3:]
    return f"{', '.join(f'{x:.2f}' for x in lengths)} Å; {', '.join(f'{x:.1f}' for x in angles)}°"


def _symmetry(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the result of the symmetrisation, nothing if there was none."""
    outcome, energy = row.get("symmetrisation"), row.get("symmetry_energy")
    if not isinstance(outcome, str) or not outcome:
        return []
    shift = (
        ""
        if energy is None or pd.isna(energy)
        else f", {number(1000 * energy, 2)} meV/atom relative to the relaxed one"
    )
    within = f" within {number(row['symmetry_tolerance'], 1)} Å" if outcome == SYMMETRISED else ""
    return [("symmetric crystal", f"{outcome}{within}{shift}")]


def _verification(row: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return the result of the second engine, or that the candidate was not verified."""
    if row is None:
        return [("verification", "not done")]
    if row["status"] != "ok":
        return [("verification", f"{row['verified_engine']}: {reason_label(row['reason'])}")]
    energies = f"formation energy {number(row['verified_formation_energy'])}"
    kept = {"True": "the same structure", "False": "another structure"}.get(str(row["same_structure"]), "not relaxed")
    distance = number(row["verified_e_above_hull"])
    return [("verification", f"{row['verified_engine']}: hull distance {distance}, {energies} eV/atom, {kept}")]


def _dynamics(row: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return the result of the phonons, or that they were not computed."""
    if row is None:
        return [("phonons", "not computed")]
    if row["status"] == "failed":
        return [("phonons", f"not computed: {reason_label(row['reason'])}")]
    return [("phonons", describe_phonons(row))]
