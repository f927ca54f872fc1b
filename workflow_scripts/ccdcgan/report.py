"""The report of a run: one HTML page that holds everything it shows, and asks no network for anything.

plotly.js draws the plots and 3Dmol.js (BSD-3-Clause, see templates/vendor) the crystals; both are inside the page.
"""

import base64
import json
import logging
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from ase.data import atomic_numbers, covalent_radii
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from ccdcgan.columns import COLUMNS, complete, scheme_label
from ccdcgan.errors import InputError
from ccdcgan.figures.energies import THRESHOLDS, hull_vertices
from ccdcgan.figures.losses import stage_counts
from ccdcgan.figures.style import DPI, ELEMENT_COLOURS
from ccdcgan.funnel import Stage, funnels
from ccdcgan.report_candidates import candidate_rows
from ccdcgan.report_plots import hull_plot
from ccdcgan.report_tables import (
    Table,
    best_candidates,
    constraint_table,
    database_table,
    formula_html,
    hull_table,
    latent_tests_table,
    latents_table,
    losses_table,
    number,
    percent,
    reasons_table,
    reconstruction_table,
    references_table,
    relative,
    summary_table,
    words,
)
from ccdcgan.schemes import PAPER

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
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
    "generator_curves": (
        "Training of the generators: losses, share of crystal graphs that the discriminator judges rightly, "
        "the constraint's term, and how many of a small sample decode to crystals. Dark lines are running means.",
        "Curves against training step for each scheme: losses, discriminator accuracy, constraint term, probes.",
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
    latents: pd.DataFrame,
    latent_tests: pd.DataFrame,
    parity: pd.DataFrame,
    figures: Mapping[str, str | Path | bytes],
    provenance: Mapping[str, Any],
    crystals: Sequence[Mapping[str, Any]] = (),
    latent: Figure | None = None,
    times: Table | None = None,
    verified: pd.DataFrame | None = None,
    phonons: pd.DataFrame | None = None,
    cif_paths: Mapping[str, str] | None = None,
    thresholds: Mapping[str, float] = THRESHOLDS,
    schemes: Sequence[str] = PAPER,
) -> str:
    """Return the report as one HTML page.

    system: as the user named it, e.g. "Bi-Se"; engine: where the energies come from, in words; tables: with
    the columns of the run's CSV files, any may be empty; figures: name in :data:`FIGURES` -> PNG, a path or
    its bytes, absent ones are left out; provenance: name -> value, mappings and lists are shown folded, as
    YAML; crystals: what ``report_candidates.views`` returns; latent: of ``report_plots.latent_plot``; times: of
    ``report_provenance.rule_times``; verified, phonons: results of these stages, None if they were not run;
    cif_paths: candidate's id -> path of its CIF relative to the page; thresholds: hull distances
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
    shown = [crystal["id"] for crystal in crystals]
    heads, rows = candidate_rows(candidates, shown, verified, phonons)
    plots = {"hull": hull_plot(database, candidates, elements, schemes, thresholds["meta_stable"]), "latent": latent}
    plots = {name: json.loads(plot.to_json()) for name, plot in plots.items() if plot is not None}
    looks = {
        name: {"colour": ELEMENT_COLOURS[i % len(ELEMENT_COLOURS)], "radius": _radius(name)}
        for i, name in enumerate(elements)
    }
    stages = funnels(summary, losses, candidates, thresholds["meta_stable"])
    page = _environment().get_template("report.html.j2").render(
        title=f"Crystals designed for {system}",
        engine=engine,
        sentences=_sentences(system, database, counts, best, schemes),
        notes=_notes(engine, best),
        thresholds=thresholds,
        paper=paper,
        rows=rows,
        row_heads=heads,
        row_schemes=list(dict.fromkeys(row.scheme for row in rows)),
        row_stabilities=list(dict.fromkeys(row.stability for row in rows)),
        anything_best=not best.empty,
        n_candidates=len(candidates),
        n_best=len(best),
        cif_links={name: relative(path) for name, path in (cif_paths or {}).items()},
        crystals=crystals,
        elements=looks,
        why_none=_why_none(counts),
        why_none_best="no candidate is both distinct and meta-stable." if len(candidates) else _why_none(counts),
        funnels={scheme_label(scheme): _with_widths(stages[scheme]) for scheme in stages if scheme in schemes},
        plots=plots,
        tables={
            "summary": summary_table(summary, schemes, paper),
            "losses": losses_table(losses, schemes),
            "database": database_table(database, thresholds),
            "hull": hull_table(database, elements),
            "references": references_table(references),
            "database_losses": reasons_table("Crystals of the database that were lost", database),
            "reconstruction": reconstruction_table(reconstruction),
            "reconstruction_losses": reasons_table("Crystals that were not rebuilt", reconstruction),
            "latents": latents_table(latents),
            "latent_tests": latent_tests_table(latent_tests),
            "constraint": constraint_table(parity),
            "provenance": Table("Run", ("what", "value"), [(words(k), str(v)) for k, v in scalars.items()]),
            "times": times or Table("What the jobs took", (), [], empty="not measured."),
            "columns": Table(
                "Columns",
                ("column", "unit", "meaning"),
                [(column.name, column.unit, column.meaning) for column in COLUMNS.values()],
            ),
        },
        pictures={name: _picture(name, image) for name, image in figures.items()},
        documents={words(name): text for name, text in documents.items()},
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        data=_embedded({"plots": plots, "crystals": list(crystals), "elements": looks}),
        scripts=_scripts(bool(plots), bool(crystals)),
    )  # fmt: skip
    if len(page) > LARGEST_PAGE:
        log.warning("the report has %.0f MB; smaller figures would make it easier to open", len(page) / 1e6)
    return page


def _radius(element: str) -> float:
    """Return the radius (angstrom) of an atom as it is drawn."""
    return round(0.42 * float(covalent_radii[atomic_numbers[element]]), 3) if element in atomic_numbers else 0.5


def _embedded(data: Mapping[str, Any]) -> Markup:
    """Return data as JSON that cannot end the script element it stands in."""
    return Markup(json.dumps(data, allow_nan=False).replace("<", "\\u003c"))


def _scripts(plots: bool, crystals: bool) -> list[Markup]:
    """Return the scripts of the page in the order they run: only the libraries it needs, then its own."""
    vendor = [get_plotlyjs()] if plots else []
    vendor += [(TEMPLATES / "vendor/3Dmol-min.js").read_text(encoding="utf-8")] if crystals else []
    texts = [*vendor, (TEMPLATES / "report.js").read_text(encoding="utf-8")]
    return [Markup(text.replace("</script", "<\\/script")) for text in texts]


def _with_widths(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Return the stages of a funnel with the width of their bars, percent of the widest, on a log scale."""
    largest = math.log1p(max(stage.left for stage in stages)) or 1.0
    return [
        {
            "name": stage.name,
            "left": stage.left,
            "lost": stage.lost,
            "width": round(100 * math.log1p(stage.left) / largest),
        }
        for stage in stages
    ]


def _why_none(counts: pd.DataFrame) -> str:
    """Return why no candidate was relaxed."""
    made = counts.groupby("stage")["count"].sum()
    if not made.get("crystal graphs", 0):
        return "no crystal graphs were generated."
    if not made.get("candidates", 0):
        return (
            f"none of {made['crystal graphs']:,} crystal graphs decoded to a crystal that passed the distance rule; "
            "the losses below say why. Train longer or generate more."
        )
    return "the configuration sends none to relaxation."


def _environment() -> Environment:
    loader = FileSystemLoader(TEMPLATES)
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
