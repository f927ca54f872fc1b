"""The tables and media of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from plotly.graph_objects import Figure

from ccdcgan.columns import scheme_label
from ccdcgan.database.thermodynamics import hull_phases
from ccdcgan.evaluation.attrition import stage_counts
from ccdcgan.evaluation.best import THRESHOLDS, best_candidates
from ccdcgan.quantities import SUCCESS_RATE
from ccdcgan.report.tables import Table
from ccdcgan.schemes import PAPER, screened
from ccdcgan.utils.tables import complete


@dataclass(frozen=True)
class RunInfo:
    """Information on a run that is not in its tables.

    Attributes:
        system: Chemical system as in the configuration, e.g. "Bi-Se".
        elements: Its elements.
        engine: Engine of the energies, in words.
        choice: Which candidates were relaxed, in words.
        autoencoders: Where the autoencoders are from, and which crystals count as held out, in words.
        schemes: Schemes in the order of all tables.
        thresholds: Hull distances, eV/atom, of ``stable`` and ``meta_stable`` crystals.
        provenance: Name -> value; mappings and lists are shown folded, as YAML.
    """

    system: str
    elements: Sequence[str]
    engine: str
    choice: str = ""
    autoencoders: str = ""
    schemes: Sequence[str] = PAPER
    thresholds: Mapping[str, float] = field(default_factory=lambda: THRESHOLDS)
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportData:
    """The tables of a run, with the columns of its CSV files. Any may be empty.

    Candidates of a screening scheme that rejected no candidate are dropped, because they repeat those of the screened
    scheme.

    The last four belong to stages that not every run has; None: the stage was not run.
    """

    database: pd.DataFrame = field(default_factory=pd.DataFrame)
    references: pd.DataFrame = field(default_factory=pd.DataFrame)
    candidates: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    losses: pd.DataFrame = field(default_factory=pd.DataFrame)
    reconstruction: pd.DataFrame = field(default_factory=pd.DataFrame)
    latents: pd.DataFrame = field(default_factory=pd.DataFrame)
    latent_tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    parity: pd.DataFrame = field(default_factory=pd.DataFrame)
    known: pd.DataFrame = field(default_factory=pd.DataFrame)
    distances: pd.DataFrame = field(default_factory=pd.DataFrame)
    verified: pd.DataFrame | None = None
    phonons: pd.DataFrame | None = None
    scatter: pd.DataFrame | None = None
    constraint_metrics: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        columns = {
            "database": ("id", "formula", "fraction", "formation_energy", "e_above_hull", "status", "reason"),
            "known": ("id", "formula", "space_group", "e_above_hull", "status", "reason", "repeats", "source"),
            "summary": ("scheme", "quantity", "numerator", "denominator", "value", "unit"),
            "distances": ("pair", "shortest", "limit"),
            "losses": ("scheme", "reason", "count"),
            "reconstruction": ("id", "split", "matched", "reason"),
        }
        for name, names in columns.items():
            object.__setattr__(self, name, complete(getattr(self, name), *names))
        idle = self.idle_screens(self.summary["scheme"].unique())
        if idle and "scheme" in self.candidates:
            object.__setattr__(self, "candidates", self.candidates[~self.candidates["scheme"].isin(idle)])

    @cached_property
    def counts(self) -> pd.DataFrame:
        """Number of crystals of each scheme at each stage, from :func:`ccdcgan.evaluation.attrition.stage_counts`."""
        return stage_counts(self.summary)

    @cached_property
    def hull(self) -> pd.DataFrame:
        """Crystals that make up the hull, from :func:`ccdcgan.database.thermodynamics.hull_phases`."""
        return hull_phases(self.database, self.known)

    @cached_property
    def best(self) -> pd.DataFrame:
        """Best candidates, nearest to the hull first."""
        return best_candidates(self.candidates)

    def idle_screens(self, schemes: Sequence[str]) -> dict[str, str]:
        """Return the screening schemes that rejected no candidate -> the scheme that they equal."""
        made = self.summary[self.summary["quantity"] == SUCCESS_RATE].set_index("scheme")["numerator"]
        pairs = {scheme: screened(scheme) for scheme in schemes if screened(scheme)}
        return {
            scheme: start
            for scheme, start in pairs.items()
            if scheme in made and start in made and made[scheme] == made[start]
        }

    def shown_schemes(self, schemes: Sequence[str]) -> list[str]:
        """Return the schemes that the report shows: all but screening schemes that rejected no candidate."""
        idle = self.idle_screens(schemes)
        return [scheme for scheme in schemes if scheme not in idle]

    def screen_notes(self, schemes: Sequence[str]) -> list[str]:
        """Return one sentence for each screening scheme that is not shown."""
        return [
            f"{scheme_label(scheme)} equals {scheme_label(start)} and is not shown, since the screen rejected no "
            "candidate."
            for scheme, start in self.idle_screens(schemes).items()
        ]


@dataclass(frozen=True)
class ReportMedia:
    """Figures, crystals and other content of the report besides tables and sentences.

    Attributes:
        figures: Name in ``pictures.ALTERNATIVES`` -> PNG, as a path or its bytes; absent ones are left out.
        crystals: Crystals to view, from :func:`ccdcgan.report.candidates.views`.
        latent: Map of the latent space, from :func:`ccdcgan.report.plots.latent_plot`.
        cif_paths: Id of a candidate -> path of its CIF relative to the page.
        times: Table of times, from :mod:`ccdcgan.report.provenance`.
        machines: Table of machines, from :mod:`ccdcgan.report.provenance`.
        cost: Cost of the run and a note, from :func:`ccdcgan.report.provenance.total_cost`; empty if not measured.
    """

    figures: Mapping[str, str | Path | bytes] = field(default_factory=dict)
    crystals: Sequence[Mapping[str, Any]] = ()
    latent: Figure | None = None
    cif_paths: Mapping[str, str] = field(default_factory=dict)
    times: Table | None = None
    machines: Table | None = None
    cost: tuple[str, str] = ("", "")
