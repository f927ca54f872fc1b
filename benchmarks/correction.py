"""Errors of the potentials on measured crystals, and what corrections leave of them on crystals left out of the fit.

    python benchmarks/correction.py --figure docs/images/hypothetical.png

reads the table that benchmarks/hypothetical.py has written, prints every crystal, the errors by composition and by
formation energy, and those of every form of correction (`ccdcgan.energy_corrections`) in Markdown, and draws PBE
against each model.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from ccdcgan.energy_corrections import DFT, FORMS, best_form, left_out_errors, rms  # noqa: E402
from ccdcgan.figures import style  # noqa: E402
from ccdcgan.files import atomic_path, read_csv  # noqa: E402
from ccdcgan.measured import measured_points  # noqa: E402
from ccdcgan.relaxation.mlip import MODELS  # noqa: E402

RANGES = {
    "PBE below -0.1 eV/atom": (-np.inf, -0.1),
    "PBE from -0.1 to 0": (-0.1, 0.0),
    "PBE from 0 to 0.1": (0.0, 0.1),
    "PBE above 0.1": (0.1, np.inf),
}
"""Groups of crystals and their bounds, PBE formation energies in eV/atom."""


def row(*cells: object) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def head(*cells: str) -> str:
    """Return the first two lines of a Markdown table."""
    return f"\n{row(*cells)}\n{'|---' * len(cells)}|"


def error_table(points: pd.DataFrame) -> list[str]:
    """Return mean, mean absolute and root mean square error (meV/atom) of each model, for all and for groups."""
    lines = [head("crystals", "number", *MODELS)]
    groups = [("all", points), *points.groupby("formula")]
    groups += [(name, points[points[DFT].between(*bounds, inclusive="left")]) for name, bounds in RANGES.items()]
    for name, group in groups:
        errors = 1000 * group[list(MODELS)].sub(group[DFT], axis=0)
        cells = [f"{e.mean():+.0f}, {e.abs().mean():.0f}, {rms(e):.0f}" for _, e in errors.items()]
        lines.append(row(name, len(group), *cells))
    return lines


def correction_table(points: pd.DataFrame, elements: list[str]) -> list[str]:
    """Return root mean square and mean absolute error (meV/atom) of each form on points left out; the one taken."""
    errors = {model: left_out_errors(points, model, elements) for model in MODELS}
    lines = [head("correction", *MODELS)]
    for form in FORMS:
        left = [1000 * errors[model][form] for model in MODELS if form in errors[model]]
        if left:
            lines.append(row(form, *(f"{rms(e):.0f}, {np.abs(e).mean():.0f}" for e in left)))
    return [*lines, row("taken", *(best_form(errors[model]) for model in MODELS))]


@style.styled
def scatter(points: pd.DataFrame) -> Figure:
    """Draw PBE formation energies against each model's; distances from the diagonal are errors."""
    figure = style.new_figure(style.PANEL_WIDTH * len(MODELS), 2.9)
    panels = figure.subplots(1, len(MODELS), sharex=True, sharey=True)
    energies = points[[DFT, *MODELS]].to_numpy()
    ends = np.array([energies.min() - 0.03, energies.max() + 0.03])
    for axes, model, colour in zip(panels, MODELS, (style.ORANGE, style.BLUE, style.GREEN), strict=False):
        error = points[model] - points[DFT]
        axes.fill_between(ends, ends - 0.025, ends + 0.025, color="#E4E4E4", lw=0, zorder=0, label="± 25 meV/atom")
        axes.plot(ends, ends, color=style.DARK_GREY, lw=0.8, zorder=1)
        axes.scatter(points[DFT], points[model], s=16, color=colour, edgecolors="white", linewidths=0.4, zorder=2)
        axes.set_title(f"{model}", loc="left")
        text = f"{len(points)} crystals, meV/atom\nmean {style.signed(1000 * error.mean(), 0)}\n"
        text += f"absolute {1000 * error.abs().mean():.0f}\nrms {1000 * rms(error):.0f}"
        axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=8)
        axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel="PBE (eV/atom)")
    panels[0].set_ylabel("potential (eV/atom)")
    panels[-1].legend(loc="lower right")
    return figure


def main() -> None:
    """Print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", nargs="+", default=["Bi", "Se"])
    parser.add_argument("--points", help="the table; that of the elements in ccdcgan/measured if not given")
    parser.add_argument("--figure", help="PNG to draw")
    arguments = parser.parse_args()
    points = read_csv(arguments.points or measured_points(arguments.elements))
    print(head("crystal", "prototype", "space group", "PBE", *MODELS))
    for point in points.to_dict("records"):
        energies = (f"{point[method]:.3f}" for method in (DFT, *MODELS))
        print(row(point["formula"], point["id"].removeprefix("aflow-"), point["space_group"], *energies))
    print(*error_table(points), *correction_table(points, arguments.elements), sep="\n")
    if arguments.figure:
        with atomic_path(Path(arguments.figure)) as temporary:
            scatter(points).savefig(temporary, format="png", dpi=style.DPI // 2, metadata={"Software": None})


if __name__ == "__main__":
    main()
