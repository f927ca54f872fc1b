"""Errors of the constraint `network: descriptors`, and of baselines, by cross-validation.

    python benchmarks/constraint.py results/Bi-Se [--by prototype random repeats] [--folds 5] [--measured 5] [--image]
        [--settings '{crystals: 50000, steps: 6000}'] [--image-settings '{steps: 20000}'] [--precision mixed_bfloat16]

uses the crystals, energies and autoencoders of a finished run. Every crystal is held out once, alone (random) or with
its prototype; --measured stops after that many folds. With repeats, every crystal counts as often as the substitution
made it, and each of its copies is held out or not by itself, as in the split of Long et al., whose database keeps
repeats: a held-out crystal usually has a copy in the training. For every fold the constraint is trained from scratch
(`ccdcgan.models.constraint.descriptor_network`), without synthetic crystals of held-out parents. In the same folds: the
baselines of `ccdcgan.evaluation.constraint_accuracy`, a Gaussian process on the true descriptors (the limit of a
perfect descriptor network) and, with --image, network S5 of Long et al. --settings overrides keys of the section
constraint.descriptors of the configuration, --image-settings those of constraint.image. Prints one table in Markdown:
mean absolute error (eV/atom) and R2.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402

from ccdcgan.columns import SAME_AS  # noqa: E402
from ccdcgan.crystals.descriptors import descriptors  # noqa: E402
from ccdcgan.crystals.structures import read_set  # noqa: E402
from ccdcgan.evaluation.constraint_accuracy import composition_mean, gradient_boosting  # noqa: E402
from ccdcgan.models.constraint.base import ConstraintData, predict  # noqa: E402
from ccdcgan.models.constraint.descriptor_network import make_pretraining_data, train_descriptor_constraint  # noqa: E402
from ccdcgan.models.constraint.gaussian_process_layer import GaussianProcess, fit_posterior  # noqa: E402
from ccdcgan.models.constraint.image_network import train_image_constraint  # noqa: E402
from ccdcgan.representation.crystal_graph import load_codec, load_graphs  # noqa: E402
from ccdcgan.training.loop import TrainingRun  # noqa: E402
from ccdcgan.utils.files import read_csv  # noqa: E402
from ccdcgan_workflow.keys.renamed import earlier_names  # noqa: E402


def folds(names: pd.Series, count: int, by: str, seed: int) -> np.ndarray:
    """Return the fold in which each crystal is held out, shape (n,).

    Args:
        names: Prototype of each crystal.
        count: Number of folds.
        by: ``random``, ``repeats`` or ``prototype`` (all crystals of one prototype in the same fold).
        seed: Seed of the assignment.
    """
    rng = np.random.default_rng(seed)
    kinds, own = np.unique(names, return_inverse=True) if by == "prototype" else (names, np.arange(len(names)))
    return (rng.permutation(len(kinds)) % count)[own]


def multiplicities(substituted: pd.DataFrame, ids: Sequence[str]) -> np.ndarray:
    """Return how often the substitution made each crystal, repeats included, shape (n,).

    Args:
        substituted: Table of all substitutions.
        ids: Identifiers of the distinct crystals.
    """
    repeats = substituted.loc[substituted["reason"] == "duplicate", "detail"].str.removeprefix(SAME_AS).value_counts()
    return 1 + repeats.reindex(ids, fill_value=0).to_numpy()


def from_true_descriptors(features: np.ndarray, energies: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return energies of the held-out crystals by a Gaussian process on descriptors (n, d), standardised."""
    scaled = (features - features[~held_out].mean(0)) / np.maximum(features[~held_out].std(0), 1e-6)
    process = GaussianProcess.of(fit_posterior(scaled[~held_out], energies[~held_out], 0), name="energy")
    return np.asarray(process(scaled[held_out].astype(np.float32)))[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a finished run")
    parser.add_argument("--by", nargs="+", choices=["prototype", "random", "repeats"], default=["prototype", "random"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--measured", type=int, help="number of folds that are measured; all unless given")
    parser.add_argument("--image", action="store_true", help="also train network S5 of Long et al.")
    parser.add_argument("--settings", type=yaml.safe_load, default={}, help="keys of constraint.descriptors, as YAML")
    parser.add_argument("--image-settings", type=yaml.safe_load, default={}, help="keys of constraint.image, as YAML")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()

    section = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text(encoding="utf-8"))["constraint"]
    section["descriptors"] |= chosen.settings
    section["image"] |= chosen.image_settings
    section = earlier_names({"constraint": section})["constraint"]  # as the library calls the keys
    settings = section.pop("descriptors")
    known = load_graphs(chosen.results / "representation/crystal_graphs.npz")
    crystals = read_set(chosen.results / "database/database.extxyz")
    folder = chosen.results / "representation"
    autoencoders = [folder / f"{name}_autoencoder.keras" for name in ("lattice", "sites")]
    codec = load_codec(folder / "crystal_graphs.npz", *autoencoders)
    table = read_csv(chosen.results / "database/database.csv").set_index("id").loc[known.ids].reset_index()
    energies = table["formation_energy"].to_numpy()
    substituted = read_csv(chosen.results / "database/substituted.csv")
    by_id = {crystal.id: crystal.structure for crystal in crystals}
    features = np.array([descriptors(by_id[name], codec.elements) for name in known.ids])

    started = time.process_time()
    # synthetic crystals depend on their own parent only, so those of held-out parents are left out in every fold
    pretraining = make_pretraining_data(codec, crystals, known.ids, int(settings["crystals"]), chosen.seed)
    print(f"synthetic crystals: {time.process_time() - started:.0f} CPU s", file=sys.stderr, flush=True)
    rows = []
    for by in chosen.by:
        copies = multiplicities(substituted, known.ids) if by == "repeats" else 1
        crystal = np.repeat(np.arange(len(table)), copies)
        own, graphs, truth = table.iloc[crystal].reset_index(drop=True), known.graphs[crystal], energies[crystal]
        guesses: dict[str, np.ndarray] = {}
        turn = folds(own["prototype"], chosen.folds, by, chosen.seed)
        for fold in range(chosen.measured or chosen.folds):
            out, started = turn == fold, time.process_time()
            train, asked = own[~out], own[out]
            with tempfile.TemporaryDirectory() as folder:
                data = ConstraintData(known.ids[crystal], graphs, truth, out)
                run = TrainingRun.at(f"{folder}/descriptors.npz", f"{by}, fold {fold}", chosen.precision)
                constraint = train_descriptor_constraint(data, pretraining, settings, run, fold)
                found = {
                    "training mean": np.full(out.sum(), truth[~out].mean()),
                    "composition mean": composition_mean(train, asked),
                    "gradient boosting": gradient_boosting(train, asked, codec.elements, fold),
                    "network: descriptors": predict(constraint, graphs[out]),
                    "Gaussian process on the crystals' own descriptors": from_true_descriptors(
                        features[crystal], truth, out
                    ),
                }
                if chosen.image:
                    run = TrainingRun.at(f"{folder}/image.npz", f"{by}, fold {fold}", chosen.precision)
                    image = train_image_constraint(data, section, run, fold)
                    found["network: image"] = predict(image, graphs[out])
            for name, values in found.items():
                guesses.setdefault(name, np.full(len(own), np.nan))[out] = values
            copied = np.isin(crystal[out], crystal[~out]).mean()
            print(
                f"{by}, fold {fold}: {out.sum()} of {len(own)} crystals held out, {copied:.0%} of these with a copy in "
                f"the training; {time.process_time() - started:.0f} CPU s",
                file=sys.stderr,
                flush=True,
            )
        for name, values in guesses.items():
            measured = ~np.isnan(values)
            error, spread = (values - truth)[measured], (truth - truth[measured].mean())[measured]
            rows.append((name, by, f"{np.abs(error).mean():.4f}, {1 - (error**2).sum() / (spread**2).sum():.2f}"))
    frame = pd.DataFrame(rows, columns=["method", "by", "errors"]).pivot(index="method", columns="by", values="errors")
    print(f"\n{len(table)} crystals, {chosen.folds} folds, {settings}\n")
    print(f"| | {' | '.join(f'by {by}' for by in frame)} |\n{'|---' * (1 + frame.shape[1])}|")
    for name, errors in frame.iterrows():
        print(f"| {name} | {' | '.join(errors)} |")


if __name__ == "__main__":
    main()
