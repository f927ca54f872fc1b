"""The reference of the tables of a run, written from the one place that names their columns: docs/tables.md.

``PYTHONPATH=workflow_scripts python -m ccdcgan_workflow.tables`` writes it anew; ``make docs`` does so first.
"""

from collections.abc import Mapping
from pathlib import Path

from ccdcgan.columns import COLUMNS, REASONS

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/tables.md"

TABLES: Mapping[str, str] = {
    "database/references.csv": "lowest crystal of each element, the zero of formation energies",
    "database/database.csv": "every substituted crystal, relaxed or lost",
    "representation/reconstruction.csv": "every crystal on the way to a crystal graph and back",
    "representation/latents.csv": "range of the latents of the lattice and of each element's atoms",
    "representation/latent_tests.csv": "what decodes from latents with noise, and between two crystals",
    "models/constraint.csv": "what the constraint predicts, for training and held-out crystals",
    "candidates/candidates.csv": "candidates sent to relaxation, a row for each scheme that has them",
    "candidates/losses.csv": "samples and candidates lost, by scheme and reason",
    "summary.csv": "the paper's table, one row for each scheme and quantity",
    "scatter.csv": "how far the same scatters over runs with other seeds, where `other_seeds` names some",
    "exports/candidates.csv": "candidates sent to relaxation, one row for each crystal",
}
"""Table, under ``results/{run}/`` -> what it holds."""


def tables_page() -> str:
    """Return the page in Markdown: tables, columns, reasons."""
    tables = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in TABLES.items())
    columns = "\n".join(
        f"| `{column.name}` | {column.unit} | {column.meaning} |" for _, column in sorted(COLUMNS.items())
    )
    reasons = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in sorted(REASONS.items()))
    return f"""# Tables

CSV files with a header, under `results/{{run}}/`. An empty field is a missing number or an empty text; failed crystals
keep their row, with `status` and `reason`. A column means the same in every table. This page is written from
`ccdcgan/columns.py` by `make docs`.

| table | holds |
|---|---|
{tables}

## Columns

| column | unit | meaning |
|---|---|---|
{columns}

## Reasons

| reason | in words |
|---|---|
{reasons}
"""


if __name__ == "__main__":
    PAGE.write_text(tables_page(), encoding="utf-8")
