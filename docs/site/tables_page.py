"""Reference of the tables of a run, docs/tables.md, generated from the definitions of their columns.

``PYTHONPATH=workflow_scripts python docs/site/tables_page.py`` writes the page, as does ``make docs``.
"""

from collections.abc import Mapping
from pathlib import Path

from ccdcgan.columns import COLUMNS
from ccdcgan.reasons import REASONS

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/tables.md"

TABLES: Mapping[str, str] = {
    "database/references.csv": "crystal of lowest energy of each element, the reference of formation energies",
    "database/database.csv": "all substituted crystals, relaxed or failed",
    "database/known/found.csv": "known phases of the system in the sources, with the reason if one is not used",
    "database/known.csv": "known phases of the system, relaxed or failed",
    "database/distances.csv": "shortest bond of each pair of elements, and the minimum distance of candidates",
    "representation/reconstruction.csv": "reconstruction of every crystal from its crystal graph",
    "representation/latents.csv": "value ranges of the latents of the lattice and of the atoms of each element",
    "representation/latent_tests.csv": "crystals decoded from latents with noise and from interpolated latents",
    "models/constraint.csv": "predictions of the constraint for training and held-out crystals",
    "candidates/candidates.csv": "candidates selected for relaxation, one row for each scheme and candidate",
    "candidates/campaign/{round}/proposals.csv": "crystals chosen in a round of the campaign, and what was expected",
    "candidates/losses.csv": "number of rejected or failed samples and candidates, by scheme and reason",
    "summary.csv": "the table of Long et al., one row for each scheme and quantity",
    "scatter.csv": "variation of the same quantities over runs with other seeds, if `other_seeds` names any",
    "exports/candidates.csv": "candidates selected for relaxation, one row for each crystal",
}
"""Table, under ``results/{run}/`` -> its content."""


def tables_page() -> str:
    """Return the page in Markdown, with tables, columns and reasons."""
    tables = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in TABLES.items())
    columns = "\n".join(
        f"| `{column.name}` | {column.unit} | {column.meaning} |" for _, column in sorted(COLUMNS.items())
    )
    reasons = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in sorted(REASONS.items()))
    return f"""# Tables

CSV files with a header, under `results/{{run}}/`. An empty field is a missing number or an empty text. Failed crystals
have a row as well, with `status` and `reason`. A column has the same meaning in every table. This page is generated
from `ccdcgan/columns.py` by `make docs`.

| table | content |
|---|---|
{tables}

## Columns

| column | unit | meaning |
|---|---|---|
{columns}

## Reasons

| reason | meaning |
|---|---|
{reasons}
"""


if __name__ == "__main__":
    PAGE.write_text(tables_page(), encoding="utf-8")
