"""The numbers in README.md, docs/results.md and docs/model-card.md, written from a finished run, never by hand.

``PYTHONPATH=workflow_scripts python docs/site/result_numbers.py results/Bi-Se`` prints them; with ``--write`` it puts
them into the pages, between the marks "numbers of a run" and "end of numbers", and the run's picture of the hull beside
them.
"""

import argparse
import re
import shutil
from pathlib import Path

from ccdcgan.evaluation.best import THRESHOLDS
from ccdcgan.report.data import ReportData
from ccdcgan.report.formatting import NO_BREAK, formula_html, number
from ccdcgan.report.provenance import cost_table, machine_table
from ccdcgan.report.reliability import trust
from ccdcgan.report.sentences import findings
from ccdcgan.report.tables import (
    Table,
    constraint_table,
    database_table,
    hull_table,
    losses_table,
    reconstruction_table,
    references_table,
    scatter_table,
    summary_table,
)
from ccdcgan.utils.files import read_csv, write_text
from ccdcgan_workflow.costs import costs, finished_jobs
from ccdcgan_workflow.job_states import read_states

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"short": ROOT / "README.md", "long": ROOT / "docs/results.md", "card": ROOT / "docs/model-card.md"}
PICTURE = ROOT / "docs/images/formation_energies.png"
MARKS = "<!-- numbers of a run -->", "<!-- end of numbers -->"
TABLES = {
    "database": "database/database.csv",
    "references": "database/references.csv",
    "known": "database/known.csv",
    "candidates": "candidates/candidates.csv",
    "summary": "summary.csv",
    "losses": "candidates/losses.csv",
    "reconstruction": "representation/reconstruction.csv",
    "parity": "models/constraint.csv",
    "verified": "verification/verified.csv",
    "phonons": "phonons/phonons.csv",
    "scatter": "scatter.csv",
}
MOST_BEST = 10
"""Candidates in the table of the best."""


def markdown(table: Table) -> str:
    """Return a table in Markdown under its caption; one without rows as a sentence."""
    if not table.rows:
        return f"{table.caption}: {table.empty}"
    marks = ["---:" if n in table.numeric else "---" for n in range(len(table.heads))]
    lines = [table.heads, marks, *table.rows]
    text = "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)
    return f"{table.caption}:\n\n{text}"


def numbers_of(run: str | Path, system: str = "Bi-Se") -> dict[str, str]:
    """Return the texts of the pages, ``short``, ``long`` and ``card``, for a run's folder ``results/{run}``."""
    run, elements = Path(run), system.split("-")
    paths = {name: run / path for name, path in TABLES.items()}
    data = ReportData(**{name: read_csv(path) for name, path in paths.items() if path.exists()})
    every = list(dict.fromkeys(data.summary["scheme"]))
    schemes = data.shown_schemes(every)
    statements = trust(data, schemes, THRESHOLDS["meta_stable"])
    sentences = [*findings(system, data, schemes), *data.screen_notes(every)]
    short = [f"- {sentence}" for sentence in sentences]
    shown = [
        database_table(data.database, THRESHOLDS),
        hull_table(data.hull, elements),
        references_table(data.references),
        reconstruction_table(data.reconstruction),
        constraint_table(data.parity),
        summary_table(data.summary, schemes, paper=system == "Bi-Se"),
        *([] if data.scatter is None else [scatter_table(data.scatter, schemes)]),
        losses_table(data.losses, schemes),
        _best_table(data),
        machine_table(read_states(run / "logs").values()),
        cost_table(costs(finished_jobs(run.parent, run.name))),
    ]
    trusted = "\n".join(f"- **{subject}:** {statement}" for subject, statement in statements)
    learnt = [reconstruction_table(data.reconstruction), constraint_table(data.parity)]
    texts = {
        "short": "\n".join(short),
        "long": "\n\n".join(["\n".join(short), *map(markdown, shown), f"Reliability:\n\n{trusted}"]),
        "card": "\n\n".join(map(markdown, learnt)),
    }
    return {name: text.replace(NO_BREAK, " ") for name, text in texts.items()}


def _best_table(data: ReportData) -> Table:
    """Return the distinct meta-stable candidates nearest to the hull."""
    best, phonons = data.best, data.phonons
    lowest = {} if phonons is None or phonons.empty else phonons.set_index("id")["lowest_frequency"].to_dict()
    rows = [
        (formula_html(row["formula"]), row.get("space_group", ""), number(row["e_above_hull"]))
        + (number(row["formation_energy"]), row["scheme"], number(lowest.get(row["id"]), 2))
        for row in best.head(MOST_BEST).to_dict("records")
    ]
    heads = ("formula", "space group", "hull distance (eV/atom)", "formation energy (eV/atom)", "scheme")
    caption = f"Distinct meta-stable candidates nearest to the hull, {len(rows)} of {len(best)}"
    return Table(caption, (*heads, "lowest phonon (THz)"), rows, frozenset({2, 3, 5}))


def put_between_marks(page: str, text: str) -> str:
    """Return a page with ``text`` between its two marks. Raises ValueError if it has none."""
    start, end = MARKS
    new, count = re.subn(
        f"{re.escape(start)}.*?{re.escape(end)}", lambda _: f"{start}\n\n{text}\n\n{end}", page, flags=re.DOTALL
    )
    if not count:
        raise ValueError(f"the page has no place for numbers: {start} ... {end}")
    return new


def main() -> None:
    """Print the numbers of a run, or write them into the pages."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="folder of a finished run, results/{run}")
    parser.add_argument("--write", action="store_true", help="put them, and the picture of the hull, into the pages")
    arguments = parser.parse_args()
    for name, text in numbers_of(arguments.run).items():
        if arguments.write:
            write_text(PAGES[name], put_between_marks(PAGES[name].read_text(encoding="utf-8"), text))
        elif name == "long":  # which begins with the short one
            print(text)
    if arguments.write:
        shutil.copyfile(Path(arguments.run) / "report/figures" / PICTURE.name, PICTURE)


if __name__ == "__main__":
    main()
