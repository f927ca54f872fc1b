"""The report of a run: one HTML page that holds everything it shows, and asks no network for anything.

plotly.js draws the plots and 3Dmol.js (BSD-3-Clause, see templates/vendor) the crystals; both are inside the page.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
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
from ccdcgan.evaluation.attrition import Stage, funnels, stage_counts
from ccdcgan.evaluation.best import best_candidates
from ccdcgan.figures.crystals import element_colours
from ccdcgan.figures.energies import THRESHOLDS
from ccdcgan.report.candidates import candidate_rows
from ccdcgan.report.formatting import relative, words
from ccdcgan.report.pictures import picture
from ccdcgan.report.plots import hull_plot
from ccdcgan.report.sentences import cautions, findings, map_in_words, next_steps, trust, why_none
from ccdcgan.report.tables import (
    Table,
    constraint_table,
    database_table,
    hull_table,
    latent_tests_table,
    latents_table,
    losses_table,
    reasons_table,
    reconstruction_table,
    references_table,
    scatter_table,
    summary_table,
    verified_table,
)
from ccdcgan.schemes import PAPER

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
LARGEST_PAGE = 15_000_000
"""Characters above which a warning is logged."""


def render_report(
    *,
    system: str,
    elements: Sequence[str],
    engine: str,
    choice: str,
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
    machines: Table | None = None,
    verified: pd.DataFrame | None = None,
    phonons: pd.DataFrame | None = None,
    scatter: pd.DataFrame | None = None,
    cif_paths: Mapping[str, str] | None = None,
    thresholds: Mapping[str, float] = THRESHOLDS,
    schemes: Sequence[str] = PAPER,
) -> str:
    """Return the report as one HTML page.

    system: as the user named it, e.g. "Bi-Se"; engine: where the energies come from, in words; choice: which
    candidates were relaxed, in words; tables: with
    the columns of the run's CSV files, any may be empty; figures: name in ``report_figures.ALTERNATIVES`` -> PNG,
    a path or its bytes, absent ones are left out; provenance: name -> value, mappings and lists are shown folded, as
    YAML; crystals: what ``report_candidates.views`` returns; latent: of ``report_plots.latent_plot``; times, machines:
    tables of ``report_provenance``; verified, phonons: results of these stages, None if they were not run; scatter: of
    ``scatter.scatter``, None without runs with other seeds;
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
    heads, rows, n_candidates = candidate_rows(candidates, shown, verified, phonons)
    plots = {"hull": hull_plot(database, candidates, elements, schemes, thresholds["meta_stable"]), "latent": latent}
    plots = {name: json.loads(plot.to_json()) for name, plot in plots.items() if plot is not None}
    looks = {name: {"colour": colour, "radius": _radius(name)} for name, colour in element_colours(elements).items()}
    stages = funnels(summary, losses, candidates, thresholds["meta_stable"])
    page = _environment().get_template("report.html.j2").render(
        title=f"Crystals designed for {system}",
        engine=engine,
        choice=choice,
        sentences=findings(system, database, counts, best, schemes),
        notes=cautions(engine, best),
        latent_note=map_in_words(latent.layout.meta if latent else None),
        trust=trust(
            best=best,
            counts=counts[counts["scheme"].isin(schemes)],
            database=database,
            reconstruction=reconstruction,
            parity=parity,
            verified=verified,
            phonons=phonons,
            scatter=scatter,
            meta_stable=thresholds["meta_stable"],
        ),
        next_steps=next_steps(engine, best, verified, phonons),
        thresholds=thresholds,
        paper=paper,
        rows=rows,
        row_heads=heads,
        row_schemes=list(dict.fromkeys(scheme for row in rows for scheme in row.schemes)),
        row_stabilities=list(dict.fromkeys(row.stability for row in rows)),
        anything_best=not best.empty,
        n_candidates=n_candidates,
        n_best=len(best),
        cif_links={name: relative(path) for name, path in (cif_paths or {}).items()},
        crystals=crystals,
        elements=looks,
        why_none=why_none(counts),
        why_none_best="no candidate is both distinct and meta-stable." if len(candidates) else why_none(counts),
        funnels={scheme_label(scheme): _with_widths(stages[scheme]) for scheme in stages if scheme in schemes},
        plots=plots,
        tables={
            "summary": summary_table(summary, schemes, paper),
            "scatter": scatter_table(scatter, schemes),
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
            "machines": machines or Table("Hardware", (), [], empty="not recorded."),
            "verified": verified_table(verified),
            "columns": Table(
                "Columns",
                ("column", "unit", "meaning"),
                [(column.name, column.unit, column.meaning) for column in COLUMNS.values()],
            ),
        },
        pictures={name: picture(name, image) for name, image in figures.items()},
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
