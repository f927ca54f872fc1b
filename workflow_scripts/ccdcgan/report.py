"""The report of a run: one HTML page that holds everything it shows, and asks no network for anything."""

import base64
import logging
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ccdcgan.columns import COLUMNS, complete, scheme_label
from ccdcgan.errors import InputError
from ccdcgan.figures.energies import THRESHOLDS, hull_vertices
from ccdcgan.figures.losses import stage_counts
from ccdcgan.figures.style import DPI
from ccdcgan.report_tables import (
    Table,
    best_candidates,
    best_table,
    constraint_table,
    database_table,
    formula_html,
    hull_table,
    losses_table,
    number,
    percent,
    reasons_table,
    reconstruction_table,
    references_table,
    summary_table,
    words,
)
from ccdcgan.schemes import PAPER

log = logging.getLogger(__name__)

MOST_CANDIDATES = 200
"""Rows in the page's table of candidates; the rest is in the CSV file."""
CSS_DPI = 112
"""Pixels of a page for an inch of a figure."""
_PNG_START = b"\x89PNG\r\n\x1a\n"
LARGEST_PAGE = 15_000_000
"""Characters above which a warning is logged."""

FIGURES: Mapping[str, tuple[str, str]] = {
    "formation_energies": (
        "Formation energies of the relaxed candidates of each scheme over those of the database. "
        "Large marks: distinct meta-stable candidates.",
        "Scatter plots, one a scheme: formation energy of database and candidates, with the convex hull.",
    ),
    "energy_histograms": (
        "Histograms of formation energies of the database and of each scheme's relaxed candidates.",
        "Histograms of formation energies, one for the database and one for each scheme, with their means.",
    ),
    "losses_by_reason": (
        "Crystals left at each stage, and those lost by reason. The scale is logarithmic.",
        "Bars: number of crystals left at each stage, and number lost for each reason, for each scheme.",
    ),
    "learning_curves": (
        "Learning curves of both autoencoders. An output of all zeros, which has learnt nothing, would have "
        "the loss of the dashed and dotted lines.",
        "Curves of reconstruction loss against training step for the lattice and the sites autoencoder.",
    ),
    "example_crystals": (
        "Crystals of the database, each beside its crystal graph. From the top: latent of the cell, padded "
        "with zeros, then the sites latent of each element.",
        "Drawings of up to four crystals, each beside a square picture of its latent values.",
    ),
    "latent_map": (
        "Crystal graphs in the plane of the two directions in which the database's vary most.",
        "Scatter plots, one a scheme: first two principal components of database and candidates.",
    ),
    "constraint_parity": (
        "Formation energies predicted by the constraint against those from the engine.",
        "Scatter plot of predicted against computed formation energy for training and held-out crystals.",
    ),
    "gan_curves": (
        "Training of the generators: losses, share of crystal graphs that the discriminator judges rightly, "
        "and the constraint's term. Dark lines are running means.",
        "Curves against training step for each scheme: losses, discriminator accuracy, constraint term.",
    ),
}
"""Figure -> its caption and its text for those who do not see it. Named as the functions that draw them."""


@dataclass(frozen=True)
class Picture:
    """source: a data URI; width, height on a page (pixel); alt: text for those who do not see it; caption."""

    source: str
    width: int
    height: int
    alt: str
    caption: str


def render_report(
    *,
    system: str,
    elements: Sequence[str],
    engine: str,
    database: pd.DataFrame,
    references: pd.DataFrame,
    candidates: pd.DataFrame,
    summary: pd.DataFrame,
    losses: pd.DataFrame,
    reconstruction: pd.DataFrame,
    parity: pd.DataFrame,
    figures: Mapping[str, str | Path | bytes],
    provenance: Mapping[str, Any],
    cif_paths: Mapping[str, str] | None = None,
    thresholds: Mapping[str, float] = THRESHOLDS,
    schemes: Sequence[str] = PAPER,
) -> str:
    """Return the report as one HTML page.

    system: as the user named it, e.g. "Bi-Se"; engine: where the energies come from, in words; tables: with
    the columns of the run's CSV files, any may be empty; figures: name in :data:`FIGURES` -> PNG, a path or
    its bytes, absent ones are left out; provenance: name -> value, mappings and lists are shown folded, as
    YAML; cif_paths: candidate's id -> path of its CIF relative to the page; thresholds: hull distances
    (eV/atom) ``stable`` and ``meta_stable``. Raises KeyError for a figure that has no caption,
    InputError for one that is no PNG.
    """
    database = complete(database, "id", "formula", "fraction", "formation_energy", "e_above_hull", "status", "reason")
    summary = complete(summary, "scheme", "quantity", "numerator", "denominator", "value", "unit")
    losses = complete(losses, "scheme", "reason", "count")
    reconstruction = complete(reconstruction, "id", "split", "matched", "reason")
    counts = stage_counts(summary)
    best = best_candidates(candidates)
    paper = set(elements) == {"Bi", "Se"}
    scalars = {k: v for k, v in provenance.items() if not isinstance(v, Mapping | list | tuple)}
    documents = {k: _yaml(v) for k, v in provenance.items() if k not in scalars}
    page = _environment().get_template("report.html.j2").render(
        title=f"Crystals designed for {system}",
        engine=engine,
        sentences=_sentences(system, database, counts, best, schemes),
        notes=_notes(engine, best),
        thresholds=thresholds,
        paper=paper,
        hidden=f"{len(best):,}" if len(best) > MOST_CANDIDATES else "",
        tables={
            "summary": summary_table(summary, schemes, paper),
            "best": best_table(best.head(MOST_CANDIDATES), cif_paths or {}),
            "losses": losses_table(losses, schemes),
            "database": database_table(database, thresholds),
            "hull": hull_table(database, elements),
            "references": references_table(references),
            "database_losses": reasons_table("Crystals of the database that were lost", database),
            "reconstruction": reconstruction_table(reconstruction),
            "reconstruction_losses": reasons_table("Crystals that were not rebuilt", reconstruction),
            "constraint": constraint_table(parity),
            "provenance": Table("Run", ("what", "value"), [(words(k), str(v)) for k, v in scalars.items()]),
            "columns": Table(
                "Columns",
                ("column", "unit", "meaning"),
                [(column.name, column.unit, column.meaning) for column in COLUMNS.values()],
            ),
        },
        pictures={name: _picture(name, image) for name, image in figures.items()},
        documents={words(name): text for name, text in documents.items()},
    )  # fmt: skip
    if len(page) > LARGEST_PAGE:
        log.warning("the report has %.0f MB; smaller figures would make it easier to open", len(page) / 1e6)
    return page


def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _yaml(value: Any) -> str:
    def plain(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {str(key): plain(entry) for key, entry in item.items()}
        if isinstance(item, list | tuple):
            return [plain(entry) for entry in item]
        return item if isinstance(item, bool | int | float | str | None) else str(item)

    return yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True).rstrip()


def _picture(name: str, image: str | Path | bytes) -> Picture:
    caption, alt = FIGURES[name]
    content = image if isinstance(image, bytes) else Path(image).read_bytes()
    if content[:8] != _PNG_START:
        raise InputError(f"figure {name} is no PNG image; draw it again.")
    # all figures are shown at one scale, so that their letters have one size
    width, height = (round(n * CSS_DPI / DPI) for n in struct.unpack(">II", content[16:24]))
    source = "data:image/png;base64," + base64.b64encode(content).decode()
    return Picture(source, width, height, alt, caption)


def _sentences(
    system: str, database: pd.DataFrame, counts: pd.DataFrame, best: pd.DataFrame, schemes: Sequence[str]
) -> list[str | Markup]:
    """Return the summary in plain words."""
    relaxed = int((database["status"] == "ok").sum())
    vertices = hull_vertices(database)["formula"]
    names = Markup(", ").join(formula_html(name) for name in vertices) or "no compound"
    share = f" ({percent(relaxed / len(database))})" if len(database) else ""
    text = Markup(
        "The database of {} holds {:,} substituted structures, of which {:,}{} relaxed; its convex hull has {} on it."
    )
    sentences: list[str | Markup] = [text.format(system, len(database), relaxed, share, names)]
    for scheme in schemes:
        left = counts[counts["scheme"] == scheme].set_index("stage")["count"].to_dict()
        if not left.get("candidates"):
            sentences.append(f"{scheme_label(scheme)} gave no candidates.")
            continue
        graphs, made = left.get("crystal graphs", 0), left["candidates"]
        share = f" ({percent(made / graphs)})" if graphs else ""
        wanted = ("sent to relaxation", "relaxed", "meta-stable", "distinct meta-stable")
        sent, relaxed, meta, distinct = (left.get(stage, 0) for stage in wanted)
        sentences.append(
            f"{scheme_label(scheme)} made {made:,} candidates from {graphs:,} crystal graphs{share}. "
            f"Of {sent:,} sent to relaxation {relaxed:,} relaxed, {meta:,} are meta-stable, "
            f"and {distinct:,} of these are distinct, not in the database."
        )
    if best.empty:
        sentences.append("No candidate is both distinct and meta-stable.")
    else:
        first = best.iloc[0]
        energy, distance = number(first["formation_energy"]), first["e_above_hull"]
        where = "above" if distance >= 0 else "below"
        text = Markup(
            "Nearest to the hull among the distinct candidates is {} (space group {}, {}): formation "
            "energy {} eV/atom, {} eV/atom {} the database's hull."
        )
        group = first.get("space_group", "") or "unknown"
        named = (formula_html(first["formula"]), group, first["id"])
        sentences.append(text.format(*named, energy, number(abs(distance)), where))
    return sentences


def _notes(engine: str, best: pd.DataFrame) -> list[str]:
    """Return what a reader must know before believing the numbers."""
    notes = []
    below = int((best["e_above_hull"] < 0).sum()) if len(best) else 0
    if below:
        names = "candidate lies" if below == 1 else "distinct candidates lie"
        notes.append(
            f"{below:,} {names} below the hull of the database: either new ground states, or flaws of the "
            "engine. Compute them with another engine first."
        )
    if "vasp" not in engine.lower() and "dft" not in engine.lower():
        notes.append(
            "These energies are not from DFT. Errors of such an engine can be as large as the thresholds "
            "that decide what is meta-stable, so take the candidates as proposals to be verified with DFT."
        )
    return notes
