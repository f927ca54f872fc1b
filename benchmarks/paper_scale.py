"""The schemes of Long et al. beside their published results.

    python benchmarks/paper_scale.py results/Bi-Se-oqmd results/Bi-Se-oqmd-seed2 results/Bi-Se-oqmd-seed3

adds up the counts of finished runs that differ in the seed of their generators, with every candidate relaxed, and
prints them in Markdown beside the paper's table. Every ratio has its numerator and denominator, and with several runs
the standard deviation of a single run. The last lines compare ccdcgan with dcgan: the difference of each ratio, its
standard deviation over pairs of runs with the same seed, and the p-value of Fisher's exact test of the added counts.
The second table shows what the constraint knows of the relaxed candidates: the mean formation energy that it predicts
for them, its mean absolute error, and the rank correlation of prediction and result.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scipy.stats import fisher_exact  # noqa: E402

from ccdcgan import quantities  # noqa: E402
from ccdcgan.report.formatting import ratio  # noqa: E402
from ccdcgan.report.tables import PAPER, PAPER_MEANS  # noqa: E402
from ccdcgan.schemes import PAPER as SCHEMES  # noqa: E402
from ccdcgan.utils.files import read_csv  # noqa: E402

QUANTITIES = (*dict.fromkeys(quantity for quantity, _ in PAPER), quantities.MEAN_ENERGY)
"""Rows of the table, in the order of the report."""


def followed_by_spread(text: str, values: np.ndarray | pd.Series, digits: int) -> str:
    """Return a text with the standard deviation of a single run; the text alone for one run."""
    return f"{text} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else text


def measured(quantity: str, rows: pd.DataFrame) -> str:
    """Return the text of a quantity of one scheme: counts added up, or the mean over all relaxed crystals.

    Args:
        quantity: Quantity of the summary.
        rows: Its rows of the summaries, one of each run.
    """
    if quantity == quantities.MEAN_ENERGY:
        mean = np.average(rows["value"], weights=rows["denominator"])
        return followed_by_spread(f"{mean:.3f}", rows["value"], 3)
    return followed_by_spread(ratio(rows["numerator"].sum(), rows["denominator"].sum()), 100 * rows["value"], 1)


def published(quantity: str, scheme: str) -> str:
    """Return the text of a quantity in the paper."""
    return f"{PAPER_MEANS[scheme]:.3f}" if quantity == quantities.MEAN_ENERGY else ratio(*PAPER[quantity, scheme])


def comparison(quantity: str, rows: pd.DataFrame) -> str:
    """Return the sentence that compares a quantity of ccdcgan with that of dcgan."""
    own, other = (rows[rows["scheme"] == scheme].sort_values("run") for scheme in ("ccdcgan", "dcgan"))
    pairs = own["value"].to_numpy() - other["value"].to_numpy()
    difference = f"- {quantity}: " + followed_by_spread(f"{pairs.mean():+.3f}", pairs, 3)
    if quantity == quantities.MEAN_ENERGY:
        return f"{difference} eV/atom"
    counts = [(row["numerator"].sum(), row["denominator"].sum()) for row in (own, other)]
    p = fisher_exact([[above, below - above] for above, below in counts]).pvalue
    return f"{difference}, p = {p:.2g}"


def prediction(candidates: pd.DataFrame, scheme: str) -> str:
    """Return the row of the table of predictions of a scheme, means over runs.

    Args:
        candidates: Candidates of all runs.
        scheme: Scheme.
    """
    of_runs = []
    for _, table in candidates[candidates["scheme"].eq(scheme) & candidates["status"].eq("ok")].groupby("run"):
        predicted, energy = table["predicted_formation_energy"], table["formation_energy"]
        ranks = predicted.corr(energy, method="spearman")
        of_runs.append((predicted.mean(), energy.mean(), (predicted - energy).abs().mean(), ranks))
    texts = [followed_by_spread(f"{values.mean():.3f}", values, 3) for values in np.transpose(of_runs)]
    return f"| `{scheme}` | " + " | ".join(texts) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs with dcgan and ccdcgan")
    folders = parser.parse_args().runs
    rows = pd.concat([read_csv(folder / "summary.csv").assign(run=folder.name) for folder in folders])
    print("| | " + " | ".join(f"`{scheme}` | paper" for scheme in SCHEMES) + " |\n" + "|---" * 7 + "|")
    for quantity in QUANTITIES:
        chosen = rows[rows["quantity"] == quantity]
        cells = [(measured(quantity, chosen[chosen["scheme"] == name]), published(quantity, name)) for name in SCHEMES]
        print(f"| {quantity} | " + " | ".join(f"{own} | {paper}" for own, paper in cells) + " |")
    print("\n`ccdcgan` less `dcgan`:\n")
    for quantity in QUANTITIES:
        print(comparison(quantity, rows[rows["quantity"] == quantity]))
    candidates = pd.concat(
        [read_csv(folder / "candidates/candidates.csv").assign(run=folder.name) for folder in folders]
    )
    print("\n| | predicted, eV/atom | relaxed, eV/atom | error, eV/atom | rank correlation |\n" + "|---" * 5 + "|")
    for scheme in ("dcgan", "ccdcgan"):
        print(prediction(candidates, scheme))


if __name__ == "__main__":
    main()
