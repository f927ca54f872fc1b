"""Learning curves of the autoencoders and generators, and the parity plot of the constraint."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ccdcgan.columns import SPLITS, scheme_label, title
from ccdcgan.evaluation.constraint_accuracy import parity_metrics
from ccdcgan.figures.style import (
    BLACK,
    BLUE,
    DARK_GREY,
    GREEN,
    GREY,
    SPLIT_COLOURS,
    VERMILLION,
    count_ticks,
    empty_figure,
    new_figure,
    one_legend,
    say_empty,
    scheme_style,
    signed,
    styled,
)
from ccdcgan.utils.tables import complete


def _numbers(frame: pd.DataFrame, *names: str) -> tuple[np.ndarray, ...]:
    """Return columns as floats, restricted to rows in which all are finite; empty if a column is absent."""
    columns = [pd.to_numeric(frame[name], errors="coerce") if name in frame else None for name in names]
    if any(column is None for column in columns):
        return tuple(np.empty(0) for _ in names)
    values = np.array([column.to_numpy(float) for column in columns]).reshape(len(names), -1)
    return tuple(values[:, np.isfinite(values).all(axis=0)])


@styled
def learning_curves(lattice: pd.DataFrame, sites: pd.DataFrame) -> Figure:
    """Draw the learning curves of both autoencoders and the loss of an all-zero output (Long et al., Fig. 1B and C).

    Args:
        lattice: Training history of the lattice autoencoder: step, loss, loss_all_zero, held_out_loss,
            held_out_all_zero.
        sites: Training history of the sites autoencoder.
    """
    figure = new_figure(7.2, 3.0)
    for axes, (name, history) in zip(
        figure.subplots(1, 2),
        {"Lattice autoencoder": lattice, "Sites autoencoder": sites}.items(),
        strict=True,
    ):
        axes.set(title=name, xlabel=title("step"), ylabel="reconstruction loss (no unit)")
        _learning_curve(axes, history)
    return figure


def _learning_curve(axes: Axes, history: pd.DataFrame) -> None:
    curves = {
        "loss_all_zero": ("all-zero output, training", GREY, "--", 1.2),
        "held_out_all_zero": ("all-zero output, held out", DARK_GREY, ":", 1.2),
        "loss": ("training", SPLIT_COLOURS["train"], "-", 1.4),
        "held_out_loss": ("held out", SPLIT_COLOURS["held_out"], "-", 1.4),
    }
    drawn = 0
    for column, (label, colour, line, width) in curves.items():
        step, value = _numbers(history, "step", column)
        if len(step):
            marker = "o" if len(step) < 25 and line == "-" else ""
            axes.plot(step, value, line, color=colour, lw=width, marker=marker, ms=3, label=label)
            drawn += 1
    if not drawn:
        say_empty(axes, "no training steps recorded")
        return
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    count_ticks(axes.xaxis)
    held_out = len(_numbers(history, "step", "held_out_loss")[0])
    axes.legend(loc="best", title=None if held_out else "no crystals held out", title_fontsize=8)


@styled
def generator_curves(histories: Mapping[str, pd.DataFrame], constraint_term: str = "mean") -> Figure:
    """Draw losses, discriminator accuracy, constraint term and probes of each scheme (Long et al., Fig. 2D).

    Args:
        histories: Scheme -> training history: step and success_rate; for a GAN d_loss_real, d_loss_fake, g_loss,
            d_accuracy and constraint_term; for other families loss and divergence.
        constraint_term: ``mean`` (eV/atom) or ``exp`` (no unit).
    """
    if not histories:
        return empty_figure("no scheme was trained")
    unit = "(eV/atom)" if constraint_term == "mean" else "(no unit)"
    heads = ("loss", "discriminator\naccuracy (%)", f"constraint term\n{unit}", "decoded\nin a probe (%)")
    figure = new_figure(7.2, 1.6 * len(histories) + 0.6)
    panels = figure.subplots(len(histories), 4, squeeze=False, width_ratios=(1.6, 1, 1, 1))
    losses = {
        "d_loss_real": ("discriminator, real", BLUE),
        "d_loss_fake": ("discriminator, generated", VERMILLION),
        "g_loss": ("generator", GREEN),
        "loss": ("loss", BLACK),
        "divergence": ("divergence of the codes", VERMILLION),
    }
    for (first, accuracy, term, probe), (scheme, history) in zip(panels, histories.items(), strict=True):
        history = history.reindex(
            columns=[*{*history.columns, *losses, "d_accuracy", "constraint_term", "success_rate"}]
        )
        first.set_ylabel(scheme_label(scheme), fontweight="bold")
        last = max(_numbers(history, "step")[0], default=0)
        for column, (label, colour) in losses.items():
            _smooth_curve(first, *_numbers(history, "step", column), colour, label)
        if not first.lines:
            say_empty(first, "no training steps recorded")
        step, value = _numbers(history, "step", "d_accuracy")
        if len(step):
            _smooth_curve(accuracy, step, 100 * value, BLACK, "")
            accuracy.axhline(50, color=GREY, ls="--", lw=1, zorder=0)
            accuracy.set_ylim(0, 104)
        else:
            _leave_out(accuracy, "no discriminator")
        step, value = _numbers(history, "step", "constraint_term")
        if np.any(value != 0):
            _smooth_curve(term, step, value, scheme_style(scheme)[0], "")
        else:
            _leave_out(term, "not in this\nscheme's loss")
        step, value = _numbers(history, "step", "success_rate")
        if len(step):
            probe.plot(step, 100 * value, color=scheme_style(scheme)[0], marker="o", markersize=3)
            probe.set_ylim(0, 104)
        else:
            _leave_out(probe, "not probed")
        for axes in (first, accuracy, term, probe):
            if axes.lines:
                count_ticks(axes.xaxis)
                axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
                axes.set_xlim(0, 1.03 * last if last else None)
    for axes, head in zip(panels[0], heads, strict=True):
        axes.set_title(head, fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel(title("step"))
    figure.align_ylabels(panels[:, 0])
    one_legend(figure, panels[:, 0], columns=5)  # below all panels, where it covers no curve
    return figure


def _leave_out(axes: Axes, why: str) -> None:
    """Write the reason into an empty panel, and remove its ticks."""
    say_empty(axes, why)
    axes.set(xticks=[], yticks=[])


def _smooth_curve(axes: Axes, step: np.ndarray, value: np.ndarray, colour: str, label: str) -> None:
    """Draw a noisy curve in a light colour and its running mean over a fiftieth of the steps in a dark one."""
    if not len(step):
        return
    width = len(step) // 50
    if width < 2:
        axes.plot(step, value, color=colour, label=label)
        return
    axes.plot(step, value, color=colour, lw=0.5, alpha=0.25, rasterized=len(step) > 5000)
    # dividing by the number of values in each window avoids a bias at the ends
    ones = np.ones(2 * (width // 2) + 1)
    mean = np.convolve(value, ones, "same") / np.convolve(np.ones(len(value)), ones, "same")
    axes.plot(step, mean, color=colour, label=label)


@styled
def constraint_parity(parity: pd.DataFrame) -> Figure:
    """Draw predicted versus computed formation energies of both splits (Long et al., Fig. S3A).

    Args:
        parity: Table with id, split (train, held_out), formation_energy, predicted (eV/atom).
    """
    figure = new_figure(4.2, 4.0)
    axes = figure.subplots()
    axes.set(xlabel="formation energy from the engine (eV/atom)", ylabel=title("predicted"))
    parity = complete(parity, "split", "formation_energy", "predicted")
    metrics = parity_metrics(parity).set_index("split")
    low, high = np.inf, -np.inf
    for split, marker, size, alpha in (("train", "o", 12, 0.35), ("held_out", "^", 22, 0.9)):
        row, name = metrics.loc[split], SPLITS[split]
        if not row["n"]:
            axes.scatter([], [], marker=marker, color=SPLIT_COLOURS[split], label=f"{name}: no crystals")
            continue
        true, predicted = _numbers(parity[parity["split"] == split], "formation_energy", "predicted")
        low, high = min(low, true.min(), predicted.min()), max(high, true.max(), predicted.max())
        r2 = "undefined" if np.isnan(row["r2"]) else signed(row["r2"])
        label = f"{name} (n = {len(true):,})\nR² = {r2}, MAE = {row['mae']:.3f} eV/atom"
        axes.scatter(
            true,
            predicted,
            marker=marker,
            s=size,
            alpha=alpha,
            color=SPLIT_COLOURS[split],
            lw=0,
            label=label,
            rasterized=len(true) > 3000,
        )
    if low > high:
        say_empty(axes, "no formation energy was predicted")
        return figure
    margin = 0.05 * (high - low) or 0.1
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=BLACK, lw=0.8, ls="--", zorder=0)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.legend(loc="upper left", labelspacing=0.8, handletextpad=0.3)
    return figure
