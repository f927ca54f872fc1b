"""Errors of the potentials on the reference points, before and after correction, with leave-one-out validation.

    python benchmarks/correction.py --figure docs/images/hypothetical.png

reads the crystals written by benchmarks/hypothetical.py. It prints every crystal, the errors by composition and by
formation energy, and the errors of every form of correction (`ccdcgan.database.energy_correction`) in Markdown, and
draws PBE against each model. --unseen evaluates the corrections on further crystals that are not fitted, such as those
of a verification with DFT:

    python benchmarks/correction.py --unseen benchmarks/data/verified-Bi-Se.extxyz
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from pymatgen.core import Composition  # noqa: E402

from ccdcgan.database.dft_points import measured_points  # noqa: E402
from ccdcgan.database.energy_correction import DFT, FORMS, RELAXED, Points, best_form, fit_forms, read_points, rms  # noqa: E402
from ccdcgan.database.thermodynamics import convex_hull, hull_distance  # noqa: E402
from ccdcgan.figures import style  # noqa: E402
from ccdcgan.relaxation.mlip import MODELS  # noqa: E402
from ccdcgan.utils.files import atomic_path  # noqa: E402

RANGES = {
    "PBE below -0.1 eV/atom": (-np.inf, -0.1),
    "PBE from -0.1 to 0": (-0.1, 0.0),
    "PBE from 0 to 0.1": (0.0, 0.1),
    "PBE above 0.1": (0.1, np.inf),
}
"""Group of crystals -> bounds of its PBE formation energies, eV/atom."""


def row(*cells: object) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def head(*cells: str) -> str:
    """Return the first two lines of a Markdown table."""
    return f"\n{row(*cells)}\n{'|---' * len(cells)}|"


def error_table(points: pd.DataFrame) -> list[str]:
    """Return mean, mean absolute and root mean square error (meV/atom) of each model, for all crystals and by group."""
    lines = [head("crystals", "number", *MODELS)]
    groups = [("all", points), *points.groupby("formula")]
    groups += [(name, points[points[DFT].between(*bounds, inclusive="left")]) for name, bounds in RANGES.items()]
    for name, group in groups:
        errors = 1000 * group[list(MODELS)].sub(group[DFT], axis=0)
        cells = [f"{e.mean():+.0f}, {e.abs().mean():.0f}, {rms(e):.0f}" for _, e in errors.items()]
        lines.append(row(name, len(group), *cells))
    return lines


def correction_table(points: Points, elements: list[str]) -> list[str]:
    """Return root mean square and mean absolute leave-one-out error (meV/atom) of each form, and the chosen form."""
    fits = {model: fit_forms(points, model, elements) for model in MODELS}
    lines = [head("correction", *MODELS)]
    for form in FORMS:
        errors = [1000 * fits[model][form].left_out for model in MODELS if form in fits[model]]
        if errors:
            lines.append(row(form, *(f"{rms(e):.0f}, {np.abs(e).mean():.0f}" for e in errors)))
    return [*lines, row("chosen", *(best_form(fits[model]) for model in MODELS))]


def hull_table(points: Points, model: str, elements: list[str], threshold: float) -> list[str]:
    """Return the errors of hull distances with each form, for all compounds and for generated ones.

    The vertices of the hull are the lowest crystals by DFT, with the corrected energies of each form fitted to all
    points. Every other crystal has its leave-one-out energy. The table has the mean, mean absolute and root mean square
    error (meV/atom), the number of crystals below the threshold, how many of these are below it by DFT too, and the
    number below it by DFT.

    Args:
        points: Reference points.
        model: Model of the engine.
        elements: Elements of the system.
        threshold: Hull distance, eV/atom.
    """
    compounds = points.of(points.compounds)
    table, compositions = compounds.table, [Composition(formula) for formula in compounds.table["formula"]]
    true = compounds.truth
    hull = convex_hull(compositions, true, elements)
    on_hull = np.array([hull_distance(hull, c, e) < 1e-8 for c, e in zip(compositions, true, strict=True)])
    true = _distances(compositions, true, true[on_hull], on_hull, elements)
    lines = [
        head(
            "correction", "crystals", "error of hull distances", f"below {threshold:g} eV/atom", "also by PBE", "by PBE"
        )
    ]
    for form, fit in fit_forms(points, model, elements).items():
        crystals = zip(compounds.structures, table[model], on_hull, strict=True)
        vertices = [energy + fit.correction.of(structure)[0] for structure, energy, vertex in crystals if vertex]
        predicted = _distances(compositions, compounds.truth + fit.left_out, vertices, on_hull, elements)
        for name, rows in {"all": ~on_hull, "generated": ~on_hull & (table["source"] == "candidates")}.items():
            error = 1000 * (predicted - true)[rows]
            below, below_by_dft = predicted[rows] < threshold, true[rows] < threshold
            cells = f"{error.mean():+.0f}, {np.abs(error).mean():.0f}, {rms(error):.0f}"
            counts = (below.sum(), (below & below_by_dft).sum(), below_by_dft.sum())
            lines.append(row(form, f"{name}, {rows.sum()}", cells, *counts))
    return lines


def run_table(points: Points, model: str, elements: list[str]) -> list[str]:
    """Return mean and mean absolute error (meV/atom) on each run's candidates, with that run left out of the fit."""
    runs = points.table["id"].str.rpartition("/")[0]
    lines = [head("candidates of", "number", *FORMS)]
    for run in sorted(set(runs) - {""}):
        rows = runs == run
        lines.append(unseen_row(run, points.of(rows), points.of(~rows), model, elements))
    return lines


def unseen_row(name: str, new: Points, known: Points, model: str, elements: list[str]) -> str:
    """Return the mean and mean absolute error (meV/atom) on new points of every form fitted to the known points.

    Args:
        name: Name of the new points.
        new: Points to predict.
        known: Points to fit.
        model: Model of the engine.
        elements: Elements of the system.
    """
    fits, cells = fit_forms(known, model, elements), []
    for form in FORMS:
        if form in fits:
            shifts = [fits[form].correction.of(structure)[0] for structure in new.structures]
            error = 1000 * (new.errors(model) + shifts)
            cells.append(f"{error.mean():+.0f}, {np.abs(error).mean():.0f}")
        else:
            cells.append("")
    return row(name, len(new.structures), *cells)


def _distances(compositions, energies, vertices, on_hull, elements) -> np.ndarray:
    """Return the distances (eV/atom) of energies to the hull of the vertices, which have energies of their own."""
    hull = convex_hull([c for c, vertex in zip(compositions, on_hull, strict=True) if vertex], vertices, elements)
    return np.array([hull_distance(hull, c, energy) for c, energy in zip(compositions, energies, strict=True)])


@style.styled
def scatter(points: pd.DataFrame) -> Figure:
    """Draw the formation energies of each model against those of PBE; deviations from the diagonal are errors."""
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
    parser.add_argument("--points", help="reference points; default: those of the elements in ccdcgan/database/data")
    parser.add_argument("--threshold", type=float, default=0.15, help="eV/atom, hull distance of a meta-stable crystal")
    parser.add_argument("--unseen", help="further crystals, not fitted, on which to evaluate the corrections")
    parser.add_argument("--figure", help="PNG file to write")
    arguments = parser.parse_args()
    reference = read_points(arguments.points or measured_points(arguments.elements))
    points = reference.of(reference.compounds).table
    print(head("crystal", "prototype", "space group", "PBE", "PBE relaxed", *MODELS))
    for point in points.to_dict("records"):
        energies = ("" if pd.isna(point[method]) else f"{point[method]:.3f}" for method in (DFT, RELAXED, *MODELS))
        print(row(point["formula"], point["id"].removeprefix("aflow-"), point["space_group"], *energies))
    print(*error_table(points), *correction_table(reference, arguments.elements), sep="\n")
    print(*hull_table(reference, "7net-l3i5", arguments.elements, arguments.threshold), sep="\n")
    print(*run_table(reference, "7net-l3i5", arguments.elements), sep="\n")
    if arguments.unseen:
        unseen = read_points(arguments.unseen)
        new = unseen.of(unseen.compounds)
        print(head("crystals of", "number", *FORMS))
        print(unseen_row(Path(arguments.unseen).name, new, reference, "7net-l3i5", arguments.elements))
    if arguments.figure:
        with atomic_path(Path(arguments.figure)) as temporary:
            scatter(points).savefig(temporary, format="png", dpi=style.DPI // 2, metadata={"Software": None})


if __name__ == "__main__":
    main()
