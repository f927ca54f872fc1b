"""The report of a run: one HTML page that contains everything it shows and needs no network.

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
from plotly.offline import get_plotlyjs

from ccdcgan.columns import COLUMNS, scheme_label, title
from ccdcgan.evaluation.attrition import Stage, funnels
from ccdcgan.evaluation.constraint_accuracy import parity_metrics
from ccdcgan.evaluation.discovery import REFERENCE
from ccdcgan.figures.crystals import element_colours
from ccdcgan.quantities import DISTINCT_META_STABLE, ENHANCEMENT
from ccdcgan.report.candidates import candidate_rows
from ccdcgan.report.data import ReportData, ReportMedia, RunInfo
from ccdcgan.report.formatting import number, relative, words
from ccdcgan.report.overview.cards import best_cards
from ccdcgan.report.overview.comparison import methods_table, phonons_table, symmetry_words, thresholds_table
from ccdcgan.report.overview.numbers import key_numbers, phonon_words
from ccdcgan.report.pictures import picture
from ccdcgan.report.plots import hull_plot
from ccdcgan.report.reliability import trust
from ccdcgan.report.sentences import (
    cautions,
    database_sentences,
    describe_map,
    distance_rule,
    nearest,
    next_steps,
    scheme_sentences,
    variants,
    why_none,
)
from ccdcgan.report.tables import (
    Table,
    constraint_metrics_table,
    constraint_table,
    database_table,
    hull_table,
    known_table,
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

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
LARGEST_PAGE = 15_000_000
"""Number of characters above which a warning is logged."""


def render_report(info: RunInfo, data: ReportData, media: ReportMedia) -> str:
    """Return the report as one HTML page.

    Args:
        info: The run.
        data: Its tables.
        media: Figures, crystals, plots and files.

    Raises:
        KeyError: A figure has no caption.
        InputError: A figure is not a PNG.
    """
    schemes, engine, best = data.shown_schemes(info.schemes), info.engine, data.best
    meta_stable = info.thresholds["meta_stable"]
    paper = set(info.elements) == {"Bi", "Se"}
    scalars = {k: v for k, v in info.provenance.items() if not isinstance(v, Mapping | list | tuple)}
    documents = {k: _yaml(v) for k, v in info.provenance.items() if k not in scalars}
    viewed = [crystal["id"] for crystal in media.crystals]
    heads, rows, n_candidates = candidate_rows(data.candidates, viewed, data.verified, data.phonons)
    hull = hull_plot(data.database, data.candidates, info.elements, schemes, meta_stable, data.known)
    plots = {"hull": hull, "latent": media.latent}
    plots = {name: json.loads(plot.to_json()) for name, plot in plots.items() if plot is not None}
    elements = element_colours(info.elements).items()
    styles = {name: {"colour": colour, "radius": _radius(name)} for name, colour in elements}
    stages = funnels(data.summary, data.losses, data.candidates, meta_stable)
    nothing = why_none(data.counts)
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=f"Crystals designed for {info.system}",
            engine=engine,
            choice=info.choice,
            autoencoders=info.autoencoders,
            lead=nearest(best, data.phonons),
            numbers=key_numbers(data, schemes, info.thresholds, media.cost),
            cards=best_cards(best, media.crystals, styles, data.phonons, data.verified),
            scheme_sentences=[*scheme_sentences(data, schemes), *data.screen_notes(info.schemes)],
            database_sentences=database_sentences(info.system, data),
            distance_rule=distance_rule(data.distances) if len(data.distances) else "",
            variants=variants(data.candidates),
            notes=cautions(engine, best),
            latent_note=describe_map(media.latent.layout.meta if media.latent else None),
            trust=dict(trust(data, schemes, meta_stable)),
            answers=_answers(data, info),
            next_steps=next_steps(engine, data),
            thresholds=info.thresholds,
            paper=paper,
            ternary=len(info.elements) == 3,
            compared=ENHANCEMENT in set(data.summary["quantity"]),
            rows=rows,
            row_heads=heads,
            row_schemes=list(dict.fromkeys(scheme for row in rows for scheme in row.schemes)),
            row_distance=heads.index(title("e_above_hull")),
            row_stabilities=list(dict.fromkeys(row.stability for row in rows)),
            anything_best=not best.empty,
            n_candidates=n_candidates,
            n_best=len(best),
            cif_links={name: relative(path) for name, path in media.cif_paths.items()},
            crystals=media.crystals,
            elements=styles,
            why_none=nothing,
            why_none_best="no candidate is both distinct and meta-stable." if len(data.candidates) else nothing,
            funnels={scheme_label(scheme): _with_widths(stages[scheme]) for scheme in stages if scheme in schemes},
            plots=plots,
            tables=_tables(info, data, media, schemes, paper)
            | {"provenance": Table("Run", ("what", "value"), [(words(k), str(v)) for k, v in scalars.items()])},
            pictures={name: picture(name, image) for name, image in media.figures.items()},
            documents={words(name): text for name, text in documents.items()},
            style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
            data=_embedded({"plots": plots, "crystals": list(media.crystals), "elements": styles}),
            scripts=_scripts(bool(plots), bool(media.crystals)),
        )
    )
    if len(page) > LARGEST_PAGE:
        log.warning("the report has %.0f MB; it would open faster with smaller figures", len(page) / 1e6)
    return page


def _tables(
    info: RunInfo, data: ReportData, media: ReportMedia, schemes: Sequence[str], paper: bool
) -> dict[str, Table]:
    """Return the tables of the page by their names in the template."""
    columns = [(column.name, column.unit, column.meaning) for column in COLUMNS.values()]
    return {
        "methods": methods_table(data.summary, schemes),
        "phonons": phonons_table(data.phonons),
        "thresholds": thresholds_table(data.candidates, info.thresholds),
        "summary": summary_table(data.summary, schemes, paper),
        "scatter": scatter_table(data.scatter, schemes),
        "losses": losses_table(data.losses, schemes),
        "database": database_table(data.database, info.thresholds),
        "hull": hull_table(data.hull, info.elements),
        "known": known_table(data.known),
        "references": references_table(data.references),
        "database_losses": reasons_table("Crystals of the database that failed", data.database),
        "reconstruction": reconstruction_table(data.reconstruction),
        "reconstruction_losses": reasons_table("Crystals that were not reconstructed", data.reconstruction),
        "latents": latents_table(data.latents),
        "latent_tests": latent_tests_table(data.latent_tests),
        "constraint": constraint_table(data.parity),
        "constraint_metrics": constraint_metrics_table(data.constraint_metrics),
        "times": media.times or Table("Times of the jobs", (), [], empty="not measured."),
        "machines": media.machines or Table("Hardware", (), [], empty="not recorded."),
        "verified": verified_table(data.verified),
        "columns": Table("Columns", ("column", "unit", "meaning"), columns),
    }


def _answers(data: ReportData, info: RunInfo) -> dict[str, str]:
    """Return what the headings of the folded sections say beside their names; "" where there is nothing to say."""
    summary = data.summary[data.summary["scheme"].isin(data.shown_schemes(info.schemes))]
    enhanced = summary[summary["quantity"] == ENHANCEMENT].dropna(subset=["value"])
    enhanced = enhanced[enhanced["scheme"] != REFERENCE].sort_values("value", ascending=False, kind="stable")
    factors = [f"{scheme_label(row.scheme)} {number(row.value, 1)}" for row in enhanced.head(2).itertuples()]
    found = summary[summary["quantity"] == DISTINCT_META_STABLE].dropna(subset=["numerator"])
    found = found.sort_values("value", ascending=False, kind="stable").head(2)
    shares = [
        f"{scheme_label(row.scheme)} {int(row.numerator)} of {int(row.denominator)}" for row in found.itertuples()
    ]
    methods = f"enhancement over random: {', '.join(factors)}" if factors else ""
    methods = methods or (f"distinct meta-stable: {', '.join(shares)} relaxations" if shares else "")
    stages = data.counts.groupby("stage")["count"].sum()
    samples, made = int(stages.get("crystal graphs", 0)), int(stages.get("candidates", 0))
    limits = [f"{name.replace('_', '-')} below {value:.3f} eV/atom" for name, value in info.thresholds.items()]
    held_out = parity_metrics(data.parity).set_index("split") if len(data.parity) else pd.DataFrame()
    error = held_out.loc["held_out", "mae"] if "held_out" in held_out.index else float("nan")
    relaxed = int((data.database["status"] == "ok").sum())
    return {
        "methods": methods,
        "losses": f"{samples - made:,} of {samples:,} samples" if samples else "",
        "phonons": phonon_words(data.phonons).removeprefix("phonons: ").removeprefix("phonons "),
        "symmetry": symmetry_words(data.candidates),
        "thresholds": ", ".join(limits),
        "training": "" if pd.isna(error) else f"error of the constraint on held-out crystals {number(error)} eV/atom",
        "database": f"{relaxed:,} crystals relaxed" if relaxed else "",
        "provenance": ", ".join(f"{words(k)} {v}" for k, v in info.provenance.items() if k in ("run", "seed")),
    }


def _radius(element: str) -> float:
    """Return the radius (angstrom) with which an atom is drawn."""
    return round(0.42 * float(covalent_radii[atomic_numbers[element]]), 3) if element in atomic_numbers else 0.5


def _embedded(data: Mapping[str, Any]) -> Markup:
    """Return data as JSON that cannot close the script element that contains it."""
    return Markup(json.dumps(data, allow_nan=False).replace("<", "\\u003c"))


def _scripts(plots: bool, crystals: bool) -> list[Markup]:
    """Return the scripts of the page in order: the libraries that it needs, then its own."""
    vendor = [get_plotlyjs()] if plots else []
    vendor += [(TEMPLATES / "vendor/3Dmol-min.js").read_text(encoding="utf-8")] if crystals else []
    texts = [*vendor, (TEMPLATES / "report.js").read_text(encoding="utf-8")]
    return [Markup(text.replace("</script", "<\\/script")) for text in texts]


def _with_widths(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Return the stages with the widths of their bars, percent of the widest, on a log scale."""
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
