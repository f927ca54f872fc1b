"""A report for tests, and a parser of its page."""

from dataclasses import fields
from html.parser import HTMLParser

import numpy as np
import pandas as pd

from ccdcgan.report.data import ReportData, ReportMedia, RunInfo
from ccdcgan.report.page import render_report
from ccdcgan.representation.latent_tests import RANGE_COLUMNS, TEST_COLUMNS
from tests.report.conftest import ELEMENTS, PAPER_SCHEMES


class Page(HTMLParser):
    """What a page links to, its tags, and its images' alternative texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.tags, self.alts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attrs = dict(attrs)
        self.links += [attrs[name] for name in ("src", "href", "srcset", "action") if name in attrs]
        if tag == "img":
            self.alts.append(attrs.get("alt", ""))


def page_of(database, candidates, summary, losses, parity, **changes) -> str:
    run = {
        "system": "Bi-Se",
        "elements": ELEMENTS,
        "engine": "mlip (7net-0)",
        "choice": "All were relaxed.",
        "schemes": PAPER_SCHEMES,
        "provenance": {"seed": 7, "config": {"system": "Bi-Se"}, "versions": {"numpy": "2.4"}},
    }
    tables = {
        "database": database,
        "references": pd.DataFrame(
            {"element": ["Bi"], "id": ["ref-1"], "prototype": ["A_hR2"], "energy_per_atom": [-3.9123]}
        ),
        "candidates": candidates,
        "summary": summary,
        "losses": losses,
        "reconstruction": pd.DataFrame(
            {
                "id": ["a", "b", "c"],
                "split": ["train", "train", "held_out"],
                "matched": [True, True, False],
                "rms": [0.01, 0.03, np.nan],
                "reason": ["", "", "not_matched"],
                "voxels_matched": [True, True, True],
            }
        ),
        "latents": pd.DataFrame(
            [["lattice", 120, 25, -0.9, 0.8, 0.2, 0.0, 1], ["Bi", 120, 200, -1.0, 1.0, 0.3, 0.0123, 0]],
            columns=RANGE_COLUMNS,
        ),
        "latent_tests": pd.DataFrame(
            [["noise", 0.05, 100, 99, 97, 93, 0.02], ["between", 0.5, 100, 81, 40, 0, np.nan]], columns=TEST_COLUMNS
        ),
        "parity": parity,
    }
    parts = []
    for kind, default in ((RunInfo, run), (ReportData, tables), (ReportMedia, {})):
        names = {field.name for field in fields(kind)}
        parts.append(kind(**default | {name: changes.pop(name) for name in names & set(changes)}))
    assert not changes
    return render_report(*parts)
