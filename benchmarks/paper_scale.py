"""The schemes of Long et al. beside their published results.

    python benchmarks/paper_scale.py results/Bi-Se-oqmd results/Bi-Se-oqmd-seed2 results/Bi-Se-oqmd-seed3

adds up the counts of finished runs that differ in the seed of their generators, with every candidate relaxed, and
prints them in Markdown beside the paper's table. Every ratio has its numerator and denominator, and with several runs
the standard deviation of a single run. The last lines compare ccdcgan with dcgan: the difference of each ratio, its
standard deviation over pairs of runs with the same seed, and the p-value of Fisher's exact test of the added counts.
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
from ccdcgan.utils.files import read_csv  # noqa: E402

PAPER = {
    quantities.SUCCESS_RATE: {"dcgan": (2397, 13000), "ccdcgan": (3106, 13000)},
    quantities.NEGATIVE: {"dcgan": (2183, 2397), "dcgan+constraint": (1887, 1998), "ccdcgan": (2918, 3106)},
    quantities.META_STABLE: {"dcgan": (1110, 2397), "dcgan+constraint": (1028, 1998), "ccdcgan": (1417, 3106)},
    quantities.STABLE: {"dcgan": (21, 2397), "dcgan+constraint": (8, 1998), "ccdcgan": (21, 3106)},
    quantities.DISTINCT: {"dcgan": (313, 2397), "dcgan+constraint": (151, 1998), "ccdcgan": (373, 3106)},
    quantities.DISTINCT_META_STABLE_PER_GRAPH: {
        "dcgan": (47, 13000),
        "dcgan+constraint": (35, 13000),
        "ccdcgan": (90, 13000),
    },
    quantities.DISTINCT_META_STABLE: {"dcgan": (47, 2397), "dcgan+constraint": (35, 1998), "ccdcgan": (90, 3106)},
    quantities.DISTINCT_STABLE: {"dcgan": (6, 2397), "dcgan+constraint": (2, 1998), "ccdcgan": (5, 3106)},
}
"""Counts of Long et al., Results: quantity -> scheme -> crystals that have it, and of how many."""
PAPER_MEANS = {"dcgan": -0.0788, "dcgan+constraint": -0.0868, "ccdcgan": -0.0895}
"""Mean formation energies of Long et al., eV/atom."""
SCHEMES = ("dcgan", "dcgan+constraint", "ccdcgan")


def spread(values: pd.Series) -> float:
    """Return the standard deviation of a single run; NaN for one run."""
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def of_ratio(rows: pd.DataFrame) -> str:
    """Return the text of a ratio whose counts are added up over runs."""
    above, below = int(rows["numerator"].sum()), int(rows["denominator"].sum())
    deviation = f" ± {100 * spread(rows['value']):.1f}" if len(rows) > 1 else ""
    return f"{above} / {below} ({100 * above / below:.1f}{deviation} %)"


def of_mean(rows: pd.DataFrame) -> str:
    """Return the text of a mean over the relaxed crystals of all runs."""
    deviation = f" ± {spread(rows['value']):.3f}" if len(rows) > 1 else ""
    return f"{np.average(rows['value'], weights=rows['denominator']):.4f}{deviation}"


def of_paper(quantity: str, scheme: str) -> str:
    """Return the text of a published count or mean."""
    if quantity == quantities.MEAN_ENERGY:
        return f"{PAPER_MEANS[scheme]:.4f}"
    if scheme not in PAPER[quantity]:
        return ""
    above, below = PAPER[quantity][scheme]
    return f"{above} / {below} ({100 * above / below:.{1 if above / below > 0.1 else 2}f} %)"


def comparison(quantity: str, rows: pd.DataFrame) -> str:
    """Return the sentence that compares a quantity of ccdcgan with that of dcgan."""
    own, other = (rows[rows["scheme"] == scheme].sort_values("run") for scheme in ("ccdcgan", "dcgan"))
    pairs = own["value"].to_numpy() - other["value"].to_numpy()
    deviation = f" ± {pairs.std(ddof=1):.3f} over pairs" if len(pairs) > 1 else ""
    if quantity == quantities.MEAN_ENERGY:
        return f"- {quantity}: {pairs.mean():+.3f}{deviation}, eV/atom"
    counts = [(row["numerator"].sum(), row["denominator"].sum()) for row in (own, other)]
    p = fisher_exact([[above, below - above] for above, below in counts]).pvalue
    return f"- {quantity}: {pairs.mean():+.3f}{deviation}, p = {p:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs with dcgan and ccdcgan")
    folders = parser.parse_args().runs
    rows = pd.concat([read_csv(folder / "summary.csv").assign(run=folder.name) for folder in folders])
    print("| | " + " | ".join(f"`{scheme}` | paper" for scheme in SCHEMES) + " |\n" + "|---" * 7 + "|")
    for quantity in [*PAPER, quantities.MEAN_ENERGY]:
        text = of_mean if quantity == quantities.MEAN_ENERGY else of_ratio
        chosen = rows[rows["quantity"] == quantity]
        cells = [(text(chosen[chosen["scheme"] == scheme]), of_paper(quantity, scheme)) for scheme in SCHEMES]
        print(f"| {quantity} | " + " | ".join(f"{own} | {paper}" for own, paper in cells) + " |")
    print("\n`ccdcgan` less `dcgan`:\n")
    for quantity in [*PAPER, quantities.MEAN_ENERGY]:
        print(comparison(quantity, rows[rows["quantity"] == quantity]))


if __name__ == "__main__":
    main()
