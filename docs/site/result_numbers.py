"""The numbers in README.md, docs/validation/default-run.md and docs/model-card.md, written from a finished run.

``PYTHONPATH=workflow_scripts python docs/site/result_numbers.py results/Bi-Se`` prints them; with ``--write`` it puts
them into the pages, between the marks "numbers of a run" and "end of numbers", with the run's figure of the hull, the
first screen of its report (this needs chromium), and the report as the example of the site. README.md has one row for
each scheme and control; with runs of other seeds (``other_seeds``), mean and standard deviation.
"""

import argparse
import gzip
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from ccdcgan import quantities
from ccdcgan.columns import scheme_label
from ccdcgan.evaluation.best import THRESHOLDS
from ccdcgan.report.data import ReportData
from ccdcgan.report.formatting import NO_BREAK, formula_html, number, ratio
from ccdcgan.report.provenance import cost_table, machine_table
from ccdcgan.report.reliability import trust
from ccdcgan.report.sentences import findings, nearest
from ccdcgan.report.tables import (
    PAPER,
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
from ccdcgan.schemes import SCHEMES
from ccdcgan.utils.files import read_csv, write_text
from ccdcgan_workflow.costs import costs, finished_jobs
from ccdcgan_workflow.job_states import read_states
from ccdcgan_workflow.runs.record import read_record

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "readme": ROOT / "README.md",
    "long": ROOT / "docs/validation/default-run.md",
    "card": ROOT / "docs/model-card.md",
}
PICTURE = ROOT / "docs/images/formation_energies.png"
EXAMPLE = ROOT / "docs/example/report.html.gz"
SCREEN = ROOT / "docs/images/report.png"
SCREEN_SIZE = 1280, 845
"""Width and height of the picture of the report, pixels."""
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
COMPARED = {
    "success rate": quantities.SUCCESS_RATE,
    "distinct meta-stable per relaxation": quantities.DISTINCT_META_STABLE,
    "distinct stable per relaxation": quantities.DISTINCT_STABLE,
    "P1 per relaxed": quantities.P1,
}
"""Head of a column of the table of schemes in README.md -> quantity of the summary."""


def markdown(table: Table) -> str:
    """Return a table in Markdown under its caption; one without rows as a sentence."""
    if not table.rows:
        return f"{table.caption}: {table.empty}"
    marks = ["---:" if n in table.numeric else "---" for n in range(len(table.heads))]
    lines = [table.heads, marks, *table.rows]
    text = "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)
    return f"{table.caption}:\n\n{text}"


def numbers_of(run: str | Path, system: str = "Bi-Se") -> dict[str, str]:
    """Return the texts of the pages, ``readme``, ``long`` and ``card``, for a run's folder ``results/{run}``."""
    run, elements = Path(run), system.split("-")
    paths = {name: run / path for name, path in TABLES.items()}
    data = ReportData(**{name: read_csv(path) for name, path in paths.items() if path.exists()})
    every = list(dict.fromkeys(data.summary["scheme"]))
    schemes = data.shown_schemes(every)
    statements = trust(data, schemes, THRESHOLDS["meta_stable"])
    sentences = [*findings(system, data, schemes), *data.screen_notes(every)]
    listed = "\n".join(f"- {sentence}" for sentence in sentences)
    front = f"In {_this_run(run, data.scatter)}: {nearest(data.best, data.phonons)}"
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
    trained = [reconstruction_table(data.reconstruction), constraint_table(data.parity)]
    made = made_when(run)
    texts = {
        "readme": "\n\n".join([markdown(schemes_table(data.summary, data.scatter, schemes, system == "Bi-Se")), front]),
        "long": "\n\n".join([made, listed, *map(markdown, shown), f"Reliability:\n\n{trusted}"]),
        "card": "\n\n".join([made, *map(markdown, trained)]),
    }
    return {name: text.replace(NO_BREAK, " ") for name, text in texts.items()}


def _this_run(run: Path, scatter: pd.DataFrame | None) -> str:
    """Return which run a sentence beside the table of schemes is about, since the table may be over several."""
    seed = (read_record(run) or {}).get("configuration", {}).get("seed")
    return "this run" if scatter is None or scatter.empty or seed is None else f"the run of seed {seed} alone"


def made_when(run: Path) -> str:
    """Return when a run was started and with which versions of the workflow, from its record."""
    record = read_record(run) or {}
    if not record:
        return "*The run has no record of its date and version.*"
    started = datetime.fromisoformat(str(record["first_started"]))
    versions = [record["versions"]["workflow"]]
    earlier = [change.get("version of workflow", "").partition(" -> ")[0] for change in record.get("changes", [])]
    versions = list(dict.fromkeys([*filter(None, earlier), *versions]))
    return f"*Run started on {started.day} {started:%B %Y}, version {', then '.join(versions)} of the workflow.*"


def schemes_table(summary: pd.DataFrame, scatter: pd.DataFrame | None, schemes: Sequence[str], paper: bool) -> Table:
    """Return one row for each scheme, controls last, with the quantities of COMPARED.

    Args:
        summary: The summary of the run.
        scatter: Mean and standard deviation over runs with other seeds, or None for the counts of the run itself.
        schemes: Schemes to show.
        paper: Whether to show the distinct meta-stable crystals per relaxation of Long et al. as well.
    """
    counted = summary.set_index(["scheme", "quantity"])
    spread = None if scatter is None or scatter.empty else scatter.set_index(["scheme", "quantity"])
    seeds = 1 if spread is None else int(spread["n_runs"].max())

    def cell(scheme: str, quantity: str) -> str:
        if spread is not None and (scheme, quantity) in spread.index:
            row = spread.loc[(scheme, quantity)]
            return f"{100 * row['mean']:.1f} ± {100 * row['standard_deviation']:.1f} %"
        if (scheme, quantity) not in counted.index:
            return "–"
        row = counted.loc[(scheme, quantity)]
        return ratio(row["numerator"], row["denominator"])

    rows = []
    for scheme in sorted(schemes, key=_is_control):
        cells = [scheme_label(scheme) + (" (control)" if _is_control(scheme) else "")]
        cells += [cell(scheme, quantity) for quantity in COMPARED.values()]
        values = PAPER.get((quantities.DISTINCT_META_STABLE, scheme))
        rows.append((*cells, *([ratio(*values) if values else "–"] if paper else [])))
    heads = ("scheme", *COMPARED, *(["distinct meta-stable per relaxation in the paper (DFT)"] if paper else []))
    caption = "One seed" if seeds == 1 else f"Mean and standard deviation of a single run, over {seeds} seeds"
    return Table(caption, heads, rows, frozenset(range(1, len(heads))), "no scheme was evaluated.")


def _is_control(scheme: str) -> bool:
    return SCHEMES[scheme].family in ("control", "vae")


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


def draw_screen(report: Path, picture: Path) -> None:
    """Write the first screen of a report as PNG. Raises FileNotFoundError without chromium."""
    width, height = SCREEN_SIZE
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "screen.png"
        flags = (
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
        )
        command = ["chromium", *flags, f"--user-data-dir={folder}/profile", f"--window-size={width},{height}"]
        command += [f"--screenshot={drawn}", "--virtual-time-budget=30000", report.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        picture.unlink(missing_ok=True)  # it may be a link to another picture
        shutil.copyfile(drawn, picture)


def main() -> None:
    """Print the numbers of a run, or write them into the pages."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="folder of a finished run, results/{run}")
    parser.add_argument("--write", action="store_true", help="put them, the hull and the report into the pages")
    arguments = parser.parse_args()
    for name, text in numbers_of(arguments.run).items():
        if arguments.write:
            write_text(PAGES[name], put_between_marks(PAGES[name].read_text(encoding="utf-8"), text))
        elif name == "long":  # which begins with the short one
            print(text)
    if arguments.write:
        shutil.copyfile(Path(arguments.run) / "report/figures" / PICTURE.name, PICTURE)
        report = Path(arguments.run) / "report/index.html"
        EXAMPLE.parent.mkdir(exist_ok=True)
        EXAMPLE.write_bytes(gzip.compress(report.read_bytes(), mtime=0))
        draw_screen(report, SCREEN)


if __name__ == "__main__":
    main()
